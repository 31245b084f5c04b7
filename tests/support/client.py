"""The client at a terminal and through a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import pexpect
from support.terminal import Terminal
from support.world import PATIENCE, ROOT, World

from lab2.aws.sqs.message_queue import Outgoing
from lab2.stats.client.run import Run, runs_folder
from lab2.stats.protocol import answer_request, encode_answer

ME = "me@here"
# A client that waits for an answer before it asks for more, as on a machine that is not busy: usually for a second.
WAITING = "tests/support/with_setting.py", "client.py", "lab2.stats.client.conversation:SHORT_WAIT_S=20"


def raised(error: Exception) -> NoReturn:
    """What an inbox in a test does with a message that it can't handle."""
    raise error


@contextmanager
def typing(
    world: World, *args: str, columns: int = 80, program: Sequence[str] = ("client.py",), **env: str
) -> Iterator[pexpect.spawn]:
    """A client at a terminal of its own; `program` is what is started, and what it is given first."""
    path, *first = program
    child = Terminal(
        sys.executable, [str(ROOT / path), *first, *args, "--client", ME], env=world.env | env, cwd=str(world.home),
        encoding="utf-8", timeout=PATIENCE, dimensions=(40, columns), echo=False,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.close(force=True)


def exit_code(child: pexpect.spawn) -> int | None:
    child.expect(pexpect.EOF)
    child.wait()
    return child.exitstatus


def client(world: World, *args: str, typed: str | None = None, **env: str) -> tuple[int, str, str]:
    """Run a client to its end, typing through a pipe; return exit code, output and errors."""
    process = world.start("client.py", *args, "--client", ME, env=env)
    output, errors = process.communicate(typed, timeout=3 * PATIENCE)
    assert "Traceback" not in errors
    return process.returncode, output, errors


def put_answer(world: World, numbers: str, client: str | None = ME, id: str | None = None, times: int = 1) -> str:
    id = id or dead_run().new_id()
    attributes = {"id": id} | ({"client": client} if client else {})
    message = Outgoing(encode_answer(answer_request(id, numbers)), attributes)
    assert world.queue("lab2_1").send([message] * times) == []
    return id


def dead_run() -> Run:
    """A run on this machine that was killed, as its file says: it is there and nobody holds its lock."""
    run = Run()
    run.begin(runs_folder())
    run.end(outstanding=True)
    return run
