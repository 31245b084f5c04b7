#!/usr/bin/env python3
"""Ask for series of numbers, send them to the queue lab2, show the answers from lab2_1."""

from __future__ import annotations

import argparse
import getpass
import io
import os
import shutil
import signal
import sys
import termios
import textwrap
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from lab2.aws.session import ANSWERS, Parser, Problem, add_flags, explained, run
from lab2.stats.series import MOST_NUMBERS, Refused, check_series, parse_number, shortest
from lab2.terminal import Progress, printable

# The first prompt waits for what is imported up there, and for no more: boto3 alone takes 0.2 s, dataclasses 15 ms.
# The rest is imported behind it, by `Connecting`, and where it is used.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from lab2.stats.client.connection import Exchange
    from lab2.workers import Trouble

GLANCE = 1  # seconds to wait for an answer before the next question
POLL = 5  # seconds of a long poll when there is nothing to type; Ctrl-C in one may hide an answer for a while
HEAD_START = 0.01  # seconds for the first prompt before the imports behind it take the processor

EPILOG = """\
exit codes:
  0  everything was answered
  1  something was refused, or is not answered yet: the next run shows it
  2  it could not go on, and said why
  130  left by Ctrl-C
  129, 143  ended by SIGHUP, SIGTERM
"""


class Connecting:
    """Connects in a thread; a failure is said at once, by `interrupt`, and raised where the link is needed."""

    def __init__(self, options: argparse.Namespace, stack: ExitStack) -> None:
        self.options, self.stack = options, stack
        self.problem: Problem | None = None
        self.trouble: Trouble
        self._exchange: Exchange | None = None
        self._thread = threading.Timer(HEAD_START, self._connect)
        self._thread.daemon = True
        self._thread.start()

    def exchange(self) -> Exchange:
        """Return the exchange as soon as it is there; Problem where it can't be had."""
        self._thread.join()
        if self.problem:
            raise self.problem
        assert self._exchange
        return self._exchange

    def settle(self) -> None:
        """Wait until the connecting is over, so that what it started can be stopped."""
        self._thread.join(10)

    def _connect(self) -> None:
        from lab2.stats.client.connection import connect
        from lab2.workers import Trouble

        options, self.trouble = self.options, Trouble("Listening")
        try:
            self._exchange = connect(options.client, options.local, options.private_answers, self.stack)
        except Problem as problem:
            self.problem = problem
            os.kill(os.getpid(), signal.SIGUSR1)


