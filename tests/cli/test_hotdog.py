"""The labeller as a person has it: real keys in a real window, a terminal, a pipe; killed, and cut off the network."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pexpect
import pytest
from support.desktop import Desktop, desktop_of
from support.labeller import HELP, cut, piped, put_labels, rows, terminal, waiting
from support.proxy import ALWAYS, Fault, Proxy
from support.world import PATIENCE, ROOT, Program, World, until

from lab2.aws.resources import LABEL_KEY

# ---- through a pipe ---------------------------------------------------------------------------


def test_the_whole_dialogue_works_through_a_pipe(samples: World) -> None:
    code, output, errors = piped(samples, "--annotator", "eve", typed="label\nx\n1\n0\nu\n1\ns\n0\nquit\n")
    assert errors == ""
    assert output.count("1 upload   2 label   3 quit") == 2
    assert output.count("Please type one of these") == 1
    assert "4 labels safe in S3." in output
    assert code == 0
    found = rows(samples)
    shown = re.findall(r"Picture (\d) of 4: (\S+)", output)
    assert [place for place, _ in shown] == ["1", "2", "3", "2", "3", "4"]
    images = dict(shown)
    assert len(set(images.values())) == 4
    expected = [("1", "1"), ("2", "0"), ("2", "1"), ("4", "0")]
    assert [(row["image"], row["label"]) for row in found] == [(images[place], label) for place, label in expected]
    assert {row["annotator"] for row in found} == {"eve"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["timestamp"]) for row in found)
    assert all(float(row["seconds"]) >= 0 for row in found)
    assert waiting(samples) == []


@pytest.mark.parametrize("choice", ["2", "l", "LABEL "])
def test_the_menu_takes_number_letter_and_word(samples: World, choice: str) -> None:
    code, output, errors = piped(samples, typed=f"nonsense\n{choice}\nq\n3\n")
    assert "Type 1, 2 or 3, or the first letter of the word." in output and "Picture 1 of 4" in output
    assert (code, errors) == (0, "")


def test_the_end_of_the_input_ends_the_round_and_keeps_its_labels(samples: World) -> None:
    code, output, _ = piped(samples, "label", typed="1\n0\n")
    assert code == 0 and "2 labels safe in S3." in output
    assert len(rows(samples)) == 2


def test_fewer_than_four_pictures_are_those_and_none_is_said(world: World) -> None:
    code, output, errors = piped(world, typed="2\n3\n")
    assert "Upload some first" in errors and code == 1
    (sample, other, *_) = sorted((ROOT / "underbase").iterdir())
    assert piped(world, "upload", str(sample), str(other), typed="")[0] == 0
    code, output, errors = piped(world, "label", typed="1\n1\n")
    assert "2 of 2" in output and "2 labels" in output and code == 0


def test_what_can_not_be_shown_is_named_and_replaced(samples: World) -> None:
    kept = list(samples.objects("underbase/"))[:4]
    for key in list(samples.objects("underbase/"))[4:]:
        samples.aws.s3.delete_object(Bucket=samples.aws.bucket, Key=key)
    for name in ("0123-cut.jpg", "no picture.txt", "tu\x1b[31mrn\n.jpg", "empty.png"):
        data = b"" if "empty" in name else b"\xff\xd8cut"
        samples.aws.s3.put_object(Bucket=samples.aws.bucket, Key=f"underbase/{name}", Body=data)
    code, output, errors = piped(samples, "label", typed="1\n" * 4)
    assert code == 0 and "4 labels" in output
    assert sorted(f"underbase/{row['image']}" for row in rows(samples)) == sorted(kept)
    assert "\x1b" not in output + errors
    for line in errors.splitlines():
        assert "can't be shown: " in line


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["upload"], "the following arguments are required: PATH"),
        (["label", "picture.jpg"], "unexpected argument 'picture.jpg'"),
        (["label", "--annotator", " \n"], "--annotator NAME"),
        (["label", "--bucket", "nobody-s-bucket"], "There is no bucket nobody-s-bucket"),
        (["label", "--display", "window"], "Try: --display terminal"),
    ],
)
def test_what_can_not_go_on_is_said_in_one_sentence_with_exit_code_2(
    samples: World, args: list[str], sentence: str
) -> None:
    samples.env["DISPLAY"] = ":99999"
    code, _, errors = piped(samples, *args, typed="")
    assert code == 2 and sentence in errors and "Traceback" not in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    "command", ["label", f"upload {ROOT}/underbase", "report --sheet x.png", "export --format jpg x"]
)
def test_without_opencv_s_libraries_a_sentence_says_at_the_start_what_to_install(samples: World, command: str) -> None:
    broken = samples.home / "broken" / "cv2"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    samples.env["PYTHONPATH"] = str(broken.parent)
    code, output, errors = piped(samples, *command.split(), typed="1\n")
    assert (code, output) == (2, "")
    assert "libGL.so.1" in errors and "apt-get install" in errors and len(errors.splitlines()) == 1


@pytest.mark.parametrize("command", ["report", "labels", "export set", f"upload {ROOT}/underbase"])
def test_what_labels_nothing_needs_no_folder_for_labels(samples: World, command: str) -> None:
    put_labels(samples, "old.jpg,1,bob,2026-11-23T12:00:00.000Z,\n")
    samples.env["XDG_STATE_HOME"] = "/dev/null"
    code, output, errors = piped(samples, *command.split(), typed="")
    assert code == 0 and output
    assert ["Labels can't be kept on this disk" in line for line in errors.splitlines()] == [True] * (
        not command.startswith("upload")
    )
    assert piped(samples, "label", typed="1\n")[0] == 2


# ---- at a terminal ----------------------------------------------------------------------------


def test_pictures_are_drawn_at_the_terminal_and_early_answers_do_not_count(samples: World, proxy: Proxy) -> None:
    samples.env["AWS_ENDPOINT_URL"] = proxy.url
    network = threading.Event()
    proxy.on("GetObject", Fault(before=lambda: network.wait(PATIENCE)), times=4)
    child = terminal(samples)
    child.expect("3 quit\r\n> ")
    child.sendline("2")
    until(lambda: proxy.calls["GetObject"] >= 4)
    child.send("1\n1\n1\n1\n1\n")  # no picture is there yet
    network.set()
    child.expect("▀.*Picture 1 of 4   \\(0 saved, 0 on their way\\)")
    child.expect_exact(HELP)
    assert rows(samples) == []
    for place in "234":
        child.sendline("0")
        child.expect(f"▀.*Picture {place} of 4")
        child.expect_exact(HELP)
    child.sendline("0")
    child.expect("4 labels safe in S3")
    child.sendline("q")
    child.expect(pexpect.EOF)
    assert [row["label"] for row in rows(samples)] == ["0"] * 4


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_where_there_are_no_colours_the_name_is_shown(samples: World, setting: dict[str, str]) -> None:
    child = terminal(samples, "label", **setting)
    child.expect("Picture 1 of 4: [0-9a-f]{12}-")
    assert "▀" not in child.before
    child.expect_exact(HELP)
    child.sendline("q")
    child.expect(pexpect.EOF)


def test_ctrl_c_ends_the_round_then_the_program_and_keeps_labels(samples: World) -> None:
    child = terminal(samples)
    child.expect("3 quit")
    child.sendline("2")
    child.expect_exact(HELP)
    child.sendline("1")
    child.expect("Picture 2 of 4")
    child.expect_exact(HELP)
    child.sendintr()
    child.expect("1 label safe in S3")
    child.expect("3 quit\r\n> ")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0
    assert len(rows(samples)) == 1


# ---- in a window ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    with desktop_of(1280, 900) as desktop:
        yield desktop


def windowed(world: World, desktop: Desktop, *args: str) -> Program:
    desktop.answered = desktop.look()
    return world.start("hotdog.py", "label", "--display", "window", *args, env={"DISPLAY": desktop.display})


def labelled(world: World, count: int) -> Callable[[], bool]:
    return lambda: len(rows(world)) == count


def answer(world: World, desktop: Desktop, key: str) -> None:
    """Press a key for a picture that has been seen, and wait for its label.

    On a busy machine the window may have been on the screen for long before its picture, or before it knows that: a
    key without an effect is pressed again.
    """
    before = len(rows(world))
    desktop.press_at_next_picture(key)
    pressed = time.monotonic()

    def is_labelled() -> bool:
        nonlocal pressed
        if time.monotonic() - pressed > 5 and desktop.look() == desktop.answered:
            desktop.press(key)
            pressed = time.monotonic()
        return labelled(world, before + 1)()

    until(is_labelled)


def finished(program: Program) -> str:
    output, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, errors) == (0, "")
    return output


def test_keys_in_the_window_label_four_pictures(samples: World, desktop: Desktop) -> None:
    program = windowed(samples, desktop)
    until(desktop.window)
    answer(samples, desktop, "1")
    answer(samples, desktop, "KP_0")
    desktop.press("x", "Shift_L", "F5")
    desktop.press_at_next_picture("u")
    answer(samples, desktop, "KP_1")
    desktop.press_at_next_picture("s")
    answer(samples, desktop, "0")
    assert "4 labels safe in S3." in finished(program)
    found = rows(samples)
    assert [row["label"] for row in found] == ["1", "0", "1", "0"]
    assert found[1]["image"] == found[2]["image"]
    assert len({row["image"] for row in found}) == 3


@pytest.mark.parametrize("end", ["q", "Escape", "close"])
def test_the_round_can_be_ended_and_the_window_closed(samples: World, desktop: Desktop, end: str) -> None:
    program = windowed(samples, desktop)
    window = until(desktop.window)
    answer(samples, desktop, "1")
    desktop.press_at_next_picture("alt+F4" if end == "close" else end)
    assert "1 label safe in S3." in finished(program)
    assert window and not desktop.window()


def test_keys_pressed_before_a_picture_is_on_the_screen_label_nothing(
    samples: World, desktop: Desktop, proxy: Proxy
) -> None:
    samples.env["AWS_ENDPOINT_URL"] = proxy.url
    network = threading.Event()
    proxy.on("GetObject", Fault(before=lambda: network.wait(PATIENCE)), nth=2, times=3)  # one picture comes, then none
    program = windowed(samples, desktop)
    until(desktop.window)
    answer(samples, desktop, "1")
    desktop.press(*"1" * 20)  # the window shows a picture that is answered; the next one is not here yet
    network.set()
    time.sleep(1.0)  # nothing should happen
    assert len(rows(samples)) == 1
    answer(samples, desktop, "0")
    desktop.press_at_next_picture("q")
    finished(program)
    assert [row["label"] for row in rows(samples)] == ["1", "0"]


def test_a_key_that_is_held_down_labels_one_picture(samples: World, desktop: Desktop) -> None:
    program = windowed(samples, desktop)
    until(desktop.window)
    desktop.press_at_next_picture("F5")
    desktop.do("keydown", "1")
    time.sleep(1.5)  # 23 key events
    desktop.do("keyup", "1")
    until(labelled(samples, 1))
    answer(samples, desktop, "1")  # pressed again, it counts
    desktop.press_at_next_picture("q")
    finished(program)
    assert len(rows(samples)) == 2


def test_a_display_that_dies_leaves_the_round_in_the_terminal(samples: World, desktop: Desktop) -> None:
    """The window's process is killed here, which is what Qt does to it when its display dies."""
    desktop.answered = desktop.look()
    child = terminal(samples, "label", DISPLAY=desktop.display)
    until(desktop.window)
    answer(samples, desktop, "1")
    os.kill(int(desktop.do("getwindowpid", desktop.window())), signal.SIGKILL)
    child.expect("No window can be opened here")
    child.expect("Picture 2 of 4")
    child.expect_exact(HELP)
    child.sendline("0")
    child.expect("Picture 3 of 4")
    child.expect_exact(HELP)
    child.sendline("q")
    child.expect("2 labels safe in S3")
    child.expect(pexpect.EOF)


