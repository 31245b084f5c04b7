"""The dialogue of a user and the client: numbers are asked for and sent, answers are shown."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from lab2.errors import InvalidInput, TryLater, UserError, internal_error
from lab2.stats.client.background_connection import BackgroundConnection
from lab2.stats.client.prompt import Prompt, fitted, how_to_resend, say_input_ended
from lab2.stats.client.run import Run
from lab2.stats.series import MAX_NUMBERS, parse_number, plainly
from lab2.system.keyboard import ask, drop_typed_ahead, edit_lines, typed_ahead
from lab2.terminal import printable, remark

# The first prompt waits for the imports above only; the rest is imported in the background or where it is used.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from lab2.aws.retry import OutageReporter
    from lab2.stats.client.connection import Connection
    from lab2.stats.client.inbox import ReceivedAnswer
    from lab2.stats.client.output import AnswerWriter
    from lab2.stats.client.receiver import Receiver

GLANCE = 1  # seconds to wait for an answer before the next question
POLL = 5  # seconds of a long poll when the client is not busy; Ctrl-C in one may hide an answer for a while


class Conversation:
    """The dialogue of a user and the client. `connect` makes the connection of `run`.

    `listening`: it takes no input and shows what comes. `greeting`: it shows what is there for earlier runs at once.
    `form`: answers are printed as `text`, `csv` or `json`.
    """

    def __init__(
        self, connect: Callable[[], Connection], client: str, run: Run, patience: float,
        listening: bool = False, greeting: bool = False, form: str = "text",
    ) -> None:  # fmt: skip
        self.connect, self.client, self.run, self.patience = connect, client, run, patience
        self.listening, self.greeting, self.form = listening, greeting, form
        self.sent: dict[str, str] = {}  # what the messages of this run are called, by id
        self.waiting: set[str] = set()  # ids of those whose answers have not been shown
        self.fine = True
        self.prompt = Prompt()
        self._said: BaseException | None = None  # the problem that the user knows of
        self._hopeless: UserError | None = None  # why no answer can be received
        self._announced = 0  # answers to earlier runs of which the user knows
        self._receiver: Receiver | None = None
        self._writer: AnswerWriter | None = None
        self._deleting: OutageReporter | None = None
        self.link = self._connect()

    def ask_and_answer(self) -> None:
        """Ask for messages until there is enough, showing answers in between; then wait for the rest."""
        edit_lines()
        reply, interrupted = "", False
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
        say_input_ended(len(self.waiting), reply, interrupted)
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
        """Return the line that is typed. A problem of the connection is put first, but not before typed-ahead lines."""
        while self.link.problem and not typed_ahead():
            self._print_problem(self.link.problem, typed)
            self.reconnect(typed)
        if sys.stdin.isatty():
            self._poll(POLL)
        return self.prompt.ask(question)

    def send(self, numbers: list[float]) -> None:
        """Send one message, and show its answer if that comes at once."""
        if not numbers:
            print("No numbers were typed, so nothing was sent.", file=sys.stderr)
            return
        self.link.wait_for_imports()
        id = self.run.new_id()
        try:
            while not self._deliver(id, numbers):
                self.reconnect(numbers, id)
        except KeyboardInterrupt:
            self.fine = False
            print(f"\n{self._how_to_resend(numbers, id)}", end="", file=sys.stderr)
            raise
        self._poll(GLANCE)
        deadline = time.monotonic() + GLANCE
        while id in self.waiting and time.monotonic() < deadline:
            self.listen(GLANCE)
        if id in self.waiting and self.form == "text":
            remark(fitted(f"Message {self.sent[id]} was sent; its answer is shown when it arrives."), sys.stdout)

    def _deliver(self, id: str, numbers: list[float]) -> bool:
        """Send one message, through outages of up to `patience` seconds; if that fails, say why and return False."""
        from lab2.aws.retry import OutageReporter, persist

        deadline = time.monotonic() + self.patience
        try:
            connection = self._connection()
            self.sent.setdefault(id, str(len(self.sent) + 1))
            self.waiting.add(id)  # before it is sent: an answer may come to one that seemed to fail

            def send() -> None:
                if connection.send([(id, numbers)]):
                    raise TryLater("SQS did not take the message. Try again in a minute.")

            persist(send, OutageReporter("Sending"), deadline - time.monotonic())
        except Exception as problem:
            self._print_problem(problem, numbers, id)
            return False
        return True

    def _how_to_resend(self, numbers: Sequence[float], id: str) -> str:
        return how_to_resend(numbers, self.client if id in self.sent else None)

    def _connection(self) -> Connection:
        """Return the connection; who is at a terminal is told if it takes longer."""
        if sys.stdin.isatty() and self.patience > GLANCE:
            try:
                return self.link.connection(GLANCE)
            except UserError as problem:
                if problem is self.link.problem:
                    raise
                print("Waiting for the connection; Ctrl-C to leave.", file=sys.stderr)
        return self.link.connection(self.patience)

    def reconnect(self, typed: Sequence[float], id: str = "") -> None:
        """Ask whether to try again; leave if not, or if nobody is there to ask, showing what was typed."""
        again = False
        if sys.stdin.isatty():  # from a pipe, the next line is a number and no reply
            if typed:
                print(f"Your numbers are kept: {plainly(typed)}", file=sys.stderr)
            drop_typed_ahead()  # half a number that stands on the screen is no reply either
            try:
                again = ask("Try again? [Y/n] ").strip() in ("", "y", "Y")
            except (EOFError, KeyboardInterrupt):
                print()
        if not again:
            raise UserError(
                f"The client stopped. {self._how_to_resend(typed, id) if typed else 'Nothing more was sent.'}"
            )
        if self._receiver and self.link.problem:
            self._receiver.abandon()
            self._receiver = None
            self.run.waiting.update(self.waiting)
        if self.link.problem:  # otherwise it is still trying
            self.link = self._connect()

    def show(self, wait: float) -> None:
        """Print the answers that have come, waiting up to `wait` seconds for one; delete what was printed."""
        from lab2.stats.client.output import AnswerWriter, count_earlier

        rows, earlier = [], 0
        receiver = self.receiver()
        for found in (received := receiver.take(wait)):
            answer = found.answer
            if answer is None:
                print(f"Deleted a message that is not an answer: {printable(found.message.body)[:60]}", file=sys.stderr)
            else:
                rows.append((self.sent.get(answer.id, "earlier"), answer))
                self.waiting.discard(answer.id)
                self.fine = self.fine and answer.error is None
                earlier += answer.id not in self.sent
        if earlier > self._announced:
            print(count_earlier(earlier - self._announced), file=sys.stderr)
        self._announced = max(0, self._announced - earlier)
        self._writer = self._writer or AnswerWriter(self.form, self.listening)
        self._writer.write(rows)
        receiver.delete(received)

    def wait(self) -> None:
        """Show answers until all messages of this run are answered, for `patience` seconds at most."""
        deadline = time.monotonic() + self.patience
        try:
            while self.waiting and (left := deadline - time.monotonic()) > 0:
                self._poll(max(1, round(min(POLL, left))))
                self.listen(min(POLL, left))
            self.finish()
        finally:
            if self.waiting:
                self.fine = False
                missing = ", ".join(name for id, name in self.sent.items() if id in self.waiting)
                later = f" The next run as {self.client} will show the answer."
                if self._receiver and not self._receiver.connection.answers_stay:
                    later = " The answer will be lost with the private queue."
                print(f"Not answered yet: message {missing}.{later} Is a server running?", file=sys.stderr)

    def listen(self, seconds: float) -> None:
        """Show the answers that come within `seconds`; say once if AWS fails, and pause.

        UserError where no waiting can mend it.
        """
        from lab2.aws.retry import OutageReporter, give_up

        if self._hopeless:
            raise self._hopeless
        outages = self._deleting = self._deleting or OutageReporter("Deleting", give_up=give_up)
        try:
            self.show(seconds)
        except UserError as problem:
            time.sleep(outages.record_failure(problem))
        else:
            outages.record_success()

    def finish(self) -> None:
        """Show the rest of the answers to earlier runs if some were met, and receive no more."""
        if self._receiver:
            deadline = time.monotonic() + POLL
            while self._receiver.connection.more and time.monotonic() < deadline:
                self.listen(GLANCE)
            self._receiver.stop()
            self.listen(0)

    def receiver(self) -> Receiver:
        """Return what receives on the connection; UserError where there is none."""
        connection = self.link.connection()
        return self._receiver or self._start_receiver(connection)

    def _start_receiver(self, connection: Connection) -> Receiver:
        from lab2.aws.retry import OutageReporter
        from lab2.stats.client.receiver import Receiver

        outages = OutageReporter("Listening", self.prompt.tell, self._give_up)
        self._receiver = Receiver(connection, outages, self._arrived, self.listening, self.greeting)
        if self.listening:
            self._receiver.poll = POLL
        return self._receiver

    def _give_up(self, reason: UserError) -> None:
        self._hopeless = reason

    def _greet(self, connection: Connection) -> None:
        if self.greeting:
            self._start_receiver(connection)

    def _arrived(self, received: Sequence[ReceivedAnswer]) -> None:
        """Say that there are answers to earlier runs where the user is being asked; they are shown after that."""
        earlier = sum(found.earlier for found in received)
        if earlier and self.prompt.standing:
            from lab2.stats.client.output import count_earlier

            self._announced += earlier
            self.prompt.tell(f"{count_earlier(earlier)} They are shown after this message.")

    def _poll(self, seconds: int) -> None:
        if self._receiver:
            self._receiver.poll = seconds
            self._receiver.wake()

    def _connect(self) -> BackgroundConnection:
        return BackgroundConnection(self.connect, self._greet, self.prompt.tell, self._failed)

    def _failed(self, problem: BaseException) -> None:
        """Say a problem at once where the user is being asked; it is handled at the next step."""
        if self.prompt.standing and isinstance(problem, UserError):
            self._said = problem
            self.prompt.tell(str(problem))

    def _print_problem(self, problem: BaseException, typed: Sequence[float], id: str = "") -> None:
        """Print a problem that the user does not know of; raise a bug of the connecting, after what was typed."""
        if isinstance(problem, UserError):
            if problem is not self._said:
                print(problem, file=sys.stderr)
        elif problem is self.link.problem:
            if typed:
                print(self._how_to_resend(typed, id), file=sys.stderr)
            raise problem
        else:
            print(f"Sending the message failed: {internal_error(problem)}", file=sys.stderr)
