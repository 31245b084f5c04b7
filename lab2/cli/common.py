"""What the three programs share: flags, exit codes, and how an error ends a program."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterable, MutableMapping, Sequence

from lab2.errors import UserError, internal_error
from lab2.system import signals, terminal_mode
from lab2.system.streams import discard, is_broken, reader_is_gone
from lab2.terminal import be_quiet, escape_unencodable

INTERNAL_ERROR = 70  # exit code, as EX_SOFTWARE of sysexits.h

TYPE_CHECKING = False  # as typing has it, which takes a tenth of the client's start
if TYPE_CHECKING:
    from typing import NoReturn


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that all commands of all programs take."""
    parser.add_argument("--local", action="store_true", help="use AWS emulated on this machine; no account needed")
    parser.add_argument("--profile", metavar="NAME", help="AWS profile (default: $AWS_PROFILE)")
    parser.add_argument("--region", metavar="NAME", help="AWS region (default: $AWS_REGION, else the profile's)")
    parser.add_argument(
        "--endpoint-url", metavar="URL", help="where AWS is (default: $AWS_ENDPOINT_URL, else AWS itself)"
    )
    parser.add_argument("--quiet", action="store_true", help="print only results, questions, warnings and errors")
    parser.add_argument("--verbose", action="store_true", help="log each reply of AWS, with its request id, on stderr")


def add_output_flag(parser: argparse.ArgumentParser, forms: Sequence[str], old_flags: Iterable[str] = ()) -> None:
    """Add --output, the form of the results (default: the first), and the flags that 1.0 had for some forms."""
    parser.add_argument("--output", choices=forms, default=forms[0], help=f"form of the results (default: {forms[0]})")
    for form in old_flags:
        parser.add_argument(
            f"--{form}", dest="output", action="store_const", const=form, help=f"the same as --output {form}"
        )


def prepare(options: argparse.Namespace) -> None:
    """Do what the flags of `add_flags` ask for, before anything else."""
    apply_aws_flags(options)
    if options.quiet:
        be_quiet()
    if options.verbose:
        from lab2.cli import logs  # imported only here: logging takes milliseconds

        logs.set_up(verbose=True)


def add_bucket_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bucket", help="S3 bucket (default: $LAB2_BUCKET, else lab2-<account>-<region>)")


def apply_aws_flags(options: argparse.Namespace, environment: MutableMapping[str, str] = os.environ) -> None:
    """Let --profile, --region and --endpoint-url win over variables and files, as in the AWS CLI.

    Each is put in the place of its variable, so that all that reads the AWS settings agrees, sentences on errors too.
    """
    chosen = {flag for flag in ("profile", "region", "endpoint_url") if getattr(options, flag)}
    if options.local and chosen:
        flags = ", ".join(f"--{flag.replace('_', '-')}" for flag in sorted(chosen))
        raise UserError(f"--local can't be combined with {flags}: it uses AWS emulated on this machine.")
    hidden = [name for flag in chosen for name in _HIDDEN[flag] if name in environment]
    hidden += [name for name in environment if "endpoint_url" in chosen and name.startswith("AWS_ENDPOINT_URL_")]
    for name in hidden:
        del environment[name]
    for flag in chosen:
        environment[f"AWS_{flag.upper()}"] = getattr(options, flag)


# The variables that a flag wins over, besides its own. A profile that is named wins over credentials in variables.
_HIDDEN = {
    "profile": ["AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                "AWS_SECURITY_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"],
    "region": ["AWS_DEFAULT_REGION"],
    "endpoint_url": ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"],
}  # fmt: skip


def say_last(sentence: str) -> None:
    """Say why the program ends: as an event if it logs in JSON, else on stderr."""
    logs = sys.modules.get("lab2.cli.logs")
    if not (logs and logs.log_fatal(sentence)):
        print(sentence, file=sys.stderr, flush=True)


def run(main: Callable[[], int]) -> NoReturn:
    """Run a program and exit with main's code; one sentence on stderr and 2 for a UserError, 70 for an error of ours.

    Ctrl-C gives 130, another signal 128 and its number, a closed standard output 1. The terminal is left as it was.
    """
    import threading

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
            say_last(f"The output was not written: {error.strerror}.")
        code = 1
    terminal_mode.restore()
    sys.exit(code)


def exit_code(main: Callable[[], int]) -> int | str | None:
    """Run `main` and return the exit code of the program; what ended it too early is said on stderr."""
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
        if isinstance(error, OSError) and reader_is_gone(error):
            raise
        say_last(_capitalised(internal_error(error)))
        return INTERNAL_ERROR


def _end(number: int, _: object) -> NoReturn:
    """End the program because of a signal, undoing what is to be undone."""
    if number == getattr(signal, "SIGHUP", None):  # the terminal is gone: what is said on the way must not fail
        discard(*(stream for stream in (sys.stdout, sys.stderr) if stream.isatty()))
    sys.exit(128 + number)


def _end_after_all(lost: sys.UnraisableHookArgs) -> None:
    """Send a signal once more whose exception Python has ignored, as it does in a callback of a weak reference.

    Of those there are many while modules are imported.
    """
    import threading

    if isinstance(lost.exc_value, KeyboardInterrupt):
        number = int(signal.SIGINT)
    elif isinstance(lost.exc_value, SystemExit) and isinstance(lost.exc_value.code, int):
        number = lost.exc_value.code - 128
    else:
        number = 0
    if number > 0:
        again = threading.Timer(0.05, signals.send, [number])  # not now: it would be ignored here too
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(lost)


def _die(error: BaseException) -> None:
    """End the program because a thread of it has died: nobody would do its work. What is not done is not confirmed."""
    gone = isinstance(error, OSError) and reader_is_gone(error)
    try:
        if not gone:
            say_last(_capitalised(internal_error(error)))
    finally:
        terminal_mode.restore()
        os._exit(1 if gone else INTERNAL_ERROR)


def _capitalised(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
