"""A copy of the project of its own, for what `--local` starts and leaves in it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from support.world import PATIENCE, ROOT, free_port


class Project:
    """A copy of the project, with a port of its own for its emulator."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        for name in ("client.py", "server.py", "hotdog.py", "aws.yaml", "underbase.csv"):
            shutil.copy(ROOT / name, home)
        unfinished = shutil.ignore_patterns("*.pyc.*")  # what another test is compiling now
        shutil.copytree(ROOT / "lab2", home / "lab2", ignore=unfinished)
        (home / "underbase").symlink_to(ROOT / "underbase")
        self.env = os.environ | {"GATEWAY_PORT": str(self.port), "PYTHONUNBUFFERED": "1"}

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *args, "--local"], cwd=self.home, env=self.env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *args: str) -> tuple[int, str, str]:
        process = self.start(*args)
        output, errors = process.communicate(timeout=3 * PATIENCE)
        return process.returncode, output, errors

    def up(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def pid(self, name: str) -> int | None:
        path = self.home / ".local" / f"{name}.pid"
        return int(path.read_text()) if path.exists() else None
