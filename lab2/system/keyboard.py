"""The keyboard: lines that are asked for, edited with readline if there is one, and what was typed ahead."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable

from lab2.system import signals

if sys.platform == "win32":
    import msvcrt
else:
    import termios

_standing = ""


def ask(question: str, meanwhile: Callable[[], object] = lambda: None) -> str:
    """Return the line that is typed; EOFError at the end of the input. Call `meanwhile` several times a second."""
    global _standing
    try:
        if sys.stdin.isatty():
            _standing = question
        with signals.noticed(meanwhile):
            return input(question)
    finally:
        _standing = ""


def standing() -> str:
    """Return the question that is waiting for a line at the terminal, "" if there is none."""
    return _standing


def ask_again() -> None:
    """Print the question that is waiting for a line again, with what has been typed."""
    if question := _standing:
        readline = sys.modules.get("readline")
        print(question + (readline.get_line_buffer() if readline else ""), end="", flush=True)


def edit_lines(complete: Callable[[str], list[str]] | None = None) -> None:
    """From now on arrow keys edit the line at a prompt, Up brings back earlier lines, and Tab calls `complete`.

    Nothing changes without a terminal. On Windows the console itself edits lines, without Tab.
    """
    if sys.platform == "win32" or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    try:
        import readline
    except ImportError:  # Python was built without it
        return

    def match(text: str, number: int) -> str | None:
        matches = complete(text) if complete else []
        return matches[number] if number < len(matches) else None

    readline.set_completer(match)
    readline.set_completer_delims("")  # the whole line is one path
    if "libedit" in (readline.__doc__ or ""):  # macOS
        readline.parse_and_bind("bind ^I rl_complete" if complete else "bind ^I ed-insert")
    else:
        readline.parse_and_bind("tab: complete" if complete else "tab: self-insert")


def typed_ahead() -> bool:
    """Return whether there is unread input at the terminal."""
    if not sys.stdin.isatty():
        return False
    if sys.platform == "win32":
        return bool(msvcrt.kbhit())
    return bool(select.select([sys.stdin], [], [], 0)[0])


def drop_typed_ahead() -> None:
    """Discard unread input at the terminal."""
    if sys.platform == "win32":
        while msvcrt.kbhit():
            msvcrt.getwch()
    else:
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
