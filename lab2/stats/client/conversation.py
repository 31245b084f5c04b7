"""What a person and the client say to each other."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence

from lab2.errors import InvalidInput, UserError
from lab2.stats.series import MAX_NUMBERS, parse_number, shortest
from lab2.terminal import printable

# What is imported up there is all that the first prompt waits for.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from lab2.aws.retry import OutageReporter
    from lab2.stats.client.connection import Connection

GLANCE = 1  # seconds to wait for an answer before the next question
POLL = 5  # seconds of a long poll when there is nothing to type; Ctrl-C in one may hide an answer for a while
HEAD_START = 0.01  # seconds for the first prompt before the imports behind it take the processor


class BackgroundConnection:
    """Connects in a thread; a failure is said at once, by `interrupt`, and raised where the link is needed."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self.connect = connect
        self.problem: UserError | None = None
        self.outages: OutageReporter
        self._connection: Connection | None = None
        self._imported = threading.Event()
        self._thread = threading.Timer(HEAD_START, self._connect)
        self._thread.daemon = True
        self._thread.start()

    def connection(self) -> Connection:
        """Return the connection as soon as it is there; UserError where it can't be had."""
        self._thread.join()
        if self.problem:
            raise self.problem
        assert self._connection
        return self._connection

    def wait_for_imports(self) -> None:
        """Return when the thread has imported what the client needs.

        Python lets two threads that import what the other is importing see half a module: only one may import.
        """
        self._imported.wait()

    def settle(self) -> None:
        """Wait until the connecting is over, so that what it started can be stopped."""
        self._thread.join(10)

    def _connect(self) -> None:
        from lab2.aws.retry import OutageReporter
        from lab2.stats.client import batch  # noqa: F401 - and with it all that the main thread uses later

        self.outages = OutageReporter("Listening")
        self._imported.set()
        try:
            self._connection = self.connect()
        except UserError as problem:
            self.problem = problem
            os.kill(os.getpid(), signal.SIGUSR1)


class Conversation:
    """What a person and the client say to each other."""

    def __init__(self, connect: Callable[[], Connection], client: str, patience: float, private: bool) -> None:
        self.connect, self.client, self.patience, self.private = connect, client, patience, private
        self.sent: dict[str, str] = {}  # what the messages of this run are called, by id
        self.waiting: set[str] = set()  # ids of those not answered yet
        self.fine = True
        self._reading = False
        signal.signal(signal.SIGUSR1, self._heard)
        self.link = BackgroundConnection(connect)

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
        self.wait()

    def ask_series(self) -> tuple[list[float], bool]:
        """Return the numbers of one message, and whether more may be typed after them."""
        numbers: list[float] = []
        for number in range(1, MAX_NUMBERS + 1):
            try:
                typed = self.read(f"Number {number} of {MAX_NUMBERS} (Enter ends): ", numbers)
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
            except InvalidInput as reason:
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
            except UserError as problem:
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
        self.link.wait_for_imports()
        from lab2.stats.protocol import new_id

        id = new_id()
        while True:
            try:
                connection = self.link.connection()
                self.sent.setdefault(id, str(len(self.sent) + 1))
                self.waiting.add(id)  # before it is sent: an answer may come to one that seemed to fail
                if not connection.send([(id, numbers)]):
                    break
            except UserError as problem:
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
            import termios

            termios.tcflush(sys.stdin, termios.TCIFLUSH)  # half a number that stands on the screen is no reply either
            try:
                again = input("Try again? [Y/n] ").strip() in ("", "y", "Y")
            except (EOFError, KeyboardInterrupt):
                print()
        if not again:
            unsent = f" Send it later with: client.py {plainly(typed)}" if typed else ""
            raise UserError(f"Nothing more was sent.{unsent}")
        self.link = BackgroundConnection(self.connect)

    def show(self, wait: int) -> None:
        """Print the answers that are there, waiting up to `wait` seconds for one; delete what was printed."""
        from lab2.aws.errors import user_errors
        from lab2.aws.resources import ANSWER_QUEUE
        from lab2.stats.client.output import table

        inbox = self.link.connection().inbox
        with user_errors(f"queue {ANSWER_QUEUE}"):
            received = inbox.receive(wait)
            rows = []
            for found in received:
                answer = found.answer
                if answer is None:
                    print(f"What came here is no answer: {printable(found.message.body)[:60]}", file=sys.stderr)
                else:
                    rows.append((self.sent.get(answer.id, "earlier"), answer))
                    self.waiting.discard(answer.id)
                    self.fine = self.fine and answer.error is None
            if rows:
                print(table(rows, shutil.get_terminal_size().columns), flush=True)
            if received:
                inbox.delete([found.message for found in received])

    def wait(self) -> None:
        """Show answers until all messages of this run are answered, for `patience` seconds at most."""
        deadline = time.monotonic() + self.patience
        try:
            while self.waiting and (left := deadline - time.monotonic()) > 0:
                self.listen(max(1, round(min(POLL, left))))
        finally:
            if self.waiting:
                self.fine = False
                missing = ", ".join(name for id, name in self.sent.items() if id in self.waiting)
                later = f" The next run as {self.client} will show the answer."
                if self.private:
                    later = " The answer is lost with the private queue."
                print(f"Not answered yet: message {missing}.{later} Is a server running?", file=sys.stderr)

    def listen(self, seconds: int) -> None:
        """Show the answers that come within `seconds`; say once if AWS fails, and pause."""
        try:
            self.show(seconds)
        except UserError as problem:
            time.sleep(self.link.outages.record_failure(problem))
        else:
            self.link.outages.record_success()

    def _heard(self, *_: object) -> None:
        if self._reading and self.link.problem:
            self._reading = False
            raise self.link.problem


def fitted(sentence: str) -> str:
    return textwrap.fill(sentence, shutil.get_terminal_size().columns, subsequent_indent="  ")


def plainly(numbers: Sequence[float]) -> str:
    return " ".join(map(shortest, numbers))
