"""Ask for series of numbers, send them to the queue lab2, and show the answers from lab2_1."""

from __future__ import annotations

import argparse
import getpass
import io
import os
import signal
import sys
from contextlib import ExitStack, suppress

from lab2.cli.common import Parser, add_flags, run
from lab2.errors import InvalidInput
from lab2.stats.client.conversation import POLL, Conversation
from lab2.stats.client.prompt import fitted
from lab2.stats.client.run import Run
from lab2.stats.series import check_series, parse_number

# The first prompt waits for the imports above only: boto3 alone takes 0.2 s, dataclasses 15 ms.
# The rest is imported in the background, by `connect`, or where it is used.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from lab2.stats.client.connection import Connection

EPILOG = """\
exit codes:
  0  everything was answered
  1  some input was rejected, or an answer is still outstanding; the next run
     shows it
  2  fatal error; the reason is on stderr
  130  interrupted by Ctrl-C
  129, 143  ended by SIGHUP, SIGTERM
"""


def parse_options() -> argparse.Namespace:
    parser = Parser(
        description=__doc__.replace("lab2, ", "lab2,\n"), epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("numbers", nargs="*", help="send these numbers as one message and print its answer")
    parser.add_argument("--file", metavar="PATH", help="send one message per line of a file ('-' for standard input)")
    parser.add_argument("--delimiter", choices=[",", ";", "tab", "space"],
                        help="with --file: what separates the numbers (default: found in the file)")  # fmt: skip
    parser.add_argument("--decimal", choices=[".", ","],
                        help="with --file: what marks decimals (default: found in the file)")  # fmt: skip
    parser.add_argument("--csv", dest="format", action="store_const", const="csv", help="with --file: print CSV")
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", help="with --file: print JSON lines"
    )
    parser.add_argument("--listen", action="store_true", help="take no input; show answers until Ctrl-C")
    parser.add_argument("--client", metavar="NAME", default=f"{user()}@{os.uname().nodename}",
                        help="client name; answers are addressed to it (default: %(default)s)")  # fmt: skip
    parser.add_argument("--wait", metavar="SECONDS", type=float, default=60.0,
                        help="how long to wait for outstanding answers (default: 60)")  # fmt: skip
    parser.add_argument("--private-answers", action="store_true", help="receive answers on a temporary private queue")
    add_flags(parser)
    options = parser.parse_args()
    try:
        options.numbers = [parse_number(typed) for typed in options.numbers]
        if options.numbers:
            check_series(options.numbers)
    except InvalidInput as reason:
        parser.error(f"{reason}; give 1 to 10 numbers, like 3 5.5 8")
    if bool(options.numbers) + bool(options.file) + options.listen > 1:
        parser.error("give numbers, --file or --listen, only one of them")
    if options.format and not options.file:
        parser.error(f"--csv and --json need --file, as in: {parser.prog} --file series.txt --csv")
    if options.delimiter == options.decimal == ",":
        parser.error("a comma can't both separate numbers and mark decimals; choose another --delimiter")
    if (options.delimiter or options.decimal) and not options.file:
        parser.error(f"--delimiter and --decimal need --file, as in: {parser.prog} --file series.csv --decimal ,")
    if not 0 < len(options.client) <= 200 or not options.client.isprintable():
        parser.error("--client takes a name of 1 to 200 printable characters")
    return options


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container a user may have a number and no name
        return str(os.getuid())


def connect(options: argparse.Namespace, run: Run, stack: ExitStack) -> Connection:
    """Return the connection of `run` that the options ask for; `stack` gets what to undo at the end."""
    from lab2.aws import emulator
    from lab2.aws.session import AwsSession
    from lab2.stats.client import connection

    endpoint = stack.enter_context(emulator.running("lab2.cli.server")) if options.local else None
    aws = AwsSession(connections=connection.CONNECTIONS, endpoint=endpoint)
    return connection.connect(aws, options.client, options.private_answers, stack, run)


def main() -> int:
    options = parse_options()
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda number, _: sys.exit(128 + number))  # so that `stack` is unwound
    # Bytes that are not text are rejected as input, nothing worse. Lines may end as on any system, also by a lone
    # carriage return: numbers of two lines must never become one number.
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="backslashreplace", newline=None)
    with ExitStack() as stack:
        this_run = Run()
        conversation = Conversation(
            lambda: connect(options, this_run, stack), options.client, this_run, options.wait,
            listening=options.listen, greeting=not (options.listen or options.file or options.numbers),
        )  # fmt: skip
        try:
            if options.file:
                conversation.link.wait_for_imports()
                from lab2.stats.client.batch import send_file
                from lab2.stats.client.series_file import DELIMITERS, read_series

                series = read_series(options.file, DELIMITERS.get(options.delimiter), options.decimal)
                return send_file(conversation.link.connection, series, options.format, options.wait)
            if options.numbers:
                conversation.send(options.numbers)
                conversation.wait()
            elif options.listen:
                with suppress(KeyboardInterrupt):
                    conversation.link.connection()
                    while True:
                        conversation.listen(POLL)
            else:
                print(fitted("Type up to 10 numbers, 0 or larger; an empty line sends the message."))
                conversation.ask_and_answer()
        finally:
            conversation.link.settle()
        return 0 if conversation.fine else 1


def command() -> NoReturn:
    """Run lab2-client."""
    run(main)


if __name__ == "__main__":
    command()
