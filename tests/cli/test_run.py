"""What a program says reaches terminals and files of any encoding: what can't be encoded is escaped."""

from __future__ import annotations

import errno
import io
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.labeller import piped, rows
from support.world import PATIENCE, ROOT, World

from lab2.cli import logs

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


def test_a_server_whose_reader_has_gone_ends_as_if_by_kill(world: World) -> None:
    beats = "lab2.stats.server.service.HEARTBEAT=0.2"
    server = world.start("tests/support/with_setting.py", "server.py", beats)
    assert server.stdout and server.stderr and "Serving" in server.stdout.readline()
    server.stdout.close()
    assert server.wait(PATIENCE) == 1
    assert server.stderr.read() == ""


def test_a_line_that_can_not_be_written_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    failures: list[object] = []
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(threading, "excepthook", failures.append)
    logger = logging.Logger("lab2")
    logger.addHandler(logs._Lines(logs.as_text))
    thread = threading.Thread(target=logger.info, args=["a line"])
    thread.start()
    thread.join()
    assert failures == []
    logger.info("a line")


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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
def test_a_full_disk_under_the_output_is_said_in_a_sentence() -> None:
    script = "from lab2.cli.run import run\nrun(lambda: print('results') or 0)"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, env=os.environ | {"PYTHONUNBUFFERED": ""}, stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=PATIENCE,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "The output was not written: No space left on device.\n")


@pytest.mark.parametrize(
    ("line", "code", "sentence"),
    [
        ("server.py --version >&-", 1, "The output was not written: Bad file descriptor.\n"),
        ("client.py --wait 0 <&-", 0, "No numbers were typed, so nothing was sent.\n"),
        ("client.py x 2>&-", 2, ""),
        ("client.py --wait 0 <&- >&- 2>&-", 1, ""),
        ("client.py --wait 0 </dev/null >/dev/full", 1, "The output was not written: No space left on device.\n"),
        ("client.py --help >&- 2>/dev/full", 1, ""),
    ],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_or_full_stream_is_a_sentence_and_no_internal_error(
    line: str, code: int, sentence: str, unbuffered: str, tmp_path: Path
) -> None:
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} {ROOT / line}"], env=environment | {"HOME": str(tmp_path)}, cwd=tmp_path,
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, sentence)


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ([], {"HOME": None}),
        ([], {"HOME": ""}),
        ([], {"HOME": "/"}),
        ([], {"AWS_PROFILE": "", "AWS_SESSION_TOKEN": "", "LAB2_BUCKET": ""}),
        (["-OO"], {"PYTHONSAFEPATH": "1"}),
    ],
)
def test_a_client_answers_without_a_home_with_empty_variables_and_optimised(
    world: World, server: object, options: list[str], settings: dict[str, str | None]
) -> None:
    environment = {name: value for name, value in (world.env | settings).items() if value is not None}
    done = subprocess.run(
        [sys.executable, *options, str(ROOT / "client.py"), "3", "5.5"], env=environment, cwd=world.home,
        capture_output=True, text=True, timeout=3 * PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].split() == ["1", "3", "5.5", "4.25", "4.25", "5.5", "3"]


NOBODY = """
import pwd, runpy, sys

def nobody(uid):
    raise KeyError(uid)

pwd.getpwuid = nobody
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("hotdog.py report", 0, "hot dog"),
        ("hotdog.py upload underbase/b5ee1b165ac3-IMG_0417.jpg", 0, "1 already there"),
        ("client.py --wait 0", 0, "No numbers were typed"),
    ],
)
def test_who_has_no_home_and_no_name_can_do_what_needs_neither(samples: World, line: str, code: int, said: str) -> None:
    environment = {name: value for name, value in samples.env.items() if name not in ("HOME", "LOGNAME", "USER")}
    done = subprocess.run(
        [sys.executable, "-c", NOBODY, *line.split()], env=environment, cwd=ROOT, capture_output=True, text=True,
        input="", timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == code and said in done.stdout + done.stderr and "Traceback" not in done.stderr
