"""A Python module that runs in the background, until it is stopped, even after its starter has ended."""

from __future__ import annotations

import _thread
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab2.system.file_lock import lock, locked
from lab2.system.whole_file import write_whole

IMPORTABLE = Path(__file__).resolve().parents[2]
POLL_S = 0.02  # between two checks whether it has started or stopped


class Daemon:
    """A module that runs once in the background for all programs that use `folder`, which has its log and its lock.

    It holds the lock while it runs; other processes that do the same work may share it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.lock = folder / f"{name}.lock"
        self.log = folder / f"{name}.log"
        self.pid = folder / f"{name}.pid"
        self.stop_file = folder / f"{name}.stop"  # asks it to end on Windows, where no signal reaches another console

    def is_running(self) -> bool:
        """Return whether a process holds the lock."""
        with self.lock.open("ab") as file:
            return not lock(file.fileno())

    def start(self, module: str, *arguments: str, **environment: str) -> None:
        """Start the module; return when it holds the lock, or has failed: the log says why."""
        self.pid.unlink(missing_ok=True)  # of one that was killed
        path = os.pathsep.join(filter(None, [str(IMPORTABLE), os.environ.get("PYTHONPATH")]))
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "lab2.system.daemon", str(self.folder), self.name, module, *arguments],
                env=os.environ | {"PYTHONPATH": path} | environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **_in_the_background(),
            )
        while process.poll() is None and not self.is_running():
            time.sleep(POLL_S)

    def stop(self, patience: float) -> None:
        """Stop what `start` started, if it runs; return when it has ended, or after `patience` seconds."""
        if not self.pid.exists():
            return
        if self.is_running():
            number = int(self.pid.read_text("ascii"))
            if sys.platform == "win32":
                self.stop_file.touch()
            else:
                _end(number)
            deadline = time.monotonic() + patience
            while self.is_running() and time.monotonic() < deadline:
                time.sleep(POLL_S)
            if sys.platform == "win32" and self.is_running():
                _end(number)  # kills it, without any cleaning up
        self.pid.unlink()

    def run(self, module: str, arguments: list[str]) -> None:
        """Run the module in this process, which is the daemon."""
        with locked(self.lock, shared=True):
            write_whole(self.pid, b"%d" % os.getpid(), self.folder / f"{self.name}.pid.new")  # nobody reads half of it
            if sys.platform == "win32":
                self.stop_file.unlink(missing_ok=True)
                threading.Thread(target=self._end_when_asked, daemon=True).start()
            sys.argv = [module, *arguments]
            runpy.run_module(module, run_name="__main__", alter_sys=True)

    def _end_when_asked(self) -> None:
        while not self.stop_file.exists():
            time.sleep(POLL_S)
        _thread.interrupt_main(signal.SIGTERM)


def _in_the_background() -> dict[str, Any]:
    """Return the settings by which a process outlives the terminal of its starter."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _end(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # Windows: it is just ending
        os.kill(pid, signal.SIGTERM)


if __name__ == "__main__":
    Daemon(Path(sys.argv[1]), sys.argv[2]).run(sys.argv[3], sys.argv[4:])
