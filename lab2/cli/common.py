"""What the three programs share: flags, exit codes, and how an error ends a program."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from lab2.errors import UserError, internal_error
from lab2.terminal import escape_unencodable

INTERNAL_ERROR = 70  # exit code, as EX_SOFTWARE of sysexits.h

TYPE_CHECKING = False  # as typing has it, which takes a tenth of the client's start
if TYPE_CHECKING:
    from typing import NoReturn


def add_flags(parser: argparse._ArgumentGroup) -> None:
    """Add the flags that all commands of all programs take."""
    parser.add_argument("--local", action="store_true", help="use AWS emulated on this machine; no account needed")


def add_bucket_flag(parser: argparse._ArgumentGroup) -> None:
    parser.add_argument("--bucket", help="S3 bucket (default: $LAB2_BUCKET, else lab2-<account>-<region>)")


def run(main: Callable[[], int]) -> NoReturn:
    """Run a program and exit with main's code; one sentence on stderr and 2 for a UserError, 70 for an error of ours.

    Ctrl-C gives 130, a closed standard output 1.
    """
    import threading

    escape_unencodable()
    threading.excepthook = lambda failure: _die(failure.exc_value or failure.exc_type())
    try:
        code = main()
        sys.stdout.flush()
    except UserError as problem:
        print(problem, file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except ModuleNotFoundError as error:
        print(f"{_capitalised(str(error))}. Install what is missing: pip install -r requirements.txt", file=sys.stderr)
        code = 2
    except Exception as error:
        print(_capitalised(internal_error(error)), file=sys.stderr)
        code = INTERNAL_ERROR
    sys.exit(code)


def _die(error: BaseException) -> None:
    """End the program because a thread of it has died: nobody would do its work. What is not done is not confirmed."""
    print(_capitalised(internal_error(error)), file=sys.stderr, flush=True)
    os._exit(INTERNAL_ERROR)


def _capitalised(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
