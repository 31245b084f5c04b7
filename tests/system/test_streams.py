"""What happens when the output can't be written, or its reader has gone."""

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
from support.world import PATIENCE, ROOT, World

from lab2.cli import logs


def test_a_server_whose_reader_has_gone_ends_as_if_by_kill(world: World) -> None:
    beats = "lab2.stats.server.pacing.HEARTBEAT_S=0.2"
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


@pytest.mark.parametrize("both", [False, True], ids=["stdout", "stdout and stderr"])
@pytest.mark.parametrize(
    ("command", "code"),
    [("client.py x", 2), ("server.py --version", 0), ("hotdog.py upload --help", 0), ("server.py", 2)],
)
def test_a_closed_pipe_is_no_error_of_ours(command: str, code: int, both: bool) -> None:
    """1 says that the reader has gone; argparse leaves that unsaid."""
    reader, writer = os.pipe()
    os.close(reader)
    program, *arguments = command.split()
    environment = os.environ | {"AWS_ENDPOINT_URL": "nowhere"}
    environment.pop("PYTHONUNBUFFERED", None)
    done = subprocess.run(
        [sys.executable, ROOT / program, *arguments], env=environment, stdout=writer,
        stderr=writer if both else subprocess.PIPE, text=True, timeout=PATIENCE,
    )  # fmt: skip
    os.close(writer)
    assert done.returncode in (code, 1)
    assert both or ("BrokenPipe" not in done.stderr and "Traceback" not in done.stderr)
