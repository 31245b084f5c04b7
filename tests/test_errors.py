"""Unexpected errors: where their tracebacks go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support.world import PATIENCE, ROOT


def test_the_traceback_of_an_unforeseen_error_is_in_the_json_log_and_in_no_file(tmp_path: Path) -> None:
    """Of a machine that is gone only its log is left."""
    script = (
        "from lab2.cli import logs; from lab2.errors import internal_error; logs.set_up(form='json')\n"
        "try: [][1]\n"
        "except IndexError as error: print(internal_error(error))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path)}, capture_output=True,
        text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.stdout == "internal error: IndexError: list index out of range (traceback in the log)\n"
    event = json.loads(done.stderr)
    assert (event["event"], event["level"]) == ("internal_error", "error")
    assert event["traceback"].startswith("Traceback ") and "[][1]" not in event["message"]
    assert list(tmp_path.iterdir()) == []
