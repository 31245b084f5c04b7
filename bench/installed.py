"""Programs to compare with that need libraries other than ours: a venv each, in `.bench/`."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

from bench.standin import ROOT


def installed(package: str) -> Path:
    """Return the folder of the programs of a venv with this package."""
    home = ROOT / ".bench" / package
    done = home / "installed"
    if not done.exists():
        venv.create(home, with_pip=True)
        pip = [home / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", package]
        subprocess.run(pip, check=True, timeout=180)
        done.touch()
    return home / "bin"