def test_a_dead_display_is_noticed_before_it_kills(samples: World) -> None:
    child = terminal(samples, "label", DISPLAY=":99999")
    child.expect("No window can be opened here")
    child.expect("Picture 1 of 4")
    child.expect_exact(HELP)
    child.sendline("q")
    child.expect(pexpect.EOF)


@pytest.mark.long  # pip takes its time
@pytest.mark.timeout(600)
def test_with_opencv_headless_pictures_are_shown_in_the_terminal(samples: World, desktop: Desktop) -> None:
    folder = samples.home / "headless"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--target", str(folder), "opencv-python-headless"], check=True, timeout=10 * PATIENCE)
    child = terminal(samples, "label", DISPLAY=desktop.display, PYTHONPATH=str(folder))
    child.expect_exact(
        "No window can be opened here, so pictures are shown in the terminal. OpenCV is installed without"
    )
    child.expect("▀")
    child.expect_exact(HELP)
    child.sendline("1")
    child.expect("Picture 2 of 4")
    child.expect_exact(HELP)
    child.sendline("q")
    child.expect("1 label safe in S3")
    child.expect(pexpect.EOF)


# ---- whatever happens -------------------------------------------------------------------------


@pytest.mark.long  # the crash matrix has four at once, too
def test_eight_labellers_at_once_get_every_row_in_once(samples: World) -> None:
    programs = [samples.start("hotdog.py", "--annotator", f"labeller {number}") for number in range(8)]
    threads = [threading.Thread(target=program.communicate, args=("2\n1\n0\n1\n0\n" * 3 + "3\n",))
               for program in programs]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 2)
    assert [program.returncode for program in programs] == [0] * 8
    found = rows(samples)
    assert Counter(row["annotator"] for row in found) == {f"labeller {number}": 12 for number in range(8)}
    assert len({(row["annotator"], row["timestamp"]) for row in found}) == 96
    assert all(None not in row and None not in row.values() for row in found)
    assert samples.objects(LABEL_KEY)[LABEL_KEY].count(b"\n") == 97


