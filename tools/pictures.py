"""Make the pictures of README and docs/, from the programs as they are, on a screen that nobody sees.

Needs Debian's xvfb, openbox, xdotool, x11-utils, xterm and fonts-dejavu-core.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pexpect

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1100, 860
A_WHILE_S = 20  # in which the emulator starts and a picture comes, on a machine that is busy


class Screen:
    """An X server without a screen, with a window manager."""

    def __init__(self, home: Path) -> None:
        self.home = home
        ours, theirs = os.pipe()
        geometry = f"{WIDTH}x{HEIGHT}x24"
        command = ["Xvfb", "-displayfd", str(theirs), "-screen", "0", geometry, "-fbdir", str(home), "-nolisten", "tcp"]
        self.processes = [subprocess.Popen(command, pass_fds=[theirs], stderr=subprocess.DEVNULL)]
        os.close(theirs)
        with open(ours) as number:
            display = f":{number.readline().strip()}"
        self.env = os.environ | {"DISPLAY": display, "GATEWAY_PORT": "4577", "HOME": str(home), "USER": "ada",
                                 "LOGNAME": "ada"}  # fmt: skip
        self.start("openbox")
        while not self.do("get_num_desktops"):  # until it manages windows
            time.sleep(0.1)

    def start(self, *command: str) -> None:
        self.processes.append(
            subprocess.Popen(command, env=self.env, cwd=self.home / "lab2", stderr=subprocess.DEVNULL)
        )

    def run(self, program: str, *args: str) -> None:
        subprocess.run([sys.executable, program, *args], env=self.env, cwd=self.home / "lab2", check=True)

    def do(self, *command: str) -> str:
        return subprocess.run(["xdotool", *command], env=self.env, capture_output=True, text=True).stdout.strip()

    def window(self, name: str) -> str:
        """Return the window of this name once it is there and has the focus."""
        for _ in range(300):
            found = self.do("search", "--onlyvisible", "--name", name).split()
            if found and self.do("getwindowfocus") in found:
                return found[0]
            if found:
                self.do("windowactivate", found[0])
            time.sleep(0.1)
        sys.exit(f"No window {name} within 30 s.")

    def picture(self, window: str, name: str) -> None:
        """Save what a window shows as docs/images/<name>.png."""
        raw = np.fromfile(self.home / "Xvfb_screen0", np.uint8)
        header = raw[:100].view(">u4")  # the XWD file format: sizes and counts, then colours, then pixels
        start = int(header[0]) + 12 * int(header[19])
        pixels = raw[start : start + int(header[12]) * HEIGHT].reshape(HEIGHT, -1, 4)[:, :WIDTH, :3]
        told = subprocess.run(["xwininfo", "-id", window], env=self.env, capture_output=True, text=True).stdout
        names = ("Absolute upper-left X", "Absolute upper-left Y", "Width", "Height")
        x, y, width, height = (int(told.partition(f"{name}:")[2].split()[0]) for name in names)
        cv2.imwrite(str(DOCS / f"{name}.png"), pixels[y : y + height, x : x + width], [cv2.IMWRITE_PNG_COMPRESSION, 9])

    def type(self, *lines: str) -> None:
        for line in lines:
            self.do("type", "--delay", "60", line)
            self.do("key", "Return")
            time.sleep(0.4)


@contextmanager
def screen() -> Iterator[Screen]:
    """A screen, and a copy of the project whose `.local/` is empty."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shutil.copytree(ROOT, home / "lab2", ignore=shutil.ignore_patterns(".git", ".venv", ".local", ".*_cache"))
        made = Screen(home)
        try:
            yield made
        finally:
            for process in reversed(made.processes):
                process.terminate()
                process.wait()


def terminal(made: Screen, program: str, columns: int, rows: int) -> str:
    """Start a program in a terminal window; return the window."""
    command = f"{sys.executable} {program}; sleep 30"
    made.start("xterm", "-T", program, "-fa", "DejaVu Sans Mono", "-fs", "11", "-geometry", f"{columns}x{rows}",
               "-bg", "#1e1e2e", "-fg", "#e6e6ef", "-b", "12", "-e", "sh", "-c", command)  # fmt: skip
    return made.window(f"^{program}$")


def label_all(made: Screen, name: str) -> None:
    """Let a person label every picture as `underbase.csv` does, but for a few on which people may differ."""
    with open(ROOT / "underbase.csv") as file:
        truth = {row["image"]: int(row["label"]) for row in csv.DictReader(file)}
    for _ in range(len(truth) // 4):
        command = ["hotdog.py", "label", "--local", "--display", "terminal", "--pick", "useful", "--annotator", name]
        program = pexpect.spawn(sys.executable, command, env=made.env | {"NO_COLOR": "1"}, cwd=str(made.home / "lab2"),
                                encoding="utf-8", dimensions=(40, 200))  # fmt: skip
        while not program.expect([r"Picture \d of 4: (\S+).*: ", pexpect.EOF]):
            image = program.match[1]
            program.sendline(str(truth[image] ^ ((image + name).encode()[3] % 5 == 0)))


def main() -> None:
    DOCS.mkdir(exist_ok=True)
    with screen() as made:
        made.start(sys.executable, "hotdog.py", "label", "--local", "--display", "window")
        window = made.window("Hot dog or not")
        time.sleep(2)
        made.do("key", "1")
        time.sleep(1.5)
        made.picture(window, "window")
        made.do("key", "q")
        time.sleep(4)
        window = terminal(made, "hotdog.py --local --display terminal", 76, 36)
        time.sleep(A_WHILE_S)
        made.type("label")
        time.sleep(A_WHILE_S)
        made.picture(window, "terminal")
        made.type("q", "quit")
        time.sleep(3)
        for name in ("bob", "cleo"):
            label_all(made, name)
        made.run("hotdog.py", "report", "--local", "--sheet", str(DOCS / "sheet.png"))


if __name__ == "__main__":
    main()
