"""Programs to compare with, in `.bench/`: those that need libraries other than ours, and earlier versions of ours."""

from __future__ import annotations

import io
import subprocess
import tarfile
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


def earlier(commit: str) -> Path:
    """Return the folder of an earlier version, which the clone must reach back to."""
    home = ROOT / ".bench" / commit
    if not home.exists():
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(home, filter="data")
    return home
