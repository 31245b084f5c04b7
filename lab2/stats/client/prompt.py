"""The question on the screen: what happens meanwhile is printed below it, and nothing that was typed is lost."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence

from lab2.stats.series import plainly
from lab2.system import keyboard
from lab2.terminal import counted, printable


class Prompt:
    """Asks for lines; calls `meanwhile`, which may print, repeatedly until one is typed."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self.meanwhile = meanwhile

    @property
    def standing(self) -> str:
        """The question that is waiting for a line at a terminal, "" if there is none."""
        return keyboard.standing()

    def ask(self, question: str) -> str:
        """Return the line that is typed, stripped; EOFError at the end of the input."""
        line = keyboard.ask(question, self.meanwhile).strip()
        if not sys.stdin.isatty():
            print(printable(line))  # so that a transcript reads like a screen
        return line

    def tell(self, line: str) -> None:
        """Print a line on stderr; repeat a waiting question below it, with what was typed."""
        print(f"\n{line}\n" if self.standing else f"{line}\n", end="", file=sys.stderr, flush=True)  # in one write
        keyboard.ask_again()


def fitted(sentence: str) -> str:
    """Return the sentence in lines that fit the terminal."""
    return textwrap.fill(sentence, shutil.get_terminal_size().columns, subsequent_indent="  ")


def how_to_resend(numbers: Sequence[float], next_run: str | None = None) -> str:
    """Return how to send a message later. With the client of the `next_run`, it may have been sent already.

    Once a message is passed to SQS, a lost reply or Ctrl-C leaves that open.
    """
    command = f"client.py {plainly(numbers)}"
    if next_run is None:
        return f"Not sent. Send it later with: {command}"
    return (
        f"The message may have been sent. If it was, the next run as {next_run} shows its answer, unless that is on a "
        f"private queue. To send it again as a new message: {command}"
    )


def say_input_ended(waiting: int, reply: str, interrupted: bool) -> None:
    """Print that the input has ended, if that may surprise: answers are outstanding, or the `reply` was unclear.

    Only y or Y starts another message.
    """
    if waiting:
        leave = " Press Ctrl-C again to leave." if interrupted else ""
        print(fitted(f"Input ended; waiting for {counted(waiting, 'answer')}.{leave}"), file=sys.stderr)
    elif reply.lower() not in ("", "y", "n", "no"):
        print(fitted("Input ended: only y or Y starts another message."), file=sys.stderr)