class Conversation:
    """What a person and the client say to each other."""

    def __init__(self, options: argparse.Namespace, stack: ExitStack) -> None:
        self.options, self.stack = options, stack
        self.sent: dict[str, str] = {}  # what the messages of this run are called, by id
        self.waiting: set[str] = set()  # ids of those not answered yet
        self.fine = True
        self._reading = False
        signal.signal(signal.SIGUSR1, self._heard)
        self.link = Connecting(options, stack)

    def ask_and_answer(self) -> None:
        """Ask for messages until there is enough, showing answers in between; then wait for the rest."""
        try:
            while True:
                numbers, more = self.ask_series()
                self.send(numbers)
                if not more or self.read("Another message? [y/N] ") not in ("y", "Y"):
                    break
        except EOFError:
            print()
        except KeyboardInterrupt:
            waiting = " Waiting for answers; Ctrl-C once more leaves." if self.waiting else ""
            print(f"\nNo more input.{waiting}", file=sys.stderr)
        self.wait(self.options.wait)

    def ask_series(self) -> tuple[list[float], bool]:
        """Return the numbers of one message, and whether more may be typed after them."""
        numbers: list[float] = []
        for number in range(1, MOST_NUMBERS + 1):
            try:
                typed = self.read(f"Number {number} of {MOST_NUMBERS} (Enter ends): ", numbers)
            except EOFError:
                print()
                return numbers, False
            except KeyboardInterrupt:
                if numbers:
                    print(f"\nThe unfinished message is dropped: {plainly(numbers)}", end="", file=sys.stderr)
                raise
            if not typed:
                break
            try:
                numbers.append(parse_number(typed))
            except Refused as reason:
                print(fitted(f"  Not taken: {reason}."), file=sys.stderr)
        return numbers, True

    def read(self, prompt: str, typed: Sequence[float] = ()) -> str:
        """Return the line that is typed; what is heard of AWS meanwhile interrupts, and the question is asked again."""
        while True:
            try:
                self._reading = True
                if self.link.problem:
                    raise self.link.problem
                line = input(prompt).strip()
            except Problem as problem:
                print(f"\n{problem}", file=sys.stderr)
                self.reconnect(typed)
            else:
                if not sys.stdin.isatty():
                    print(printable(line))  # so that a transcript reads like a screen
                return line
            finally:
                self._reading = False

    def send(self, numbers: list[float]) -> None:
        """Send one message, and show its answer if that comes at once."""
        if not numbers:
            print("No numbers, so nothing was sent.", file=sys.stderr)
            return
        from lab2.stats.protocol import new_id

        id = new_id()
        while True:
            try:
                exchange = self.link.exchange()
                self.sent.setdefault(id, str(len(self.sent) + 1))
                self.waiting.add(id)  # before it is sent: an answer may come to one that seemed to fail
                if not exchange.send([(id, numbers)]):
                    break
            except Problem as problem:
                print(problem, file=sys.stderr)
                self.reconnect(numbers)
        deadline = time.monotonic() + GLANCE
        while id in self.waiting and time.monotonic() < deadline:
            self.listen(GLANCE)
        if id in self.waiting:
            print(f"Message {self.sent[id]} is sent; its answer will be shown when it is there.")

    def reconnect(self, typed: Sequence[float]) -> None:
        """Ask whether to try again; leave if not, or if nobody is there to ask, showing what was typed."""
        again = False
        if sys.stdin.isatty():  # from a pipe, the next line is a number and no reply
            if typed:
                print(f"You typed {plainly(typed)}; it is kept.", file=sys.stderr)
            termios.tcflush(sys.stdin, termios.TCIFLUSH)  # half a number that stands on the screen is no reply either
            try:
                again = input("Try again? [Y/n] ").strip() in ("", "y", "Y")
            except (EOFError, KeyboardInterrupt):
                print()
        if not again:
            unsent = f" Send it later with: client.py {plainly(typed)}" if typed else ""
            raise Problem(f"Nothing more was sent.{unsent}")
        self.link = Connecting(self.options, self.stack)

    def show(self, wait: int) -> None:
        """Print the answers that are there, waiting up to `wait` seconds for one; delete what was printed."""
        from lab2.stats.client.output import table

        inbox = self.link.exchange().inbox
        with explained(f"queue {ANSWERS}"):
            arrivals = inbox.receive(wait)
            rows = []
            for arrival in arrivals:
                answer = arrival.answer
                if answer is None:
                    print(f"What came here is no answer: {printable(arrival.message.body)[:60]}", file=sys.stderr)
                else:
                    rows.append((self.sent.get(answer.id, "earlier"), answer))
                    self.waiting.discard(answer.id)
                    self.fine = self.fine and answer.error is None
            if rows:
                print(table(rows, shutil.get_terminal_size().columns), flush=True)
            if arrivals:
                inbox.delete([arrival.message for arrival in arrivals])

    def wait(self, seconds: float) -> None:
        """Show answers until all messages of this run are answered, for `seconds` at most."""
        deadline = time.monotonic() + seconds
        try:
            while self.waiting and (left := deadline - time.monotonic()) > 0:
                self.listen(max(1, round(min(POLL, left))))
        finally:
            if self.waiting:
                self.fine = False
                missing = ", ".join(name for id, name in self.sent.items() if id in self.waiting)
                later = f" The next run as {self.options.client} will show the answer."
                if self.options.private_answers:
                    later = " The answer is lost with the private queue."
                print(f"Not answered yet: message {missing}.{later} Is a server running?", file=sys.stderr)

    def listen(self, seconds: int) -> None:
        """Show the answers that come within `seconds`; say once if AWS fails, and pause."""
        try:
            self.show(seconds)
        except Problem as problem:
            time.sleep(self.link.trouble.failed(problem))
        else:
            self.link.trouble.over()

    def _heard(self, *_: object) -> None:
        if self._reading and self.link.problem:
            self._reading = False
            raise self.link.problem


