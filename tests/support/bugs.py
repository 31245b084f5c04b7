"""Programs with a bug by the test in them, and what they must say of it."""

from __future__ import annotations

import re
from pathlib import Path

from support.world import Program, World

BAD = 77777  # the number in the message that makes the bug show
ERRORS = ["RuntimeError", "SystemExit", "OSError", "MemoryError"]


def buggy(world: World, program: str, target: str, error: str, times: int, needle: str = "", *args: str) -> Program:
    """Start a program in which `target` raises, as tests/support/with_bug.py says."""
    return world.start("tests/support/with_bug.py", program, target, error, str(times), needle, *args)


def assert_explained(said: str, error: str) -> None:
    """The program named the error in sentences, and a file that has its traceback."""
    assert "Traceback" not in said
    assert f"internal error: {error}: a bug by the test" in said
    paths = [Path(path) for path in set(re.findall(r"traceback in (\S+)\)", said))]
    assert any(f"{error}: a bug by the test" in path.read_text() for path in paths)
    for path in paths:
        path.unlink()
