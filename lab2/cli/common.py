"""What the three programs share: flags, and how a program ends."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from lab2 import __version__
from lab2.errors import UserError
from lab2.terminal import printable

TYPE_CHECKING = False  # as typing has it, which takes a tenth of the client's start
if TYPE_CHECKING:
    from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser that does not print raw what looks like an option and is the name of a file."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that all three programs share."""
    parser.add_argument("--local", action="store_true", help="use AWS emulated on this machine; no account needed")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")


def add_bucket_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bucket", default=os.environ.get("LAB2_BUCKET"),
                        help="S3 bucket (default: $LAB2_BUCKET, else lab2-<account>-<region>)")  # fmt: skip


def run(main: Callable[[], int]) -> NoReturn:
    """Run a program: exit code from main, one sentence on stderr for a UserError, 130 for Ctrl-C."""
    try:
        code = main()
        sys.stdout.flush()
    except UserError as problem:
        print(problem, file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # whoever read our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)
