"""How a program runs and ends: exit codes, signals, and the sentence on why it ended early."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from lab2.errors import UserError, internal_error
from lab2.system import signals, streams, terminal_mode
from lab2.system.streams import discard, is_broken, is_of_output, reader_is_gone
from lab2.terminal import escape_unencodable

INTERNAL_ERROR = 70  # exit code, as EX_SOFTWARE of sysexits.h


def say_last(sentence: str) -> None:
    """Report why the program ends: as an event if it logs in JSON, else on stderr."""
    logs = sys.modules.get("lab2.cli.logs")
    if not (logs and logs.log_fatal(sentence)):
        print(sentence, file=sys.stderr, flush=True)


def run(main: Callable[[], int]) -> NoReturn:
    """Run a program and exit with main's code; a UserError gives one sentence on stderr and 2, a bug 70.

    Ctrl-C gives 130, any other signal 128 plus its number, a closed standard output 1. The terminal's mode is restored.
    """
    streams.set_up()
    escape_unencodable()
    terminal_mode.keep()
    signals.handle(_end, *signals.ENDING)
    threading.excepthook = lambda failure: _die(failure.exc_value or failure.exc_type())
    sys.unraisablehook = _end_after_all
    try:
        code = exit_code(main)
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:
        discard(*filter(is_broken, (sys.stdout, sys.stderr)))
        if not reader_is_gone(error):
            try:
                say_last(f"The output was not written: {error.strerror}.")
            except OSError:  # nor can this be
                discard(sys.stderr)
        code = 1
    terminal_mode.restore()
    sys.exit(code)


def exit_code(main: Callable[[], int]) -> int | str | None:
    """Run `main` and return the exit code of the program, reporting on stderr why it ended early."""
    try:
        return main()
    except UserError as problem:
        say_last(str(problem))
        return 2
    except KeyboardInterrupt:
        return 130
    except SystemExit as end:
        return end.code
    except ModuleNotFoundError as error:
        say_last(f"{_capitalised(str(error))}. Install what is missing: pip install -r requirements.txt")
        return 2
    except Exception as error:
        if isinstance(error, OSError) and (reader_is_gone(error) or is_of_output(error)):
            raise
        say_last(_capitalised(internal_error(error)))
        return INTERNAL_ERROR


def _end(number: int, _: object) -> NoReturn:
    """End the program because of a signal, cleaning up."""
    discard_closed_terminal(number)
    sys.exit(128 + number)


def discard_closed_terminal(number: int) -> None:
    """If this signal says that the terminal is gone, writing to it must not fail."""
    if number == getattr(signal, "SIGHUP", None):
        discard(*(stream for stream in (sys.stdout, sys.stderr) if stream.isatty()))


def _end_after_all(lost: sys.UnraisableHookArgs) -> None:
    """Send a signal again whose exception Python has ignored, as it does in a callback of a weak reference.

    There are many of these while modules are imported.
    """
    if isinstance(lost.exc_value, KeyboardInterrupt):
        number = int(signal.SIGINT)
    elif isinstance(lost.exc_value, SystemExit) and isinstance(lost.exc_value.code, int):
        number = lost.exc_value.code - 128
    else:
        number = 0
    if number > 0:
        again = threading.Timer(0.05, signals.send, [number])  # later: it would be ignored here, too
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(lost)


def _die(error: BaseException) -> None:
    """End the program because one of its threads has died. What it has not finished is not confirmed."""
    gone = isinstance(error, OSError) and reader_is_gone(error)
    try:
        if not gone:
            say_last(_capitalised(internal_error(error)))
    finally:
        terminal_mode.restore()
        os._exit(1 if gone else INTERNAL_ERROR)


def _capitalised(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
