"""The window on screens of any size, and its keys on keyboards of any layout."""

from __future__ import annotations

import multiprocessing
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue

import numpy
import pytest
from support.desktop import Desktop, desktop_of
from support.world import PATIENCE, until

from lab2.labelling.display.key_guard import QUIET_S
from lab2.labelling.display.screen import REFLEX_S
from lab2.labelling.display.window import Window
from lab2.labelling.pictures.picture import Picture
from lab2.system.worker_process import ProcessDied

SCREENS = [(1280, 720), (1024, 600), (768, 1366), (640, 480), (3840, 2160)]
GREY = (32, 32, 32)  # of the window
ONE, ZERO, Q, U, A, S, B, KEYPAD_1, KEYPAD_0 = 10, 19, 24, 30, 38, 39, 56, 87, 90  # X keycodes
PLACES = {ONE: "1", ZERO: "0", U: "u", S: "s", KEYPAD_1: "1", KEYPAD_0: "0", Q: "q"}
LAYOUTS = {
    "ru": PLACES, "gr": PLACES, "il": PLACES, "ara": PLACES, "cz": PLACES, "us": PLACES, "ua": PLACES,
    "de": PLACES, "us,ru": PLACES,
    "fr": {**PLACES, A: "q", Q: ""},  # letters are what they are: A in the place of q ends nothing
}  # fmt: skip


class Labeller(threading.Thread):
    """Somebody who looks at red pictures, twice as wide as high, in a window; `answers` are those of the keys.

    Each picture is of another red than the one before, so that it can be seen that it is there.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.window = Window()
        self.answers: SimpleQueue[str] = SimpleQueue()
        self.asked = 1  # the number of the picture that is on the screen, or will be

    def run(self) -> None:
        width, answer = min(self.window.box[0], 2 * self.window.box[1]), ""
        with suppress(ProcessDied):  # the window is closed
            while answer != "q":
                picture = Picture(width, width // 2, bytes(red(self.asked)) * (width * (width // 2)))
                answer, _ = self.window.ask(picture, "name", "Picture 2 of 4", lambda: "1 saved, 1 on its way")
                self.asked += 1
                self.answers.put(answer)


def red(number: int) -> tuple[int, int, int]:
    """Return blue, green, red of a picture."""
    return 0, 16, 255 - number % 2


@contextmanager
def labelling(desktop: Desktop, monkeypatch: pytest.MonkeyPatch, **env: str) -> Iterator[Labeller]:
    for name, value in ({"DISPLAY": desktop.display} | desktop.programs | env).items():
        monkeypatch.setenv(name, value)
    labeller = Labeller()
    labeller.start()
    try:
        until(desktop.window)
        until(lambda: coloured(desktop.screenshot(), red(1)).any())
        yield labeller
    finally:
        labeller.window.close()


def coloured(screen: numpy.ndarray, colour: tuple[int, int, int]) -> numpy.ndarray:
    """Return which pixels of the screen have this colour."""
    return (screen == colour).all(axis=2)


@pytest.fixture(scope="module")
def desktop(request: pytest.FixtureRequest) -> Iterator[Desktop]:
    with desktop_of(*request.param) as desktop:
        yield desktop


def on(*screens: tuple[int, int] | tuple[int, int, str]) -> pytest.MarkDecorator:
    """Run a test on each of these screens."""
    return pytest.mark.parametrize("desktop", screens, indirect=True, ids=lambda size: "x".join(map(str, size)))


def look(desktop: Desktop) -> None:
    """Wait until the window, its title bar too, is on the screen, its picture undistorted and its text legible."""

    def is_right() -> bool:
        screen = desktop.screenshot()
        picture = coloured(screen, red(1))
        if not picture.any():
            return False
        left, top, right, bottom = bounds(coloured(screen, GREY) | picture)
        x, y, end, under = bounds(picture)
        fits = left > 0 and top >= 15 and right < screen.shape[1] and bottom < screen.shape[0]  # 15: the title bar
        undistorted = abs(end - x - 2 * (under - y)) <= 2 and end - x >= 0.45 * screen.shape[1]
        return bool(fits and undistorted and text_lines(screen[under:bottom, left:right]) == 2)

    until(is_right)


def bounds(found: numpy.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of these pixels."""
    rows, columns = numpy.nonzero(found)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def text_lines(bar: numpy.ndarray) -> int:
    """Return how many lines of text are on it that are high enough to read and end before the edge."""
    bright = bar.max(axis=2) > 120
    if bright[:, -4:].any():
        return 0
    written = numpy.flatnonzero(numpy.diff(numpy.pad(bright.any(axis=1), 1).astype(int)))
    return sum(bool(end - start >= 11) for start, end in zip(written[::2], written[1::2], strict=True))


