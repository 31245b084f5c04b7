"""The question that stands on the screen: other threads may print below it, and nothing that is typed is lost."""

from __future__ import annotations

import shutil
import sys
import textwrap

from lab2.terminal import printable


class Prompt:
    """Asks for lines; `standing` is the question that waits for one at a terminal, '' if none does."""

    def __init__(self) -> None:
        self.standing = ""

    def ask(self, question: str) -> str:
        """Return the line that is typed, without spaces around it; EOFError at the end of the input."""
        try:
            if sys.stdin.isatty():
                self.standing = question
            line = input(question).strip()
        finally:
            self.standing = ""
        if not sys.stdin.isatty():
            print(printable(line))  # so that a transcript reads like a screen
        return line

    def tell(self, line: str) -> None:
        """Print a line on stderr; a question that stands there is put again below it, with what was typed."""
        question = self.standing
        print(f"\n{line}\n" if question else f"{line}\n", end="", file=sys.stderr, flush=True)  # in one piece
        if question:
            readline = sys.modules.get("readline")
            print(question + (readline.get_line_buffer() if readline else ""), end="", flush=True)


def typed_ahead() -> bool:
    """Tell whether a line was typed at the terminal that has not been read; False where that can't be known."""
    import select

    try:
        return sys.stdin.isatty() and bool(select.select([sys.stdin], [], [], 0)[0])
    except (OSError, ValueError):  # Windows knows it of sockets only
        return False


def drop_typed_ahead() -> None:
    """Forget what was typed at the terminal and not read, where that is possible."""
    try:
        import termios
    except ImportError:
        return
    termios.tcflush(sys.stdin, termios.TCIFLUSH)


def fitted(sentence: str) -> str:
    """Return the sentence in lines that fit the terminal."""
    return textwrap.fill(sentence, shutil.get_terminal_size().columns, subsequent_indent="  ")