def send_file(conversation: Conversation) -> int:
    """Send one message per line of a file, and print the answers in the order of the lines."""
    from lab2.stats.client.batch import Bulk, parse_line
    from lab2.stats.client.output import printer

    options, good, bad = conversation.options, [], 0
    for number, line in enumerate(read_lines(options.file), 1):
        try:
            if line.strip():
                good.append((str(number), parse_line(line)))
        except Refused as reason:
            bad += 1
            print(f"Line {number} is not sent: {reason}.", file=sys.stderr)
    bulk = Bulk(conversation.link.exchange(), [numbers for _, numbers in good])
    show = printer(options.format, good)
    missing: list[str] = []
    try:
        with Progress(len(good), "answers") as progress:
            for (line, _), answer in zip(
                good, bulk.answers(options.wait, lambda: progress(bulk.received)), strict=True
            ):
                if answer:
                    show(line, answer)
                else:
                    missing.append(line)
    finally:
        bulk.close()
        if missing:
            print(f"Not answered yet: line {', '.join(missing[:20])}{' ...' * (len(missing) > 20)}.", file=sys.stderr)
        print(f"{bulk.sent:,} sent, {bulk.received:,} answered, {bad:,} refused.", file=sys.stderr)
    return 1 if bad or missing else 0


def read_lines(path: str) -> list[str]:
    try:
        with open(0 if path == "-" else path, encoding="utf-8") as file:
            return file.readlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "it is not text in UTF-8"
        raise Problem(f"{path} can't be read: {reason}. Give a file with one series a line.") from None


def fitted(sentence: str) -> str:
    return textwrap.fill(sentence, shutil.get_terminal_size().columns, subsequent_indent="  ")


def plainly(numbers: Sequence[float]) -> str:
    return " ".join(map(shortest, numbers))


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number only
        return str(os.getuid())


def parse_options() -> argparse.Namespace:
    parser = Parser(
        description=__doc__.replace("lab2, ", "lab2,\n"), epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("numbers", nargs="*", help="send these as one message, and print its answer")
    parser.add_argument("--file", metavar="PATH", help="send one message per line of a file ('-': standard input)")
    parser.add_argument("--csv", dest="format", action="store_const", const="csv", help="with --file: answers as CSV")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="with --file: as JSON lines")
    parser.add_argument("--listen", action="store_true", help="take no input, show answers until Ctrl-C")
    parser.add_argument("--client", metavar="NAME", default=f"{user()}@{os.uname().nodename}",
                        help="who asks (default: %(default)s)")  # fmt: skip
    parser.add_argument("--wait", metavar="SECONDS", type=float, default=60.0,
                        help="how long to wait for the last answers (default: 60)")  # fmt: skip
    parser.add_argument("--private-answers", action="store_true", help="answers come on a queue of one's own")
    add_flags(parser)
    options = parser.parse_args()
    try:
        options.numbers = [parse_number(typed) for typed in options.numbers]
        if options.numbers:
            check_series(options.numbers)
    except Refused as reason:
        parser.error(f"{reason}; give 1 to 10 numbers, like 3 5.5 8")
    if bool(options.numbers) + bool(options.file) + options.listen > 1:
        parser.error("numbers, --file and --listen don't go together")
    if options.format and not options.file:
        parser.error("--csv and --json go with --file: client.py --file series.txt --csv")
    if not 0 < len(options.client) <= 200 or not options.client.isprintable():
        parser.error("a client's name has 1 to 200 characters that can be printed")
    return options


def main() -> int:
    options = parse_options()
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda number, _: sys.exit(128 + number))  # by way of what is to be undone at the end
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a byte that is no text is no number, and no more than that
    with ExitStack() as stack:
        conversation = Conversation(options, stack)
        try:
            if options.file:
                return send_file(conversation)
            if options.numbers:
                conversation.send(options.numbers)
                conversation.wait(options.wait)
            elif options.listen:
                with suppress(KeyboardInterrupt):
                    conversation.link.exchange()
                    while True:
                        conversation.listen(POLL)
            else:
                print(fitted("Type positive numbers; an empty line ends the message and sends it."))
                conversation.ask_and_answer()
        finally:
            conversation.link.settle()
        return 0 if conversation.fine else 1


if __name__ == "__main__":
    run(main)
