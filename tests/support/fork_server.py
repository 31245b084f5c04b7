"""Starts programs of the project by fork, in a process that has imported boto3 and numpy: most of what a start costs.

A program costs 0.7 s of processor time before it does anything, and the tests start thousands. What is forked is a
process like any other, with arguments, variables, a folder, streams, signals and an end of its own. Run as a script,
this is the server: `python tests/support/fork_server.py DESCRIPTOR-OF-A-SOCKET`.
"""

from __future__ import annotations

import fcntl
import gc
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = dict(os.environ)  # with which the tests were started
NUMBER = 4  # bytes of a pid, and of what wait() says of an end
AT_START = ("PYTHON", "LANG", "LC_")  # beginnings of the variables that Python reads when it starts ...
LATER = "PYTHONUNBUFFERED"  # ... but for this one, which is obeyed here


class Forked:
    """A program that was forked, with what tests use of subprocess.Popen."""

    def __init__(self, args: Sequence[str], status: int, streams: Sequence[IO[str] | None]) -> None:
        self.args = args
        self.stdin, self.stdout, self.stderr = streams
        self.returncode: int | None = None
        self._status = status  # descriptor from which its pid comes, and at its end how it ended
        self._reading = threading.Lock()  # several threads may wait
        weakref.finalize(self, os.close, status)
        self.pid = self._number()

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        if self._ended(timeout) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[Any, Any]:
        """Write `input`, read what comes until the program ends; None for a stream that is no pipe of ours."""
        deadline = time.monotonic() + (threading.TIMEOUT_MAX if timeout is None else timeout)
        texts: dict[IO[str], str] = {}

        def write(stream: IO[str]) -> None:
            with suppress(BrokenPipeError), stream:
                stream.write(input or "")

        def read(stream: IO[str]) -> None:
            texts[stream] = stream.read()
            stream.close()

        readers = [stream for stream in (self.stdout, self.stderr) if stream and not stream.closed]
        threads = [threading.Thread(target=read, args=(stream,), daemon=True) for stream in readers]
        if self.stdin and not self.stdin.closed:
            threads.append(threading.Thread(target=write, args=(self.stdin,), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(None if timeout is None else max(0.0, deadline - time.monotonic()))
        return tuple(texts.get(stream, "") if stream else None for stream in (self.stdout, self.stderr))  # type: ignore[return-value]

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            with self._reading:
                if self.returncode is None:
                    self.returncode = os.waitstatus_to_exitcode(self._number())
        return self.returncode

    def _number(self) -> int:
        return int.from_bytes(os.read(self._status, NUMBER), "big")


def start(
    args: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    stdin: Any,
    stdout: Any,
    stderr: Any,
    terminal: bool = False,
) -> Forked | None:
    """Start the program at `args[0]`, or the module after `-m`; None if only Python can, which reads some variables.

    With `terminal`, `stdin` is the terminal that a new session gets.
    """
    if sys.platform != "linux" or _at_start(env) != _at_start(ENVIRONMENT):
        return None
    pipes: list[IO[str] | None] = []
    theirs: list[int] = []
    for stream, mode in ((stdin, "w"), (stdout, "r"), (stderr, "r")):
        ours = None
        if stream == subprocess.PIPE:
            reading, writing = os.pipe()
            ours, other = (reading, writing) if mode == "r" else (writing, reading)
            theirs.append(other)
        elif stream == subprocess.DEVNULL:
            theirs.append(os.open(os.devnull, os.O_RDWR))
        elif stream == subprocess.STDOUT:
            theirs.append(os.dup(theirs[1]))
        else:
            theirs.append(os.dup(stream if isinstance(stream, int) else stream.fileno()))
        pipes.append(None if ours is None else open(ours, mode, encoding="utf-8"))  # noqa: SIM115
    status, their_status = os.pipe()
    theirs.append(their_status)
    request = {"args": args, "env": dict(env), "cwd": str(cwd), "terminal": terminal}
    socket.send_fds(_server(), [json.dumps(request).encode()], theirs)
    for descriptor in theirs:
        os.close(descriptor)
    return Forked(args, status, pipes)


def _at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(AT_START) and name != LATER}


@cache
def _server() -> socket.socket:
    """Return the socket of a server, which ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        environment = ENVIRONMENT | {"OPENBLAS_NUM_THREADS": "1"}  # a process with threads must not be forked
        command = [sys.executable, __file__, str(theirs.fileno())]
        subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()], cwd=ROOT)
    return ours


# ---- the server ----------------------------------------------------------------------------------------------------


def serve(requests: socket.socket) -> None:
    """Fork for each request; return in the child, which has become what was asked for."""
    running: dict[int, int] = {}  # where to say how a program ended, by its pid
    woken, waker = socket.socketpair()
    woken.setblocking(False)
    waker.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker.fileno())
    while True:
        ready = select.select([requests, woken], [], [])[0]
        if woken in ready:
            woken.recv(1_000)
            while running and (ended := os.waitpid(-1, os.WNOHANG))[0]:
                status = running.pop(ended[0])
                with suppress(BrokenPipeError):  # nobody wants to know any more
                    os.write(status, ended[1].to_bytes(NUMBER, "big"))
                os.close(status)
        if requests in ready:
            request, descriptors, _, _ = socket.recv_fds(requests, 2**20, NUMBER)
            if not request:
                raise SystemExit
            *streams, status = descriptors
            if not (pid := os.fork()):
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (requests, woken, waker):
                    each.close()
                for each in running.values():
                    os.close(each)
                try:
                    become(streams=streams, **json.loads(request))
                finally:
                    os.write(status, os.getpid().to_bytes(NUMBER, "big"))
                    os.close(status)
                return
            for each in streams:
                os.close(each)
            running[pid] = status


def become(args: Sequence[str], env: Mapping[str, str], cwd: str, streams: Sequence[int], terminal: bool) -> None:
    """Be as a process that Python has just started with these arguments."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    if terminal:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(cwd)
    sys.argv = list(args)
    sys.path[0] = os.getcwd() if args[0] == "-m" else os.path.dirname(args[0])
    sys.stdin = sys.__stdin__ = _stream(0, "r", sys.stdin)
    sys.stdout = sys.__stdout__ = _stream(1, "w", sys.stdout)
    sys.stderr = sys.__stderr__ = _stream(2, "w", sys.stderr)


def _stream(number: int, mode: str, like: Any) -> Any:
    unbuffered = bool(os.environ.get(LATER))
    raw: Any = io.FileIO(number, mode, closefd=False)
    raw.name = like.name
    buffer = io.BufferedReader(raw) if mode == "r" else raw if unbuffered else io.BufferedWriter(raw)
    lines = not unbuffered and (number == 2 or raw.isatty())
    stream: Any = io.TextIOWrapper(buffer, like.encoding, like.errors, None, lines, unbuffered)
    stream.mode = mode
    return stream


def share_models() -> None:
    """Let the sessions of this process and its forks share botocore's models: parsing takes a fifth of a second."""
    import botocore.session

    botocore.session.create_loader = cache(botocore.session.create_loader)


if __name__ == "__main__":
    share_models()
    import boto3
    import numpy  # noqa: F401  # but not OpenCV, which reads at its import what programs set before

    for service in ("sqs", "s3", "sts"):  # which imports what is imported with the first client
        boto3.Session("x", "x", region_name="us-east-1").client(service)  # type: ignore[call-overload]
    gc.freeze()  # what is shared stays shared
    serve(socket.socket(fileno=int(sys.argv[1])))
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")
