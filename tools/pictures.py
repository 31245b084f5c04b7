"""Make the pictures of README and docs/, from the programs as they are, on a screen that nobody sees.

Needs Debian's x11-utils, xterm and fonts-dejavu-core, beside what the tests need.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import cv2
import pexpect
from support.desktop import Desktop, desktop_of
from support.project import Project
from support.world import ROOT, until

DOCS = ROOT / "docs" / "images"
A_WHILE_S = 20  # in which the emulator starts and a picture comes, on a machine that is busy


class Studio:
    """A desktop, and a copy of the project whose `.local/` is empty; `stack` ends the programs that are started."""

    def __init__(self, desktop: Desktop, folder: Path, stack: ExitStack) -> None:
        self.desktop = desktop
        self.folder = folder
        port = str(Project(folder).port)
        self.env = desktop.env | {"GATEWAY_PORT": port, "HOME": str(folder), "USER": "ada", "LOGNAME": "ada"}
        self.stack = stack

    def start(self, title: str, *command: str) -> str:
        """Start a program; return its window once that has the focus."""
        program = subprocess.Popen(command, env=self.env, cwd=self.folder, stderr=subprocess.DEVNULL)
        self.stack.enter_context(program)
        self.stack.callback(program.terminate)
        self.desktop.do("search", "--sync", "--onlyvisible", "--name", f"^{title}")
        window = self.desktop.do("search", "--onlyvisible", "--name", f"^{title}").split()[0]
        self.desktop.do("windowactivate", window)
        until(lambda: self.desktop.do("getwindowfocus") == window)
        return window

    def picture(self, window: str, name: str) -> None:
        """Save what a window shows as docs/images/<name>.png."""
        told = subprocess.check_output(["xwininfo", "-id", window], env=self.env, text=True)
        names = ("Absolute upper-left X", "Absolute upper-left Y", "Width", "Height")
        x, y, width, height = (int(told.partition(f"{name}:")[2].split()[0]) for name in names)
        pixels = self.desktop.screenshot()[y : y + height, x : x + width]
        cv2.imwrite(str(DOCS / f"{name}.png"), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])

    def type(self, *lines: str) -> None:
        for line in lines:
            self.desktop.do("type", "--delay", "60", line)
            self.desktop.press("Return")
            time.sleep(0.4)

    def label_all(self, name: str) -> None:
        """Let a person label every picture as `underbase.csv` does, but for a few on which people may differ."""
        truth = {row["image"]: int(row["label"]) for row in csv.DictReader((ROOT / "underbase.csv").open())}
        command = ["hotdog.py", "label", "--local", "--display", "terminal", "--pick", "useful", "--annotator", name]
        options = {"cwd": str(self.folder), "encoding": "utf-8", "dimensions": (40, 200)}
        for _ in range(len(truth) // 4):
            program = pexpect.spawn(sys.executable, command, env=self.env | {"NO_COLOR": "1"}, **options)
            while not program.expect([r"Picture \d of 4: (\S+).*: ", pexpect.EOF]):
                image = program.match[1]
                program.sendline(str(truth[image] ^ ((image + name).encode()[3] % 5 == 0)))


def main() -> None:
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, desktop_of(1100, 860) as desktop, ExitStack() as stack:
        made = Studio(desktop, Path(folder), stack)
        window = made.start("Hot dog or not", sys.executable, "hotdog.py", "label", "--local", "--display", "window")
        time.sleep(2)
        made.desktop.press("1")
        time.sleep(1.5)
        made.picture(window, "window")
        made.desktop.press("q")
        time.sleep(4)
        program = "hotdog.py --local --display terminal"
        shell = ["sh", "-c", f"{sys.executable} {program}; sleep 30"]
        font = ["-fa", "DejaVu Sans Mono", "-fs", "11", "-geometry", "76x36", "-b", "12"]
        colours = ["-bg", "#1e1e2e", "-fg", "#e6e6ef"]
        window = made.start(program, "xterm", "-T", program, *font, *colours, "-e", *shell)
        time.sleep(A_WHILE_S)
        made.type("label")
        time.sleep(A_WHILE_S)
        made.picture(window, "terminal")
        made.type("q", "quit")
        time.sleep(3)
        for name in ("bob", "cleo"):
            made.label_all(name)
        sheet = ["hotdog.py", "report", "--local", "--sheet", str(DOCS / "sheet.png")]
        subprocess.run([sys.executable, *sheet], env=made.env, cwd=made.folder, check=True)


if __name__ == "__main__":
    main()
