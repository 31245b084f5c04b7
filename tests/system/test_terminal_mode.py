"""Manners at a terminal: it is left as it was found, and a stop and a hang-up are survived."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import sys
import termios
import threading
from pathlib import Path

import pexpect
import pytest
from support.client import ME, exit_code, put_answer, typing
from support.labeller import terminal
from support.pictures import drawing, encoded
from support.proxy import Fault, Proxy
from support.world import PATIENCE, ROOT, World, until

from lab2.aws.sqs.message_queue import Outgoing

CTRL_Z = "\x1a"


def edits(terminal: pexpect.spawn) -> bool:
    """Tell whether the terminal's own line editing is on, as it is for programs that ask for nothing else."""
    return bool(termios.tcgetattr(terminal.child_fd)[3] & termios.ICANON)


def do_at_the_prompt(world: World, code: str) -> None:
    """Have a thread of a program, with the world's home on its path, run `code` when a line has been waited for."""
    (world.home / "sitecustomize.py").write_text(
        "import builtins, signal, threading\n"
        "def act():\n"
        f"    {code}\n"
        "def started(question):\n"
        "    threading.Timer(1, act).start()\n"
        "    return given(question)\n"
        "given, builtins.input = input, started\n"
    )


def test_ctrl_z_gives_the_terminal_back_and_fg_the_question_with_what_was_typed(world: World) -> None:
    """The shell here is one that sets no mode itself."""
    shell = pexpect.spawn("sh", ["-i"], env=world.env | {"TERM": "xterm", "PS1": "$ "}, cwd=str(world.home),
                          encoding="utf-8", timeout=PATIENCE)  # fmt: skip
    shell.expect_exact("$ ")
    shell.sendline(f"{sys.executable} {ROOT / 'client.py'} --client {ME} --wait 0")
    for typed in ("", "1"):
        shell.expect(r"Number 1 of 10 \(Enter ends\): " + typed)
        until(lambda: not edits(shell))
        shell.send("1")
        shell.expect("1")
        shell.send(CTRL_Z)
        shell.expect("Stopped")
        shell.expect_exact("$ ")
        assert edits(shell)
        shell.sendline("fg")
    shell.expect(r"Number 1 of 10 \(Enter ends\): 11")
    shell.sendline("1")
    shell.expect("Number 2 of 10")
    shell.sendline("")
    shell.expect("Another message")
    shell.sendline("")
    shell.expect_exact("$ ")
    shell.close(force=True)
    assert [message.body for message in world.drain("lab2")] == ["[111]"]


@pytest.mark.parametrize("program", ["client.py", "hotdog.py"])
def test_a_program_that_is_ended_leaves_the_terminal_as_it_was(world: World, program: str) -> None:
    person = terminal(world, program=program)
    person.expect("Number 1 of 10" if program == "client.py" else "3 quit\r\n> ")
    until(lambda: not edits(person) or program == "hotdog.py")
    person.kill(signal.SIGTERM)
    assert exit_code(person) == 128 + signal.SIGTERM
    assert edits(person)


@pytest.mark.parametrize("program", ["client.py", "hotdog.py"])
def test_a_signal_that_does_not_interrupt_the_wait_for_a_key_is_noticed_all_the_same(
    world: World, program: str
) -> None:
    """A thread gets it here, as one that comes a moment before the wait would find nothing to interrupt."""
    do_at_the_prompt(world, "signal.pthread_kill(threading.get_ident(), signal.SIGTERM)")
    person = terminal(world, program=program, PYTHONPATH=f"{world.home}:{ROOT}")
    assert exit_code(person) == 128 + signal.SIGTERM
    assert edits(person)


def test_a_thread_that_dies_ends_the_client_and_leaves_the_terminal_as_it_was(world: World) -> None:
    do_at_the_prompt(world, "raise AttributeError")
    with typing(world, PYTHONPATH=f"{world.home}:{ROOT}", TERM="xterm") as person:
        person.expect("Number 1 of 10")
        until(lambda: not edits(person))
        person.expect("Internal error: AttributeError")
        until(lambda: edits(person))
        assert exit_code(person) == 70


def test_a_terminal_that_is_closed_ends_the_client_without_an_error(world: World, tmp_path: Path) -> None:
    (folder := tmp_path / "errors").mkdir()
    ours, theirs = pty.openpty()
    program = world.start(
        "client.py", "--client", ME, env={"TMPDIR": str(folder)}, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    said = b""
    os.write(ours, b"4\n\n")
    while b"Another message?" not in said:  # there is something left to be said, and nobody to hear it
        said += os.read(ours, 1000)
    os.close(ours)
    assert program.wait(PATIENCE) == 128 + signal.SIGHUP
    assert list(folder.iterdir()) == []


def test_a_server_whose_terminal_is_closed_finishes_the_requests_in_hand(world: World, proxy: Proxy) -> None:
    (folder := world.home / "errors").mkdir()
    ours, theirs = pty.openpty()
    server = world.start(
        "server.py", env={"TMPDIR": str(folder), "AWS_ENDPOINT_URL": proxy.url}, stdin=theirs, stdout=theirs,
        stderr=theirs, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    assert b"Serving lab2" in os.read(ours, 1000)
    write, go = threading.Event(), threading.Event()
    proxy.on("PutObject", Fault(before=lambda: write.set() or go.wait(PATIENCE)))
    world.queue("lab2").send([Outgoing("[4]")] * 10)
    assert write.wait(PATIENCE)
    os.close(ours)
    go.set()
    assert server.wait(PATIENCE) == 0
    assert world.depth("lab2") == (0, 0) and len(world.drain("lab2_1")) == 10
    assert list(folder.iterdir()) == []


def test_a_listener_under_nohup_outlives_its_terminal(world: World) -> None:
    listener = world.start("client.py", "listen", "--client", ME, preexec_fn=ignore_hangups)
    assert listener.stdout
    for number in "45":
        put_answer(world, f"[{number}]")
        assert any(f" {number} " in line for line in iter(listener.stdout.readline, ""))
        listener.send_signal(signal.SIGHUP)
    listener.send_signal(signal.SIGINT)
    assert listener.wait(PATIENCE) == 0


def ignore_hangups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def test_a_terminal_without_cursor_control_gets_plain_lines(world: World) -> None:
    folder = world.home / "pictures"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(encoded(".png", drawing(40 + number)))
    person = terminal(world, "upload", str(folder), TERM="dumb")
    person.expect("3 uploaded")
    person.expect(pexpect.EOF)
    with typing(world, TERM="dumb") as client:
        client.expect("Number 1 of 10")
        client.sendline("")
        client.expect("Another message")
        client.sendline("")
        client.expect(pexpect.EOF)
        assert not re.search(r"\x1b|\r(?!\n)", person.before + client.before)
