"""The three commands, installed with the extras labeller and local, do their work on any system: `python smoke.py`.

They run in a folder whose name has a space and umlauts. The emulator's data and all state stay in it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

PATIENCE = 180  # seconds for one command
COMMANDS = Path(sys.executable).parent  # a virtual environment's, or:
SEARCHED = os.pathsep.join([str(COMMANDS), str(COMMANDS / "Scripts"), os.environ.get("PATH", "")])


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lab2 für große Übung ", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        home = dict.fromkeys(("HOME", "USERPROFILE", "LOCALAPPDATA"), name)
        environment = os.environ | home | {"GATEWAY_PORT": str(port), "PYTHONPATH": "", "PYTHONUTF8": "1"}
        environment.pop("XDG_STATE_HOME", None)

        def run(command: str, *arguments: str, typed: str = "") -> str:
            """Return what a command prints; fail unless it succeeds."""
            path = shutil.which(command, path=SEARCHED)
            assert path, f"{command} is not installed"
            done = subprocess.run(
                [path, *arguments, "--local"], cwd=folder, env=environment, input=typed.encode(),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
            )  # fmt: skip
            output = done.stdout.decode(errors="replace")
            print(f"$ {command} {' '.join(arguments)}\n{output}", flush=True)
            assert done.returncode == 0, f"{command} exited with {done.returncode}"
            return output

        assert run("lab2-client", "3", "5.5", "8").split()[-8:] == ["1", "3", "5.5", "8", "5.5", "5.5", "8", "3"]
        assert " 12 " in run("lab2-client", typed="4\n20\n\nn\n")
        assert "2 correct" in run("lab2-server", "verify")
        picture = folder / "eine große Wurst.ppm"
        picture.write_bytes(b"P6 40 30 255\n" + bytes(range(240)) * 15)
        assert "1 uploaded" in run("lab2-hotdog", "upload", str(picture))
        assert "2 labels safe in S3" in run("lab2-hotdog", typed="2\n1\n0\nq\n3\n")
        assert " sample" in run("lab2-hotdog", "report")  # who labelled the pictures that come with it
    print("All three commands work.")


if __name__ == "__main__":
    main()
