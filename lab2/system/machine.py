"""This machine: its name, and where a user's programs keep their files on it."""

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
    """Return the user's login name; the number where there is none, as in a container."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        if sys.platform == "win32":
            return "user"
        return str(os.getuid())


def state_folder() -> Path:
    """Return where programs keep what outlives them: locks, labels that wait to be sent."""
    from pathlib import Path

    chosen = os.environ.get("XDG_STATE_HOME")
    return Path(chosen) / "lab2" if chosen else _folder("state")


def data_folder() -> Path:
    """Return where the emulator of an installed lab2 keeps its data."""
    return _folder("share")


def _folder(name: str) -> Path:
    from pathlib import Path

    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "lab2" / name
    try:
        home = Path.home()
    except RuntimeError:  # no HOME, and a user whom the system doesn't know: as in containers, where it is /
        home = Path("/")
    return home / ".local" / name / "lab2"
