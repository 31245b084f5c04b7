"""This machine: its name, its user, and the folders for a program's files."""

from __future__ import annotations

import getpass
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # pathlib takes milliseconds of the client's first prompt
    from pathlib import Path


def host() -> str:
    if sys.platform == "win32":
        return os.environ.get("COMPUTERNAME", "")
    return os.uname().nodename


def user() -> str:
    """Return the user's login name, or the number if there is no name, as in a container."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        if sys.platform == "win32":
            return "user"
        return str(os.getuid())


def state_folder() -> Path:
    """Return the folder for what outlives a program: locks, labels in the outbox."""
    from pathlib import Path

    chosen = os.environ.get("XDG_STATE_HOME")
    return Path(chosen) / "lab2" if chosen else _folder("state")


def data_folder() -> Path:
    """Return the folder for the emulator's data, if lab2 is installed."""
    return _folder("share")


def _folder(name: str) -> Path:
    from pathlib import Path

    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "lab2" / name
    try:
        home = Path.home()
    except RuntimeError:  # no HOME, and an unknown user, as in a container
        home = Path("/")
    return home / ".local" / name / "lab2"
