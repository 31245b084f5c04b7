"""A simulated world: actors that take turns at every call they make, a clock, faults and deaths, all from one seed.

Actors are greenlets: one at a time runs, and gives way at each call to AWS or to its disk. So a seed is a schedule, and
the same seed is the same schedule again. An actor that is killed makes no further call.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timezone

import greenlet

MIDNIGHT = datetime(2026, 11, 24, tzinfo=timezone.utc).timestamp()
SKEW = 600.0  # seconds that a machine's clock is wrong, at most


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


class Actor:
    """A process: `work` is begun when its turn comes. It ends by itself, or is killed."""

    def __init__(self, world: World, name: str, work: Callable[[], None]) -> None:
        self.world, self.name, self.alive = world, name, True
        self._greenlet = greenlet.greenlet(self._run)
        self._work = work

    def turn(self) -> None:
        self._greenlet.switch()

    def kill(self) -> None:
        self.alive = False
        self.world.note("KILLED", self.name)
        if self._greenlet:
            self._greenlet.throw(Killed)

    def _run(self) -> None:
        try:
            self._work()
        except Killed:
            pass
        finally:
            self.alive = False


class World:
    """The clock, the dice and the actors of one schedule; `trace` is what happened, in its order."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        random.seed(seed)  # for the backoff of the real classes
        self.now = MIDNIGHT + self.chance.choice([-90_000.0, -600.0, -60.0, -3.0, -0.5, 7 * 3600.0])
        self.calm = False  # whether faults are over
        self.actors: dict[str, Actor] = {}
        self.late: list[Callable[[], object]] = []  # writes that are still under way, though given up
        self.trace: list[str] = []
        self._main = greenlet.getcurrent()

    def start(self, name: str, work: Callable[[], None]) -> None:
        self.actors[name] = Actor(self, name, work)

    def note(self, *words: object) -> None:
        self.trace.append(f"{self.now - MIDNIGHT:+12.3f} {' '.join(map(str, words))}")

    @property
    def actor(self) -> Actor | None:
        """The actor whose turn it is, None for the test itself."""
        current = greenlet.getcurrent()
        return next((actor for actor in self.actors.values() if actor._greenlet is current), None)

    def step(self, *_: object) -> None:
        """Give way to the others; only a living actor comes back."""
        actor = self.actor
        if actor:
            if actor.alive:
                self._main.switch()
            if not actor.alive:
                raise Killed

    def run(self, deaths: float, events: list[Callable[[], object]], on_death: Callable[[str], object]) -> None:
        """Let actors take turns until all have ended; `deaths` is how likely one dies at a turn."""
        chance = self.chance
        while living := [actor for actor in self.actors.values() if actor.alive]:
            actor = chance.choice(living)
            actor.turn()
            self.now += chance.choice((0.0, 0.001, 0.05, 0.05, 1.0, 1.0, 7.0))
            if actor.alive and chance.random() < deaths:
                actor.kill()
                on_death(actor.name)
            if self.late and chance.random() < 0.1:
                self.land()
            if chance.random() < 0.1:
                chance.choice(events)()

    def land(self) -> None:
        """Let a late write arrive, or get lost."""
        write = self.late.pop(self.chance.randrange(len(self.late)))
        if self.chance.random() < 0.7:
            self.note("LATE")
            write()

    def settle(self) -> None:
        """From now on nothing fails, and what was late has arrived."""
        self.calm = True
        while self.late:
            self.land()
