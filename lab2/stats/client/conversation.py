"""The dialogue with the user: asks for numbers, sends them, shows answers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from queue import Empty
from typing import TYPE_CHECKING

from lab2.errors import InvalidInput, UserError, internal_error
from lab2.stats.client.events import Arrived, Event, Events, NotConnected, NotReceiving, Said
from lab2.stats.client.link import TICK_S, Link
from lab2.stats.client.prompt import Prompt, fitted, how_to_resend, say_input_ended
from lab2.stats.client.requests import OVERDUE_S, Request, Requests, State, names
from lab2.stats.series import MAX_NUMBERS, parse_number, plainly
from lab2.system.keyboard import ask, drop_typed_ahead, edit_lines, typed_ahead
from lab2.terminal import counted, printable, remark

# The first prompt waits for the imports above; the thread of the `Link` imports what takes longer.
if TYPE_CHECKING:
    from lab2.stats.client.connection import Connection
    from lab2.stats.client.exchange import Exchange
    from lab2.stats.client.inbox import ReceivedAnswer

SHORT_WAIT_S = 1.0  # to wait for an answer before the next question
POLL_S = 5.0  # of a long poll if the client is not busy; Ctrl-C in one may hide an answer for a while
ASK_FOR_SERVER = " Is a server running?"
BURST_S = 1.0  # without an answer to an earlier run, after which their number is printed


class Conversation:
    """The dialogue with the user. `connect` returns the connection, in a thread; all else is done here, in order.

    `listening`: take no input and show what comes. `greeting`: look for answers to earlier runs at the start. `form`:
    print answers as `text`, `csv` or `json`.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        client: str,
        requests: Requests,
        patience_s: float,
        listening: bool = False,
        greeting: bool = False,
        form: str = "text",
    ) -> None:
        self.client = client
        self.requests = requests
        self.patience_s = patience_s
        self.form = form
        self.fine = True  # nothing was rejected or left unanswered
        self.prompt = Prompt(self._handle_all)
        self.events = Events()
        self._reported: BaseException | None = None  # the problem that the user knows of
        self._not_receiving: UserError | None = None
        self._arrived: list[ReceivedAnswer] = []  # answers that have not been printed
        self._earlier = 0  # answers to earlier runs that came since they were last counted for the user
        self._last_earlier = 0.0
        self._new_link = partial(
            Link, connect, requests, self.events, form=form, listening=listening, greeting=greeting
        )
        self.link = self._new_link()

    def ask_and_answer(self) -> None:
        """Ask for messages until the user wants no more, showing answers in between; then wait for the rest."""
        edit_lines()
        reply = ""
        interrupted = False
        try:
            while True:
                numbers, more = self.ask_series()
                self.send(numbers)
                if not more or (reply := self.read("Another message? [y/N] ")) not in ("y", "Y"):
                    break
        except EOFError:
            print()
        except KeyboardInterrupt:
            print()
            interrupted = True
        say_input_ended(len(self.requests.unanswered), reply, interrupted)
        self.wait()

    def ask_series(self) -> tuple[list[float], bool]:
        """Return the numbers of one message, and whether the input goes on."""
        numbers: list[float] = []
        for number in range(1, MAX_NUMBERS + 1):
            try:
                typed = self.read(f"Number {number} of {MAX_NUMBERS} (Enter ends): ", numbers)
            except EOFError:
                print()
                return numbers, False
            except KeyboardInterrupt:
                if numbers:
                    print(f"\nUnfinished message dropped: {plainly(numbers)}", end="", file=sys.stderr)
                raise
            if not typed:
                break
            try:
                numbers.append(parse_number(typed))
            except InvalidInput as reason:
                print(fitted(f"  Rejected: {reason}."), file=sys.stderr)
        return numbers, True

    def read(self, question: str, typed: Sequence[float] = ()) -> str:
        """Return the line that is typed. Connection problems are reported first, unless lines are typed ahead."""
        self._handle_all()
        while self.link.problem and not typed_ahead():
            unsent = how_to_resend(typed) if typed else ""
            self._print_problem(self.link.problem, unsent)
            self._reconnect(typed, unsent)
        if sys.stdin.isatty():
            self.link.poll(int(POLL_S))
        return self.prompt.ask(question)

    def send(self, numbers: list[float]) -> None:
        """Send one message; show its answer if that comes at once."""
        if not numbers:
            print("No numbers were typed, so nothing was sent.", file=sys.stderr)
            return
        self.link.wait_for_imports()
        request = self.requests.add(numbers)
        try:
            while not self._deliver(request):
                self._reconnect(numbers, self._how_to_resend(request))
        except KeyboardInterrupt:
            self.fine = False
            print(f"\n{self._how_to_resend(request)}", end="", file=sys.stderr)
            raise
        self.link.poll(int(SHORT_WAIT_S))
        deadline = time.monotonic() + SHORT_WAIT_S
        while request.state is not State.SHOWN and (left := deadline - time.monotonic()) > 0:
            self.listen(left)
        if request.state is not State.SHOWN and self.form == "text":
            remark(fitted(f"Message {request.name} was sent; its answer is shown when it arrives."), sys.stdout)

    def _deliver(self, request: Request) -> bool:
        """Send one message, through outages of up to `patience_s`; if that fails, print why and return False."""
        deadline = time.monotonic() + self.patience_s
        try:
            self._wait_for_connection().send(request, deadline - time.monotonic())
        except Exception as problem:
            self._print_problem(problem, self._how_to_resend(request))
            return False
        return True

    def _how_to_resend(self, request: Request) -> str:
        return how_to_resend(request.numbers, None if request.state is State.UNSENT else self.client)

    def _wait_for_connection(self) -> Exchange:
        """Return the connection; tell a user at a terminal if it takes longer."""
        if sys.stdin.isatty() and self.patience_s > SHORT_WAIT_S:
            try:
                return self.exchange(SHORT_WAIT_S)
            except UserError as problem:
                if problem is self.link.problem:
                    raise
                print("Waiting for the connection; Ctrl-C to leave.", file=sys.stderr)
        return self.exchange(self.patience_s)

    def _reconnect(self, typed: Sequence[float], how_to_resend: str) -> None:
        """Ask whether to try again; if not, or if there is no terminal, raise UserError with what was typed."""
        again = False
        if sys.stdin.isatty():  # from a pipe, the next line is a number, not a reply
            if typed:
                print(f"Your numbers are kept: {plainly(typed)}", file=sys.stderr)
            drop_typed_ahead()  # half a number that was typed is no reply either
            try:
                again = ask("Try again? [Y/n] ").strip() in ("", "y", "Y")
            except (EOFError, KeyboardInterrupt):
                print()
        if not again:
            raise UserError(f"The client stopped. {how_to_resend or 'Nothing more was sent.'}")
        if self.link.problem:  # otherwise it is still trying
            self.link = self._new_link()

    def wait(self) -> None:
        """Show answers until all messages of this run are answered, for up to `patience_s`."""
        started = time.monotonic()
        question = ASK_FOR_SERVER
        look_after_s = OVERDUE_S
        try:
            while self.requests.unanswered and (left := started + self.patience_s - time.monotonic()) > 0:
                self.link.poll(max(1, round(min(POLL_S, left))))
                self.listen(min(POLL_S, left))
                if time.monotonic() - max(started, self.link.crowded_at) > look_after_s:
                    look_after_s *= 2
                    self._look_in_log()
            self._finish()
            if self.patience_s >= SHORT_WAIT_S:
                question = self._look_in_log()
        finally:
            if missing := self.requests.unanswered:
                self.fine = False
                later = f" The next run as {self.client} will show the answer."
                if self.link.connected and not self.link.exchange().connection.answers_stay:
                    later = " The answer will be lost with the private queue."
                unanswered = f"Not answered yet: message {names(missing, len(missing))}."
                print(f"{unanswered}{later}{question}", file=sys.stderr)

    def _look_in_log(self) -> str:
        """Show the answers that are in the log; return what to ask the user about the others."""
        missing = self.requests.unanswered
        if not missing or not self.link.connected or self.link.failing:
            return ASK_FOR_SERVER
        logged = self.link.exchange().print_logged(missing)
        if logged is None:
            return f"{ASK_FOR_SERVER} If one is, server.py log shows its answers: another program may take them."
        return "" if logged.answers or logged.more else ASK_FOR_SERVER

    def listen(self, seconds: float) -> None:
        """Show the answers that come within `seconds`: all that are there as soon as there is one.

        Report an outage once, and pause; UserError on a permanent error.
        """
        exchange = self.exchange()
        self.link.start_receiving()
        self._handle_until(lambda: bool(self._arrived or self._not_receiving), seconds)
        if self._not_receiving and not self._arrived:
            raise self._not_receiving
        received = self._arrived
        self._arrived = []
        self._print(received, exchange)
        time.sleep(exchange.delete(received))

    def exchange(self, patience_s: float = inf) -> Exchange:
        """Return the connection as soon as there is one; raise its problem, or an outage of more than `patience_s`.

        The time counts from the end of the first attempt.
        """
        self._handle_until(self.link.tried.is_set)
        self._handle_until(self.link.done.is_set, patience_s)
        return self.link.exchange()

    def _print(self, received: Sequence[ReceivedAnswer], exchange: Exchange) -> None:
        rows = []
        for found in received:
            answer = found.answer
            if answer is None:
                print(f"Deleted a message that is not an answer: {printable(found.message.body)[:60]}", file=sys.stderr)
                continue
            request = self.requests.get(answer.id)
            rows.append((request.name if request else "earlier", answer))
            self.fine = self.fine and answer.error is None
        exchange.print(rows)
        self.requests.shown(found.answer.id for found in received if found.answer)
        if not received:
            self.count_earlier()

    def count_earlier(self) -> None:
        """Print how many answers to earlier runs have come."""
        if self._earlier:
            later = " They are shown after this message." if self.prompt.standing else ""
            self.prompt.tell(f"Found {counted(self._earlier, 'answer')} to earlier runs.{later}")
            self._earlier = 0

    def _finish(self) -> None:
        """Show the remaining answers to earlier runs, if any have come, and stop receiving."""
        if self.link.connected:
            exchange = self.link.exchange()
            deadline = time.monotonic() + POLL_S
            while exchange.connection.more and time.monotonic() < deadline:
                self.listen(SHORT_WAIT_S)
            self.link.stop_receiving()
            self.listen(0)
            self.count_earlier()

    def _handle_until(self, done: Callable[[], bool], seconds: float = inf) -> None:
        """Handle events until `done`, for up to so many seconds."""
        deadline = time.monotonic() + seconds
        self._handle_all()
        while not done() and (left := deadline - time.monotonic()) > 0:
            try:
                self._handle(self.events.get(timeout=min(left, TICK_S)))
            except Empty:
                continue

    def _handle_all(self) -> None:
        while not self.events.empty():
            self._handle(self.events.get())
        if self.prompt.standing and time.monotonic() > self._last_earlier + BURST_S:
            self.count_earlier()

    def _handle(self, event: Event) -> None:
        if isinstance(event, Said):
            self.prompt.tell(event.sentence)
        elif isinstance(event, NotConnected):
            # A user who is being asked is told at once; it is handled after that.
            if self.prompt.standing and isinstance(event.problem, UserError):
                self._reported = event.problem
                self.prompt.tell(str(event.problem))
        elif isinstance(event, NotReceiving):
            self._not_receiving = event.reason
        elif isinstance(event, Arrived):
            self._arrived += event.received
            if earlier := sum(found.earlier for found in event.received):
                self._earlier += earlier
                self._last_earlier = time.monotonic()

    def _print_problem(self, problem: BaseException, how_to_resend: str) -> None:
        """Print a problem that the user does not know of; raise a bug of the connecting, after what was typed."""
        if isinstance(problem, UserError):
            if problem is not self._reported:
                print(problem, file=sys.stderr)
        elif problem is self.link.problem:
            if how_to_resend:
                print(how_to_resend, file=sys.stderr)
            raise problem
        else:
            print(f"Sending the message failed: {internal_error(problem)}", file=sys.stderr)
