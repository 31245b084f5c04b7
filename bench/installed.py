"""Programs to compare with that need libraries other than ours: a venv each, in `.bench/`."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

from bench.standin import ROOT


def installed(package: str) -> Path | None:
    """Return the folder of the programs of a venv with this package, None where it can't be installed."""
    home = ROOT / ".bench" / package
    done = home / "installed"
    if not done.exists():
        pip = [home / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", package]
        try:
            venv.create(home, with_pip=True)
            subprocess.run(pip, check=True, timeout=180, stderr=subprocess.DEVNULL)
            done.touch()
        except (subprocess.SubprocessError, OSError):
            return None
    return home / "bin"
