"""Names of the queues and of what is in the bucket; the files that come with lab2."""

from __future__ import annotations

from pathlib import Path

REQUEST_QUEUE = "lab2"
ANSWER_QUEUE = "lab2_1"
DEAD_LETTER_QUEUE = "lab2_dead"
LOG_PREFIX = "log/"
IMAGE_PREFIX = "underbase/"
PREVIEW_PREFIX = "underbase-previews/"
LABEL_KEY = "underbase.csv"
PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parent  # the checkout, or the folder that pip installed the package into


def bundled(name: str) -> Path:
    """Return the path of a file or folder that comes with lab2: at the top of a checkout, in the package of a wheel."""
    path = ROOT / name
    return path if (ROOT / "aws.yaml").exists() else PACKAGE / "bundled" / name


DEPLOY = "python -m lab2 deploy"
