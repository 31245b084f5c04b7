"""Soak: a server under steady load for five minutes. Memory, connections and file handles must stay flat.

    python tests/support/soak.py [SECONDS [REQUESTS_A_SECOND]]

The exit code is 1 where something grows, or an answer or a row is not right.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median

sys.path[:0] = [str(Path(__file__).resolve().parents[level]) for level in (1, 2)]

from support.world import PATIENCE, ROOT, World, start_emulator  # noqa: E402

from lab2.aws.session import AwsSession  # noqa: E402
from lab2.aws.sqs.message_queue import BATCH, Outgoing  # noqa: E402
from lab2.local import emulator  # noqa: E402
from lab2.stats.protocol import decode_answer, encode_request, new_id  # noqa: E402

INTERVAL = 2.0  # seconds between samples
ROWS = 15  # of the table
# A flood first, so that all threads and connections are there that may be, and the 2 MB that the table of logged
# answers may keep in memory are full. What grows after that grows for ever.
FLOOD = 10_000  # requests
GROWTH = 1.02  # of memory, from the second third of the samples to the last
MORE = 8  # handles, connections or threads that there may be more: calls under way come and go


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process holds at a time: megabytes resident, file handles, sockets among them, threads."""

    seconds: float
    answered: int
    memory: float
    handles: int
    connections: int
    threads: int

    @staticmethod
    def of(pid: int, seconds: float, answered: int) -> Sample:
        status = dict(
            line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
        )
        handles = []
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # it was closed meanwhile
                handles.append(os.readlink(handle))
        connections = sum(handle.startswith("socket:") for handle in handles)
        memory = int(status["VmRSS"].split()[0]) / 1024
        return Sample(seconds, answered, memory, len(handles), connections, int(status["Threads"]))


