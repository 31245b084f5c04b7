"""Ask for series of numbers, send them to the queue lab2, and show the answers from lab2_1."""

from __future__ import annotations

import argparse
import io
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NoReturn

from lab2.cli.flags import add_output_option, apply_common_options, common_options
from lab2.cli.parser import Parser, Program
from lab2.cli.run import run
from lab2.errors import InvalidInput
from lab2.stats.client.conversation import POLL_S, Conversation
from lab2.stats.client.prompt import fitted
from lab2.stats.client.requests import Requests
from lab2.stats.client.run import Run
from lab2.stats.series import MAX_NUMBERS, parse_number
from lab2.system.machine import host, user
from lab2.system.streams import flush_each_line
from lab2.terminal import remark

FORMS = ["text", "json", "csv"]
DEFAULT_WAIT_S = 60.0

# The first prompt waits for the imports above: boto3 alone would take 0.2 s, dataclasses 15 ms. `connect` imports the
# rest in the background.
if TYPE_CHECKING:
    from lab2.stats.client.connection import Connection

DESCRIPTION = """\
Ask for series of numbers, send them to the queue lab2,
and show the answers from lab2_1."""
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
    """Return the parser: client.py without a command asks for numbers, or sends those that it is given."""
    program = Program(ask_or_send, DESCRIPTION, EPILOG, [common_options()], prog)
    parser = program.unnamed
    parser.usage = "%(prog)s [options] [NUMBER ...]\n       %(prog)s COMMAND [options]"
    parser.add_argument("numbers", nargs="*", metavar="NUMBER", type=number, help="numbers to send as one message")
    add_answer_options(parser)
    parser = program.command("send", send, "send numbers as one message and print its answer")
    parser.add_argument(
        "numbers", nargs="+", metavar="NUMBER", type=number, help="1 to 10 numbers, 0 or larger, like 3 5.5 8"
    )
    add_answer_options(parser)
    parser = program.command("file", send_lines, "send one message per line of a file")
    parser.add_argument("path", metavar="PATH", help="a text or CSV file; '-' for standard input")
    parser.add_argument(
        "--delimiter",
        choices=[",", ";", "tab", "space"],
        help="what separates the numbers (default: detected)",
    )
    parser.add_argument("--decimal", choices=[".", ","], help="what marks decimals (default: detected)")
    add_answer_options(parser)
    parser = program.command("listen", listen, "take no input; show answers until Ctrl-C")
    add_answer_options(parser, waits=False)
    return program


def add_answer_options(parser: Parser, waits: bool = True) -> None:
    """Add the options of a command that shows answers, and --wait if it waits for them."""
    add_output_option(parser, FORMS)
    parser.add_argument(
        "--client",
        metavar="NAME",
        default=f"{user()}@{host()}",
        help="client name; answers are addressed to it (default: user@host)",
    )
    parser.add_argument("--private-answers", action="store_true", help="receive answers on a temporary private queue")
    parser.set_defaults(wait=DEFAULT_WAIT_S)
    if waits:
        parser.add_argument(
            "--wait",
            metavar="SECONDS",
            type=float,
            help="how long to wait for outstanding answers (default: 60)",
        )


def number(typed: str) -> float:
    try:
        return parse_number(typed)
    except InvalidInput as reason:
        raise argparse.ArgumentTypeError(f"{reason}; give 1 to 10 numbers, like 3 5.5 8") from None


def parse_options() -> argparse.Namespace:
    options = program().parse()
    error = options.parser.error
    if len(vars(options).get("numbers", ())) > MAX_NUMBERS:
        error(f"{len(options.numbers)} numbers are too many; give 1 to 10 numbers, like 3 5.5 8")
    if options.run is send_lines and options.delimiter == options.decimal == ",":
        error("a comma can't both separate numbers and mark decimals; choose another --delimiter")
    if not 0 < len(options.client) <= 200 or not options.client.isprintable():
        error("--client takes a name of 1 to 200 printable characters")
    return options


def connect(options: argparse.Namespace, requests: Requests, stack: ExitStack) -> Connection:
    """Return the connection that the options ask for; `stack` cleans up at the end."""
    from lab2.aws.session import AwsSession
    from lab2.local import emulator
    from lab2.stats.client import connection

    endpoint = stack.enter_context(emulator.running("lab2.cli.server")) if options.local else None
    aws = AwsSession(connections=connection.CONNECTIONS, endpoint=endpoint)
    return connection.connect(aws, options.client, options.private_answers, stack, requests, options.run is listen)


def ask(conversation: Conversation, options: argparse.Namespace) -> int:
    flush_each_line()  # if both streams go to one pipe, the input comes before the reply to it
    remark(fitted("Type up to 10 numbers, 0 or larger; an empty line sends the message."), sys.stdout)
    conversation.ask_and_answer()
    return 0 if conversation.fine else 1


def ask_or_send(conversation: Conversation, options: argparse.Namespace) -> int:
    return send(conversation, options) if options.numbers else ask(conversation, options)


def send(conversation: Conversation, options: argparse.Namespace) -> int:
    conversation.send(options.numbers)
    conversation.wait()
    return 0 if conversation.fine else 1


def send_lines(conversation: Conversation, options: argparse.Namespace) -> int:
    conversation.link.wait_for_imports()
    from lab2.stats.client.batch import send_file
    from lab2.stats.client.series_file import DELIMITERS, read_series

    series = read_series(options.path, DELIMITERS.get(options.delimiter), options.decimal)
    return send_file(lambda: conversation.exchange().connection, series, options.output, options.wait)


def listen(conversation: Conversation, options: argparse.Namespace) -> int:
    with suppress(KeyboardInterrupt):
        try:
            while True:
                conversation.listen(POLL_S)
        finally:
            conversation.count_earlier()
    return 0 if conversation.fine else 1


def main() -> int:
    options = parse_options()
    apply_common_options(options)
    # Bytes that are not text are invalid input, not a crash. Lines may end as on any system, a lone carriage return
    # included: numbers on two lines must never become one number.
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="backslashreplace", newline=None)
    with ExitStack() as stack:
        requests = Requests(Run())
        conversation = Conversation(
            lambda: connect(options, requests, stack),
            options.client,
            requests,
            options.wait,
            listening=options.run is listen,
            greeting=options.run is ask_or_send and not options.numbers,
            form=options.output,
        )
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