def test_killed_in_the_middle_of_a_round_no_label_is_lost_or_doubled(samples: World, proxy: Proxy) -> None:
    samples.env["AWS_ENDPOINT_URL"] = proxy.url
    taken = 0
    for fault in (Fault(cut=True), Fault(lost=True)):  # killed before S3 has the rows, and after
        rule = proxy.on("PutObject", fault, times=ALWAYS)
        blind = proxy.on("GetObject", Fault(cut=True), times=ALWAYS,  # it never sees whether S3 has them
                         only=lambda call: LABEL_KEY in call.path and proxy.calls["PutObject"] > 0)  # fmt: skip
        child = terminal(samples, "label")
        for place in "123":
            child.expect(f"Picture {place} of 4")
            child.expect_exact(HELP)
            child.sendline("1")
            taken += 1
        child.expect("Picture 4 of 4")
        until(lambda: proxy.calls["PutObject"])
        child.kill(signal.SIGKILL)
        child.expect(pexpect.EOF)
        proxy.forget(rule, blind)
        proxy.calls.clear()
        assert len(waiting(samples)) == 3
        code, _, errors = piped(samples, typed="3\n")  # the next start
        assert code == 0 and "Sent 3 labels that an earlier run had left on this disk." in errors
        assert len(rows(samples)) == taken
        assert len({row["timestamp"] for row in rows(samples)}) == taken
        assert waiting(samples) == []


