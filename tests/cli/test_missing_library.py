"""A library that is not installed is named in a sentence, not in a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("library", ["boto3", "botocore"])
@pytest.mark.parametrize("program", ["client", "server", "hotdog"])
def test_a_program_without_its_library_says_how_to_install_it(program: str, library: str) -> None:
    launch = f"import runpy, sys; sys.modules[{library!r}] = None; runpy.run_path('{program}.py', run_name='__main__')"
    run = subprocess.run([sys.executable, "-c", launch], cwd=ROOT, capture_output=True, text=True, timeout=60)
    sentence = f"{library} is not installed. Run: pip install -r requirements.txt\n"
    assert (run.returncode, run.stdout, run.stderr) == (2, "", sentence)
