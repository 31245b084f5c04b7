"""A terminal of its own for a program of the project, as pexpect makes it, but forked where it can be."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from typing import Any

import pexpect
import ptyprocess
from support import fork_server


class Terminal(pexpect.spawn):
    """What pexpect.spawn is; the command is Python's."""

    def _spawnpty(self, args: list[Any], *, env: Any, cwd: Any, echo: bool, dimensions: Any, **options: Any) -> Any:
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", *dimensions, 0, 0))
        settings = termios.tcgetattr(theirs)
        settings[3] = settings[3] | termios.ECHO if echo else settings[3] & ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, settings)
        command = [os.fsdecode(each) for each in args[1:]]
        program = fork_server.start(command, env, cwd, theirs, theirs, theirs, terminal=True)
        os.close(theirs)
        if program:
            return _ForkedAtTerminal(program, ours)
        os.close(ours)
        return super()._spawnpty(args, env=env, cwd=cwd, echo=echo, dimensions=dimensions, **options)


class _ForkedAtTerminal(ptyprocess.PtyProcess):  # type: ignore[misc]
    def __init__(self, program: fork_server.Forked, terminal: int) -> None:
        super().__init__(program.pid, terminal)
        self.program = program

    def isalive(self) -> bool:
        code = self.program.wait() if self.flag_eof else self.program.poll()
        if code is None:
            return True
        self.terminated = True
        self.exitstatus, self.signalstatus = (code, None) if code >= 0 else (None, -code)
        return False

    def wait(self) -> int | None:
        self.program.wait()
        self.isalive()
        return self.exitstatus