def test_without_a_network_labels_wait_and_are_sent_when_it_is_back(samples: World, proxy: Proxy) -> None:
    samples.env["AWS_ENDPOINT_URL"] = proxy.url
    child = terminal(samples)
    child.expect("3 quit")
    child.sendline("2")
    child.expect("Picture 1 of 4")
    child.expect_exact(HELP)
    until(lambda: proxy.calls["GetObject"] == 4)
    mend = cut(proxy)
    for place in "234":
        child.sendline("1")
        child.expect(f"Picture {place} of 4")
        child.expect_exact(HELP)
    child.sendline("1")
    child.expect("0 labels safe in S3, 4 waiting on this disk to be sent")
    assert len(waiting(samples)) == 4
    mend()
    until(lambda: len(rows(samples)) == 4 and not waiting(samples))
    child.sendline("3")
    child.expect("Saving labels works again")
    child.expect(pexpect.EOF)
    assert waiting(samples) == []


def test_labels_that_wait_at_the_end_are_said_and_sent_at_the_next_start(samples: World, proxy: Proxy) -> None:
    samples.env["AWS_ENDPOINT_URL"] = proxy.url
    rule = proxy.on("PutObject", Fault(cut=True), times=ALWAYS)
    code, output, errors = piped(samples, "label", typed="1\n1\n")
    assert code == 1 and "2 waiting on this disk" in output and "2 labels not in S3 yet" in errors
    proxy.forget(rule)
    code, output, errors = piped(samples, "label", typed="0\n")
    assert code == 0 and "Sent 2 labels that an earlier run had left on this disk." in errors
    assert "1 label safe in S3." in output
    assert [row["label"] for row in rows(samples)] == ["1", "1", "0"]
