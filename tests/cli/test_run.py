"""How a program runs and ends: output in any encoding, and a signal whose exception Python ignores."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.labeller import piped, rows
from support.world import PATIENCE, ROOT, World

ENCODINGS = ["ascii", "latin-1", "cp437"]
NAME = "Käse 寿司 🌭"


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("program", "args"),
    [
        ("hotdog.py", ["upload", f"{NAME}.jpg"]),
        ("hotdog.py", ["label", "--bucket", NAME]),
        ("hotdog.py", [NAME]),
        ("client.py", [NAME]),
        ("client.py", ["file", NAME]),
        ("client.py", ["--client", NAME, "x"]),
        ("server.py", ["--bucket", NAME]),
        ("server.py", [NAME]),
    ],
)
def test_what_can_not_be_encoded_is_escaped(world: World, encoding: str, program: str, args: list[str]) -> None:
    process = world.start(program, *args, env={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}, encoding=encoding)
    output, errors = process.communicate("", timeout=PATIENCE)
    assert "Traceback" not in errors and "UnicodeEncodeError" not in errors
    assert process.returncode in (1, 2) and len(output + errors) > 10


def test_a_round_by_somebody_whose_name_the_terminal_lacks(samples: World) -> None:
    samples.env |= {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    code, output, errors = piped(samples, "label", "--annotator", NAME, typed="1\n0\n1\n0\n")
    assert (code, errors) == (0, "") and "4 labels safe in S3." in output
    assert {row["annotator"] for row in rows(samples)} == {NAME}
    code, output, errors = piped(samples, "report", typed="")
    assert (code, errors) == (0, "") and r"K\xe4se \u5bff\u53f8 \U0001f32d" in output


LOSES_A_SIGNAL = """
import os, signal, time, weakref
from lab2.cli.run import run

class Thing:
    pass

def main():
    thing = Thing()
    reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGNAL))
    del thing
    time.sleep(60)

run(main)
"""


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_whose_exception_python_ignores_ends_a_program_all_the_same(name: str, code: int) -> None:
    script = LOSES_A_SIGNAL.replace("SIGNAL", name)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (code, "")
