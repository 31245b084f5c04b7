"""Ask for series of numbers, send them to the queue lab2, and show the answers from lab2_1."""

from __future__ import annotations

import argparse
import io
import sys
from contextlib import ExitStack, suppress

from lab2.cli.common import add_flags, add_output_flag, prepare, run
from lab2.cli.parser import Program
from lab2.errors import InvalidInput
from lab2.stats.client.conversation import POLL, Conversation
from lab2.stats.client.prompt import fitted
from lab2.stats.client.run import Run
from lab2.stats.series import check_series, parse_number
from lab2.system.machine import host, user
from lab2.system.streams import flush_each_line
from lab2.terminal import remark

FORMS = ["text", "json", "csv"]
WAIT = 60.0  # seconds to wait for outstanding answers

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


def program(prog: str | None = None) -> Program:
    """Return the parser: client.py without a command asks; numbers without a command are sent."""
    program = Program(ask, __doc__.replace("lab2, ", "lab2,\n"), EPILOG, [add_answer_flags, add_flags], prog)
    add_wait_flag(program)
    program.set_defaults(output="text")
    parser = program.command("send", send, "send numbers as one message and print its answer", unnamed=True)
    parser.add_argument("numbers", nargs="+", metavar="NUMBER", help="1 to 10 numbers, 0 or larger, like 3 5.5 8")
    add_output_flag(parser, FORMS)
    add_wait_flag(parser)
    parser = program.command("file", send_lines, "send one message per line of a file", old_flag="--file")
    parser.add_argument("path", metavar="PATH", help="a text or CSV file; '-' for standard input")
    parser.add_argument("--delimiter", choices=[",", ";", "tab", "space"],
                        help="what separates the numbers (default: found in the file)")  # fmt: skip
    parser.add_argument("--decimal", choices=[".", ","], help="what marks decimals (default: found in the file)")
    add_output_flag(parser, FORMS, old_flags=["csv", "json"])
    add_wait_flag(parser)
    parser = program.command("listen", listen, "take no input; show answers until Ctrl-C", old_flag="--listen")
    add_output_flag(parser, FORMS)
    parser.set_defaults(wait=WAIT)
    return program


def add_answer_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--client", metavar="NAME", default=f"{user()}@{host()}",
                        help="client name; answers are addressed to it (default: user@host)")  # fmt: skip
    parser.add_argument("--private-answers", action="store_true", help="receive answers on a temporary private queue")


def add_wait_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", metavar="SECONDS", type=float, default=WAIT,
                        help="how long to wait for outstanding answers (default: 60)")  # fmt: skip


def parse_options() -> argparse.Namespace:
    parser = program()
    options = parser.parse()
    error = parser.parser_of(options.command).error
    if options.command == "send":
        try:
            options.numbers = [parse_number(typed) for typed in options.numbers]
            check_series(options.numbers)
        except InvalidInput as reason:
            error(f"{reason}; give 1 to 10 numbers, like 3 5.5 8")
    if options.command == "file" and options.delimiter == options.decimal == ",":
        error("a comma can't both separate numbers and mark decimals; choose another --delimiter")
    if not 0 < len(options.client) <= 200 or not options.client.isprintable():
        error("--client takes a name of 1 to 200 printable characters")
    return options


def connect(options: argparse.Namespace, run: Run, stack: ExitStack) -> Connection:
    """Return the connection of `run` that the options ask for; `stack` gets what to undo at the end."""
    from lab2.aws.session import AwsSession
    from lab2.local import emulator
    from lab2.stats.client import connection

    endpoint = stack.enter_context(emulator.running("lab2.cli.server")) if options.local else None
    aws = AwsSession(connections=connection.CONNECTIONS, endpoint=endpoint)
    return connection.connect(aws, options.client, options.private_answers, stack, run)


def ask(conversation: Conversation, options: argparse.Namespace) -> int:
    flush_each_line()  # where one pipe takes both streams, what was typed comes before what is said to it
    remark(fitted("Type up to 10 numbers, 0 or larger; an empty line sends the message."), sys.stdout)
    conversation.ask_and_answer()
    return 0 if conversation.fine else 1


def send(conversation: Conversation, options: argparse.Namespace) -> int:
    conversation.send(options.numbers)
    conversation.wait()
    return 0 if conversation.fine else 1


def send_lines(conversation: Conversation, options: argparse.Namespace) -> int:
    conversation.link.wait_for_imports()
    from lab2.stats.client.batch import send_file
    from lab2.stats.client.series_file import DELIMITERS, read_series

    series = read_series(options.path, DELIMITERS.get(options.delimiter), options.decimal)
    return send_file(conversation.link.connection, series, options.output, options.wait)


def listen(conversation: Conversation, options: argparse.Namespace) -> int:
    with suppress(KeyboardInterrupt):
        conversation.link.connection()
        while True:
            conversation.listen(POLL)
    return 0 if conversation.fine else 1


def main() -> int:
    options = parse_options()
    prepare(options)
    # Bytes that are not text are rejected as input, nothing worse. Lines may end as on any system, also by a lone
    # carriage return: numbers of two lines must never become one number.
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="backslashreplace", newline=None)
    with ExitStack() as stack:
        this_run = Run()
        conversation = Conversation(
            lambda: connect(options, this_run, stack), options.client, this_run, options.wait,
            listening=options.run is listen, greeting=options.run is ask, form=options.output,
        )  # fmt: skip
        try:
            code: int = options.run(conversation, options)
        finally:
            conversation.link.settle()
        return code


def command() -> NoReturn:
    """Run lab2-client."""
    run(main)


if __name__ == "__main__":
    command()
