"""Run a program of the project with a bug in it, and in the processes that it starts.

    python tests/support/with_bug.py PROGRAM TARGET ERROR TIMES NEEDLE [ARGUMENT ...]

PROGRAM is a file, or a module with `-m` right before its name.

TARGET, like `lab2.aws.sqs.message_queue:Queue.send`, raises ERROR for the first TIMES calls (0: for all) in whose
arguments NEEDLE is ('': in any call). It raises before it does its work, or after it where TARGET ends with `!`.
"""

from __future__ import annotations

import builtins
import inspect
import runpy
import subprocess
import sys
import threading
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def plant(target: str, error: str, times: int, needle: str) -> None:
    """Replace a function or method by one that raises."""
    late = target.endswith("!")
    of, _, name = target.rstrip("!").replace(":", ".").rpartition(".")
    owner = resolve_name(of)
    right, lock, raised = getattr(owner, name), threading.Lock(), 0

    def is_bad(*given: Any) -> bool:
        nonlocal raised
        with lock:
            bad = (not needle or needle in repr(given)) and (not times or raised < times)
            raised += bad
        return bad

    def wrong(*args: Any, **named: Any) -> Any:
        bad = is_bad(args, named)
        result = right(*args, **named) if late or not bad else None
        if bad:
            raise getattr(builtins, error)("a bug by the test")
        return result

    async def wrong_in_loop(*args: Any, **named: Any) -> Any:
        bad = is_bad(args, named)
        result = await right(*args, **named) if late or not bad else None
        if bad:
            raise getattr(builtins, error)("a bug by the test")
        return result

    setattr(owner, name, wrong_in_loop if inspect.iscoroutinefunction(right) else wrong)


def plant_in_children(*bug: str) -> None:
    """Let the daemons that are started, and the processes that are spawned, have the bug, too."""
    popen, spawned = subprocess.Popen, SpawnContext.Process

    class Popen(popen[bytes]):
        def __init__(self, args: Any, **options: Any) -> None:
            if args[1:2] == ["-m"] and args[2].startswith("lab2."):
                args = [args[0], __file__, f"-m{args[2]}", *bug, *args[3:]]
            super().__init__(args, **options)

    def process(*, target: Any, args: Any, **options: Any) -> SpawnProcess:
        return spawned(target=importable.run, args=(bug, target, args), **options)

    from support import with_bug as importable

    subprocess.Popen = Popen  # type: ignore[misc]
    SpawnContext.Process = staticmethod(process)  # type: ignore[assignment, misc]


def run(bug: tuple[str, str, str, str], target: Any, args: Any) -> None:
    """Do what a process was spawned for, with the bug in it."""
    module, error, times, needle = bug
    plant(module, error, int(times), needle)
    target(*args)


if __name__ == "__main__":
    program, *bug = sys.argv[1:6]
    target, error, times, needle = bug
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    plant(target, error, int(times), needle)
    plant_in_children(*bug)
    sys.argv = [str(ROOT / program), *sys.argv[6:]]
    if program.startswith("-m"):
        runpy.run_module(program[2:], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")
