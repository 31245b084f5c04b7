"""What is drawn on a terminal: the progress bar and its estimate."""

from __future__ import annotations

import io
import sys

import pytest

from lab2.terminal import Progress, counted, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_tells_how_long_the_rest_takes_at_the_latest_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(sys, "stderr", Terminal())

    def shown(at: float, done: int) -> str:
        now[0] = at
        sys.stderr.seek(0)
        sys.stderr.truncate()
        progress(done)
        return sys.stderr.getvalue()

    with Progress(10_000, "file", clock=lambda: now[0]) as progress:
        assert shown(0.4, 0) == ""
        assert "0 of 10,000 files\x1b" in shown(1, 0)  # no pace yet
        for second in range(2, 11):
            line = shown(second, 500 * (second - 1))  # these were there already, and took no time
        assert ", 11 s left" in line
        for second in range(11, 61):
            line = shown(second, 4_500 + second - 10)
        assert "4,550 of 10,000 files, 91 min left" in line
    now[0] = 0
    with Progress(1, "file", clock=lambda: now[0]) as progress:
        assert "0 of 1 file\x1b" in shown(1, 0)


def test_a_bar_whose_drawing_is_interrupted_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(Terminal):
        def flush(self) -> None:
            if not self.getvalue().endswith("\r\x1b[K"):
                raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stderr", Interrupted())
    now = iter([0.0, 10.0, 10.0])
    with pytest.raises(KeyboardInterrupt), Progress(30, "file", clock=lambda: next(now)) as progress:
        progress(7)
    assert "7 of 30 files" in sys.stderr.getvalue()
    assert sys.stderr.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (99, "99 s"), (100, "2 min"), (5_900, "99 min"), (7_200, "2 h"), (1e6, "278 h")]
)
def test_a_duration_has_one_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_count_of_one_is_singular() -> None:
    assert [counted(count, "dead letter") for count in (0, 1, 2_000)] == [
        "0 dead letters", "1 dead letter", "2,000 dead letters"
    ]  # fmt: skip
