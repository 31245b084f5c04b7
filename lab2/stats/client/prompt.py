"""The question that stands on the screen: other threads may print below it, and nothing that is typed is lost."""

from __future__ import annotations

import shutil
import sys
import textwrap

from lab2.system import keyboard
from lab2.terminal import counted, printable


class Prompt:
    """Asks for lines, and tells what happens meanwhile."""

    @property
    def standing(self) -> str:
        """The question that waits for a line at a terminal, "" if none does."""
        return keyboard.standing()

    def ask(self, question: str) -> str:
        """Return the line that is typed, without spaces around it; EOFError at the end of the input."""
        line = keyboard.ask(question).strip()
        if not sys.stdin.isatty():
            print(printable(line))  # so that a transcript reads like a screen
        return line

    def tell(self, line: str) -> None:
        """Print a line on stderr; a question that stands there is put again below it, with what was typed."""
        print(f"\n{line}\n" if self.standing else f"{line}\n", end="", file=sys.stderr, flush=True)  # in one piece
        keyboard.ask_again()


def fitted(sentence: str) -> str:
    """Return the sentence in lines that fit the terminal."""
    return textwrap.fill(sentence, shutil.get_terminal_size().columns, subsequent_indent="  ")


def say_input_ended(waiting: int, reply: str, interrupted: bool) -> None:
    """Say that no more is asked, where that may surprise: answers are waited for, or the `reply` meant something else.

    Another message is started by y or Y and nothing else.
    """
    if waiting:
        leave = " Press Ctrl-C again to leave." if interrupted else ""
        print(fitted(f"Input ended; waiting for {counted(waiting, 'answer')}.{leave}"), file=sys.stderr)
    elif reply.lower() not in ("", "y", "n", "no"):
        print(fitted("Input ended: only y or Y starts another message."), file=sys.stderr)
