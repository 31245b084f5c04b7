"""A screen of its own, of any size, with a window manager, a keyboard of any layout, and eyes."""

from __future__ import annotations

import os
import secrets
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy
from support.world import PATIENCE, until

from lab2.labelling.display.screen import REFLEX_S

COLOURS = 64  # fewer are hardly a picture ...
PLAIN_S = 5.0  # ... unless they stay: a busy machine opens a window long before it draws in it


@dataclass
class Desktop:
    """A screen of its own with a window manager; keys go where the focus is."""

    display: str
    pixels: Path  # of the screen, row after row
    authority: dict[str, str]  # what the environment of its own programs has besides
    programs: dict[str, str]  # and what that of the programs on it has
    answered: int = 0  # what the picture on the screen looked like when a key was last pressed

    @property
    def env(self) -> dict[str, str]:
        return os.environ | {"DISPLAY": self.display} | self.authority

    def do(self, *command: str) -> str:
        done = subprocess.run(["xdotool", *command], env=self.env, capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout.strip()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.do("key", key)

    def press_at_next_picture(self, key: str) -> None:
        """Press a key once another picture has been there for longer than a reflex takes."""
        since, shown = time.monotonic(), self.look()
        while (
            shown == self.answered
            or time.monotonic() - since < 4 * REFLEX_S  # the window's clock may lag ours
            or (self._is_plain() and time.monotonic() - since < PLAIN_S)
        ):
            assert time.monotonic() - since < PATIENCE
            time.sleep(0.02)
            if (now := self.look()) != shown:
                since, shown = time.monotonic(), now
        self.answered = shown
        self.press(key)

    def look(self) -> int:
        """Return a checksum of where the picture is, in the middle of the screen."""
        pixels = self.pixels.read_bytes()
        return crc32(pixels[len(pixels) // 9 : 6 * len(pixels) // 9])

    def _is_plain(self) -> bool:
        """Return whether there is hardly more on the screen than a window without its picture."""
        pixels = numpy.fromfile(self.pixels, numpy.uint32)
        return len(numpy.unique(pixels[len(pixels) // 9 : 6 * len(pixels) // 9])) < COLOURS

    def window(self) -> str:
        """Return the labeller's window once it has the focus, '' where there is none."""
        found = self.do("search", "--onlyvisible", "--name", "^Hot dog or not$")
        return found if found and self.do("getwindowfocus") in found.split() else ""

    def screenshot(self) -> numpy.ndarray:
        """Return the pixels of the screen: rows of blue, green, red."""
        dump = self.pixels.read_bytes()
        head = struct.unpack_from(">25I", dump)
        width, height, stride, colours = head[4], head[5], head[12], head[19]
        rows = numpy.frombuffer(dump, numpy.uint8, stride * height, head[0] + 12 * colours).reshape(height, stride)
        return rows[:, : 4 * width].reshape(height, width, 4)[:, :, :3]

    def set_layout(self, layout: str) -> None:
        """Give the keyboard a layout, or several with commas between."""
        command = ["setxkbmap", layout]  # on a busy machine it fails at times
        until(lambda: not subprocess.run(command, env=self.env, timeout=PATIENCE, stderr=subprocess.DEVNULL).returncode)


@contextmanager
def desktop_of(width: int, height: int, kind: str = "") -> Iterator[Desktop]:
    """A desktop of this size; `kind` is "no RandR", or "ssh -X": programs on it are not trusted by the X server."""
    needed = ("Xvfb", "openbox", "xdotool", "setxkbmap", "xrandr", "xauth")
    missing = [program for program in needed if not shutil.which(program)]
    assert not missing, f"install {', '.join(missing)}: sh tests/system-packages.sh"
    ours, theirs = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        command = ["Xvfb", "-displayfd", str(theirs), "-screen", "0", f"{width}x{height}x24", "-fbdir", folder,
                   "-nolisten", "tcp", "-noreset"]  # fmt: skip
        authority, programs = {}, {}
        if kind == "no RandR":
            command += ["-extension", "RANDR"]
        elif kind == "ssh -X":
            authority, programs = {"XAUTHORITY": f"{folder}/trusted"}, {"XAUTHORITY": f"{folder}/untrusted"}
            xauth("trusted", folder, "add", ":0", ".", secrets.token_hex(16))
            command += ["-auth", f"{folder}/trusted", "+extension", "SECURITY"]
        screen = subprocess.Popen(command, pass_fds=[theirs], stderr=subprocess.DEVNULL)
        os.close(theirs)
        with open(ours) as number:
            display = f":{number.readline().strip()}"
        desktop = Desktop(display, Path(folder) / "Xvfb_screen0", authority, programs)
        if kind == "ssh -X":
            key = xauth("trusted", folder, "list").split()[-1]
            xauth("trusted", folder, "add", display, ".", key)
            xauth("untrusted", folder, "generate", display, ".", "untrusted", "timeout", "0", **authority)
        # While it starts, openbox may never map a window that is just being opened, or not give it the focus.
        started = Path(folder) / "started"
        manager = subprocess.Popen(["openbox", "--startup", f"touch {started}"], env=desktop.env,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        until(started.exists)
        yield desktop
        for process in (manager, screen):
            process.terminate()
            process.wait(PATIENCE)


def xauth(file: str, folder: str, *command: str, **env: str) -> str:
    """Run xauth on a file of cookies; return what it says."""
    done = subprocess.run(["xauth", "-q", "-f", f"{folder}/{file}", *command], env=os.environ | env, check=True,
                          capture_output=True, text=True, timeout=PATIENCE)  # fmt: skip
    return done.stdout