class Load:
    """Requests at a steady rate from one thread, their answers drained by another."""

    def __init__(self, world: World, rate: float) -> None:
        self.world, self.rate = world, rate
        self.sent = 0
        self.open: set[str] = set()  # ids that an answer must come for
        self.answered = self.wrong = 0
        self.failure: Exception | None = None
        self._stopping, self._over = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._guarded, args=(work,)) for work in (self._send, self._drain)]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Send no more, and wait for the answers to what was sent."""
        self._stopping.set()
        self._threads[0].join()
        deadline = time.monotonic() + PATIENCE
        while self.open and time.monotonic() < deadline and not self.failure:
            time.sleep(0.1)

    def close(self) -> None:
        self._stopping.set()
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.failure = error

    def _send(self) -> None:
        queue, due = self.world.queue("lab2"), time.monotonic()
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            due = time.monotonic() if self.sent < FLOOD else due + BATCH / self.rate
            batch = [self._request(place) for place in range(BATCH)]
            self.open |= {request.attributes["id"] for request in batch if "reply_to" not in request.attributes}
            if queue.send(batch):
                raise RuntimeError("the emulator did not take a request")
            self.sent += BATCH

    def steady(self) -> bool:
        """Tell whether the flood is over and answered."""
        return self.sent >= FLOOD and len(self.open) < 5 * self.rate

    def _request(self, place: int) -> Outgoing:
        """Return a request: in ten, one is refused, and one comes from a client that is gone with its queue."""
        numbers = [round(random.uniform(0, 1000), 2) for _ in range(random.randint(1, 10))]
        attributes = {"id": new_id(), "client": f"soak-{random.randrange(1000)}"}
        if place == 0:
            return Outgoing("[3, -5.5]", attributes)
        if place == 1:
            attributes["reply_to"] = f"lab2_1-{random.getrandbits(40):x}"
        return Outgoing(encode_request(numbers), attributes)

    def _drain(self) -> None:
        queue = self.world.queue("lab2_1")
        while not self._over.is_set():
            messages = queue.receive(wait=1)
            for message in messages:
                answer = decode_answer(message.body)
                self.wrong += not (
                    answer.error or answer.summary["min"] <= answer.summary["mean"] <= answer.summary["max"]
                )
                self.open.discard(answer.id)
            if messages:
                queue.delete(messages)
            self.answered += len(messages)


@contextmanager
def soaked_world(home: Path) -> Iterator[World]:
    """A world of its own, as the tests have it, on an emulator of its own."""
    process, url = start_emulator(home)
    try:
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "LAB2_BUCKET"):
            os.environ.pop(name, None)
        os.environ |= {
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": emulator.REGION,
            "AWS_ACCESS_KEY_ID": emulator.ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        emulator.deploy(AwsSession(), (ROOT / "aws.yaml").read_text())
        yield World(dict(os.environ), home)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def growth(samples: Sequence[Sample]) -> list[str]:
    """Return a sentence for each thing of which there is more in the last third of the samples than in the second."""
    third = len(samples) // 3
    if third < 2:
        return [f"{len(samples)} samples tell nothing"]
    before, after = samples[third : 2 * third], samples[2 * third :]
    faults = []
    for name in ("memory", "handles", "connections", "threads"):
        was, now = (median(getattr(sample, name) for sample in part) for part in (before, after))
        if now > (was * GROWTH if name == "memory" else was + MORE):
            faults.append(f"{name} grew from {was:,.1f} to {now:,.1f}")
    return faults


def slope(samples: Sequence[Sample]) -> float:
    """Return by how many megabytes memory grows in an hour, fitted to all samples but those of the first third."""
    warm = samples[len(samples) // 3 :]
    middle = sum(sample.seconds for sample in warm) / (len(warm) or 1)
    spread = sum((sample.seconds - middle) ** 2 for sample in warm)
    return 3600 * sum((sample.seconds - middle) * sample.memory for sample in warm) / (spread or 1)


def sampled(server: subprocess.Popen[bytes], load: Load, seconds: float) -> list[Sample]:
    """Return samples of the server under load for so long, printing some of them as a table."""
    while not load.steady() and server.poll() is None and not load.failure:
        time.sleep(0.1)
    print(f"{'seconds':>7} {'answers':>9} {'memory MB':>9} {'handles':>7} {'connections':>11} {'threads':>7}")
    samples: list[Sample] = []
    started, due = time.monotonic(), 0.0
    while (passed := time.monotonic() - started) < seconds and server.poll() is None and not load.failure:
        samples.append(sample := Sample.of(server.pid, passed, load.answered))
        if passed >= due:
            due += seconds / ROWS
            print("{:7.0f} {:9,} {:9.1f} {:7} {:11} {:7}".format(*astuple(sample)), flush=True)
        time.sleep(INTERVAL)
    return samples


def soak(world: World, seconds: float, rate: float) -> list[str]:
    """Run a server under load for so long; return what was not as it should be."""
    with (world.home / "server.log").open("wb") as log:
        command = [sys.executable, str(ROOT / "server.py")]
        server = subprocess.Popen(command, env=world.env, cwd=world.home, stdout=log, stderr=log)
    load = Load(world, rate)
    try:
        samples = sampled(server, load, seconds)
        load.finish()
    finally:
        load.close()
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(PATIENCE)
        server.kill()
    faults = growth(samples)
    if load.failure:
        faults.append(f"the load failed: {load.failure!r}")
    if load.open or load.wrong:
        faults.append(f"{len(load.open):,} requests have no answer, {load.wrong:,} have a wrong one")
    if server.wait() != 0:
        faults.append(f"the server ended with {server.returncode}")
    if depths := [name for name in ("lab2", "lab2_dead") if world.depth(name) != (0, 0)]:
        faults.append(f"messages are left on {' and '.join(depths)}")
    verify = subprocess.run([*command, "verify"], env=world.env, cwd=world.home, capture_output=True, text=True)
    if verify.returncode or not verify.stdout.startswith(f"{load.sent:,} rows: {load.sent:,} correct"):
        faults.append("the log is not right")
    print(f"\n{load.sent:,} requests, {FLOOD:,} of them at once; {load.answered:,} answers on lab2_1, "
          f"one in {BATCH} to a queue that is gone")  # fmt: skip
    print(f"memory after the first third: {slope(samples):+.1f} MB an hour")
    print(f"server.py verify: {verify.stdout.strip()[-200:]}{verify.stderr.strip()[-500:]}")
    print((world.home / "server.log").read_text().strip()[-1000:])
    return faults


def main() -> int:
    given = [float(word) for word in sys.argv[1:]]
    seconds, rate = [*given, *(300.0, 100.0)[len(given) :]]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of what is to be stopped
    with tempfile.TemporaryDirectory() as home, soaked_world(Path(home)) as world:
        faults = soak(world, seconds, rate)
    print("\n".join(f"Not so: {fault}." for fault in faults) or "Flat: memory, handles, connections, threads.")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
