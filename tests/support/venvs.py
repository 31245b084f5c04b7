"""Virtual environments with other packages than those that the tests run with."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path


def venv_with(folder: Path, *requirements: str) -> Path:
    """Install requirements (and options of pip) into a virtual environment, made if need be; return its Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *requirements], check=True)
    return python
