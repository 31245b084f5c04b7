"""Run a program of the project with other values of its settings, so that a test need not wait.

    python tests/support/with_setting.py PROGRAM TARGET=VALUE[,TARGET=VALUE] [ARGUMENT ...]

TARGET, like `lab2.labelling.session:Session.patience`, is a number of a module or class, for which VALUE is put.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from pkgutil import resolve_name

ROOT = Path(__file__).resolve().parents[2]


def put(setting: str) -> None:
    target, _, value = setting.partition("=")
    of, _, name = target.replace(":", ".").rpartition(".")
    owner = resolve_name(of)
    setattr(owner, name, type(getattr(owner, name))(value))


if __name__ == "__main__":
    program, settings, *arguments = sys.argv[1:]
    sys.path.insert(0, str(ROOT))
    for setting in settings.split(","):
        put(setting)
    sys.argv = [str(ROOT / program), *arguments]
    runpy.run_path(sys.argv[0], run_name="__main__")