def press(desktop: Desktop, labeller: Labeller, layout: str, answers: dict[int, str]) -> None:
    """Press keys, one for each picture, and assert what they answer."""
    desktop.set_layout(layout)
    for place, answer in answers.items():
        until(lambda: coloured(desktop.screenshot(), red(labeller.asked)).any())
        time.sleep(4 * REFLEX_S)  # a key that comes sooner after a picture does not count
        desktop.press(str(place))
        if answer:
            assert answered(labeller, f"{layout}: key {place}") == answer
    assert labeller.answers.empty()


def answered(labeller: Labeller, key: str) -> str:
    try:
        return labeller.answers.get(timeout=PATIENCE)
    except Empty:
        pytest.fail(f"{key} was not answered")


@on(*SCREENS[:3])
def test_the_window_fits_the_screen_undistorted_and_legible(desktop: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    with labelling(desktop, monkeypatch):
        look(desktop)
        desktop.press("x")  # the sentence about it is longer
        look(desktop)


@on((1824, 600))
def test_of_two_monitors_the_window_is_on_the_primary_one(desktop: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, place, output in (
        ("left", "1024/270x600/160+0+0", "screen"),
        ("*right", "800/210x600/160+1024+0", "none"),
    ):
        command = ["xrandr", "--setmonitor", name, place, output]
        subprocess.run(command, env=desktop.env, check=True, capture_output=True, timeout=PATIENCE)
    with labelling(desktop, monkeypatch):
        until(lambda: bounds(coloured(desktop.screenshot(), red(1)))[0] > 1024)


@on((1024, 600))
@pytest.mark.parametrize(
    "env", [{"QT_QPA_PLATFORM": "wayland"}, {"QT_QPA_PLATFORM": "no such"}, {"QT_SCALE_FACTOR": "2"}], ids=str
)
def test_settings_for_other_programs_of_qt_do_no_harm(
    desktop: Desktop, monkeypatch: pytest.MonkeyPatch, env: dict[str, str]
) -> None:
    with labelling(desktop, monkeypatch, **env):
        look(desktop)


@on((1024, 600))
@pytest.mark.parametrize("layout", ["ru", "fr", "cz", "il"])
def test_keys_act_by_place_and_by_character(desktop: Desktop, monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    desktop.set_layout("us")
    with labelling(desktop, monkeypatch) as labeller:
        press(desktop, labeller, layout, LAYOUTS[layout])


@on((1024, 600, "ssh -X"), (1024, 600), (1024, 600, "no RandR"))
def test_fingers_on_wheel_modifiers_and_keys_that_are_held(desktop: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    desktop.set_layout("us")
    with labelling(desktop, monkeypatch) as labeller:
        look(desktop)
        time.sleep(2 * QUIET_S)
        width, height = desktop.screenshot().shape[1::-1]
        desktop.do("mousemove", str(width // 2), str(height // 3), "click", "--repeat", "6", "4", "click", "6")
        for modified in ("alt+1", "super+0", "ctrl+alt+1", "ctrl+1"):
            desktop.press(modified)
        look(desktop)  # whole, with a sentence about it
        assert labeller.answers.empty()
        desktop.do("keydown", "1", "sleep", "1.5", "keyup", "1")  # it repeats after 0.7 s at most
        assert answered(labeller, "1 held down") == "1"
        press(desktop, labeller, "us", {ZERO: "0", S: "s"})  # and nothing was answered before these


@on((1024, 600))
def test_a_key_makes_dark_pictures_brighter_and_is_no_answer(desktop: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    desktop.set_layout("ru")
    with labelling(desktop, monkeypatch) as labeller:
        time.sleep(2 * QUIET_S)
        for shown in ((0, 64, 254), (0, 128, 255), red(1)):
            desktop.press(str(B))
            until(lambda shown=shown: coloured(desktop.screenshot(), shown).any())
        press(desktop, labeller, "ru", {ONE: "1", ZERO: "0"})  # the next picture is as it is


@on((1024, 600))
def test_what_is_typed_into_another_window_as_ours_opens_labels_nothing(
    desktop: Desktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop.set_layout("us")
    done = threading.Event()

    def write() -> None:
        while not done.wait(0.13):
            desktop.press("1", "0")

    typist = threading.Thread(target=write)
    typist.start()
    try:
        with labelling(desktop, monkeypatch) as labeller:
            time.sleep(2 * QUIET_S)
            done.set()
            typist.join()
            time.sleep(2 * QUIET_S)
            assert labeller.answers.empty()
            press(desktop, labeller, "us", {ONE: "1"})
    finally:
        done.set()


def test_a_window_that_is_given_up_leaves_no_process() -> None:
    before = set(multiprocessing.active_children())
    window = Window()
    (process,) = set(multiprocessing.active_children()) - before
    window.close()
    assert not process.is_alive()


@pytest.mark.long
@on(*SCREENS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_keys_act_on_every_screen_and_layout(desktop: Desktop, monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    desktop.set_layout("us")
    with labelling(desktop, monkeypatch) as labeller:
        look(desktop)
        press(desktop, labeller, layout, LAYOUTS[layout])
