"""A copy of the project of its own, for what `--local` starts and leaves in it."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from support.world import PATIENCE, ROOT, Program, free_port, start


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

    def start(self, program: str, *args: str) -> Program:
        return start([str(self.home / program), *args, "--local"], self.env, self.home)

    def run(self, *args: str) -> tuple[int, str, str]:
        process = self.start(*args)
        output, errors = process.communicate(timeout=3 * PATIENCE)
        assert process.returncode is not None
        return process.returncode, output, errors

    def up(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def pid(self, name: str) -> int | None:
        path = self.home / ".local" / f"{name}.pid"
        return int(path.read_text()) if path.exists() else None
