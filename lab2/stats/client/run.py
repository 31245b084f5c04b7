"""A run of the client: the ids of its requests, and which other runs on this machine are alive."""

from __future__ import annotations

import itertools
import os
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from lab2.system.file_lock import lock
from lab2.system.machine import host, state_folder

if TYPE_CHECKING:
    from pathlib import Path

LEFTOVER_S = 6 * 86_400.0  # after this nothing of a run is left: requests last 4 days, answers a day

_ID = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ-([0-9a-f]{20})-\d+")


class Run:
    """One run of the client. While it is alive it holds the lock of a file, by which others on this machine know it.

    The system drops the lock when the process ends, in whatever way.
    """

    def __init__(self) -> None:
        self.id = os.urandom(10).hex()
        self._numbers = itertools.count(1)
        self._folder: Path | None = None
        self._file = -1
        self._dead: set[str] = set()

    def new_id(self) -> str:
        """Return the id of a new request: the time (UTC), so that servers look for no earlier rows, run, and number."""
        return f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}-{self.id}-{next(self._numbers)}"

    def begin(self, folder: Path) -> None:
        """Show others on this machine that this run is alive, by a locked file in `folder`, if that can be written."""
        if self._file >= 0:
            return
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(folder / self.id, os.O_RDWR | os.O_CREAT, 0o600)
            self._folder = folder
            try:
                lock(self._file, wait=True)  # somebody may just be checking whether this run is alive
            except OSError:  # no locks on this file system: the file would say that we are dead
                self.end(outstanding=False)
            for other in folder.iterdir():
                if other.stat().st_mtime < time.time() - LEFTOVER_S and self.lives(other.name) is False:
                    other.unlink()

    def end(self, outstanding: bool) -> None:
        """Unlock and delete the file; keep it if answers are `outstanding`, so that the next run takes them."""
        if self._file >= 0 and self._folder:
            os.close(self._file)  # first: Windows deletes no open file
            self._file = -1
            if not outstanding:
                with suppress(OSError):
                    (self._folder / self.id).unlink()

    def lives(self, run: str) -> bool | None:
        """Return whether a run on this machine is alive; None for a run that this machine does not know."""
        if run == self.id:
            return True
        if run in self._dead:
            return False
        if self._folder is None:
            return None
        try:
            file = os.open(self._folder / run, os.O_RDWR)
        except OSError:
            return None
        try:
            if not lock(file, shared=True):
                return True
        except OSError:
            return None
        finally:
            os.close(file)
        self._dead.add(run)
        return False


def run_of(id: str) -> str | None:
    """Return the run that gave an id to its request; None for an id of another program."""
    found = _ID.fullmatch(id)
    return found[1] if found else None


def runs_folder() -> Path:
    """Return the folder for the locks of this user's runs on this machine."""
    # One for each machine: a home may be shared over the network, but not locks.
    machine = re.sub(r"[^A-Za-z0-9._-]", "-", host()) or "-"
    return state_folder() / "runs" / machine
