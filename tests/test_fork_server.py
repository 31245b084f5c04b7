"""What is forked is as Python starts it: tests that start programs so see what a user sees."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pexpect
import pytest
from support import fork_server
from support.terminal import Terminal
from support.world import PATIENCE

LOOK = """
import json, os, signal, sys, threading

def look(stream):
    return [stream.encoding, stream.errors, stream.line_buffering, stream.write_through, stream.fileno(),
            stream.name, stream.mode, type(stream.buffer).__name__]

print(json.dumps({
    "typed": sys.stdin.read(), "arguments": sys.argv, "name": __name__, "file": __file__, "path": sys.path,
    "folder": os.getcwd(), "variables": dict(os.environ), "group": os.getpgrp(), "session": os.getsid(0),
    "streams": [look(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
    "signals": {str(number): str(signal.getsignal(number)) for number in signal.valid_signals()},
    "descriptors": [name for name in os.listdir("/proc/self/fd") if os.path.exists(path := f"/proc/self/fd/{name}")
                    and ".so." not in os.readlink(path)],  # ctypes, which numpy imports, may keep libffi's open
    "threads": threading.active_count(), "main": sys.modules["__main__"].__name__, "umask": os.umask(0o22),
}))
"""


def started(
    *arguments: str | Path, env: dict[str, str] | None = None, folder: Path = Path("/"), **streams: Any
) -> fork_server.Forked:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    program = fork_server.start([*map(str, arguments)], env or dict(os.environ), folder, **(pipes | streams))
    assert program
    return program


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "script.py"


@pytest.mark.skipif(sys.platform != "linux", reason="programs are forked on Linux only")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("way", ["file", "module"])
def test_a_forked_program_finds_what_one_finds_that_python_starts(
    script: Path, tmp_path: Path, way: str, unbuffered: str
) -> None:
    script.write_text(LOOK)
    arguments = [*([str(script)] if way == "file" else ["-m", script.stem]), "an argument", "ä"]
    env = os.environ | {"PYTHONUNBUFFERED": unbuffered, "AN": "Umlaut: ä"}
    forked = started(*arguments, env=env, folder=tmp_path)
    output, errors = forked.communicate("typed\n", PATIENCE)
    real = subprocess.run(
        [sys.executable, *arguments], env=env, cwd=tmp_path, input="typed\n", capture_output=True, text=True
    )
    assert (errors, forked.returncode) == ("", 0)
    assert json.loads(output) == json.loads(real.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="programs are forked on Linux only")
@pytest.mark.parametrize(
    ("code", "exit_code", "said"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('No.')", 1, "No.\n"),
        ("import atexit; atexit.register(print, 'Bye.')", 0, "Bye.\n"),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
    ],
)
def test_it_ends_as_one_that_python_starts(script: Path, code: str, exit_code: int, said: str) -> None:
    script.write_text(code)
    program = started(script, stderr=subprocess.STDOUT)
    output, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, output.endswith(said), errors) == (exit_code, True, None)


@pytest.mark.skipif(sys.platform != "linux", reason="programs are forked on Linux only")
def test_it_is_signalled_and_waited_for_like_another(script: Path, tmp_path: Path) -> None:
    script.write_text("import time\nprint('ready', flush=True)\ntime.sleep(600)")
    program = started(script)
    assert program.stdout and program.stdout.readline() == "ready\n"
    assert program.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        program.wait(0.1)
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(program.wait, PATIENCE) for _ in range(8)]
        program.send_signal(signal.SIGINT)
        assert {ended.result() for ended in waiting} == {-signal.SIGINT}
    _, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, errors.endswith("KeyboardInterrupt\n")) == (-signal.SIGINT, True)
    program.kill()  # and nobody else is killed who has its number by now
    assert program.wait() == -signal.SIGINT


@pytest.mark.skipif(sys.platform != "linux", reason="programs are forked on Linux only")
def test_at_a_terminal_it_leads_a_session_and_hears_ctrl_c(script: Path) -> None:
    script.write_text(
        "import os, time\n"
        "print(os.isatty(0), os.getsid(0) == os.getpid() == os.tcgetpgrp(0), *os.get_terminal_size(), flush=True)\n"
        "time.sleep(600)"
    )
    child = Terminal(sys.executable, [str(script)], env=dict(os.environ), cwd="/", timeout=PATIENCE, encoding="utf-8",
                     dimensions=(24, 60), echo=False)  # fmt: skip
    assert isinstance(child.ptyproc.program, fork_server.Forked)
    child.expect_exact("True True 60 24")
    assert child.isalive()
    child.sendintr()
    child.expect_exact("KeyboardInterrupt")
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus, child.signalstatus) == (None, signal.SIGINT)


def test_what_python_reads_at_its_start_is_left_to_python(script: Path, tmp_path: Path) -> None:
    pipes = [subprocess.PIPE] * 3
    assert fork_server.start([str(script)], os.environ | {"PYTHONUTF8": "0"}, tmp_path, *pipes) is None
