"""Run a program of the project with a bug in it.

    python tests/support/with_bug.py PROGRAM TARGET ERROR TIMES NEEDLE [ARGUMENT ...]

TARGET, like `lab2.aws.sqs:Queue.send`, raises ERROR for the first TIMES calls (0: for all) in whose arguments NEEDLE is
('': in any call). It raises before it does its work, or after it where TARGET ends with `!`.
"""

from __future__ import annotations

import builtins
import importlib
import runpy
import sys
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def plant(target: str, error: str, times: int, needle: str) -> None:
    """Replace a function or method by one that raises."""
    late = target.endswith("!")
    module, _, path = target.rstrip("!").partition(":")
    *owners, name = path.split(".")
    owner = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    right, lock, raised = getattr(owner, name), threading.Lock(), 0

    def wrong(*args: Any, **named: Any) -> Any:
        nonlocal raised
        with lock:
            bad = (not needle or needle in repr((args, named))) and (not times or raised < times)
            raised += bad
        result = right(*args, **named) if late or not bad else None
        if bad:
            raise getattr(builtins, error)("a bug by the test")
        return result

    setattr(owner, name, wrong)


if __name__ == "__main__":
    program, target, error, times, needle, *arguments = sys.argv[1:]
    sys.path.insert(0, str(ROOT))
    sys.argv = [str(ROOT / program), *arguments]
    plant(target, error, int(times), needle)
    runpy.run_path(sys.argv[0], run_name="__main__")
