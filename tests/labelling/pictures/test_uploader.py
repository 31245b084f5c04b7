"""Files from this disk into the image database: what is stored and what is left out, and why."""

from __future__ import annotations

import os
import re
import sys
import threading
from pathlib import Path

import pexpect
import pytest
from support.labeller import terminal
from support.pictures import bomb, drawing, encoded, turned
from support.proxy import Fault, Proxy
from support.terminal import Terminal
from support.world import PATIENCE, ROOT, World

from lab2.cli.hotdog import program
from lab2.labelling.pictures.image_store import digest, stored_name
from lab2.labelling.pictures.uploader import MemoryBudget, copies_together


def upload(world: World, *paths: Path | str) -> tuple[int, str, str]:
    """Upload; return exit code, output and errors."""
    program = world.start("hotdog.py", "upload", *map(str, paths))
    output, errors = program.communicate(timeout=PATIENCE)
    return program.returncode, output, errors


def names(world: World) -> list[str]:
    return [key.removeprefix("underbase/") for key in world.objects("underbase/")]


@pytest.mark.long
def test_bad_files_are_left_out_with_their_reasons_and_the_others_go_on(world: World) -> None:
    folder = world.home / "pictures"
    (folder / "holidays").mkdir(parents=True)
    good = encoded(".jpg")
    bad = {
        "empty.jpg": (b"", "it is empty"),
        "no picture.jpg": (b"hello", "it is not an image"),
        "cut.jpg": (good[: len(good) // 2], "it is incomplete"),
        "cut.png": (encoded(".png")[:-20], "it is incomplete"),
        "cut.webp": (encoded(".webp")[:-8], "it is incomplete"),
        "phone.heic": (b"\0\0\0\x18ftypheic" + bytes(100), "(HEIC|damaged)"),  # with the plugin it is decoded
        "bomb.png": (bomb(), "more than 128 megapixels"),
    }
    for name, (data, _) in bad.items():
        (folder / name).write_bytes(data)
    (folder / "good.jpg").write_bytes(good)
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    os.mkfifo(folder / "pipe.jpg")
    with (folder / "huge.jpg").open("wb") as huge:
        huge.truncate(200 * 2**20)
    code, output, errors = upload(world, folder)
    assert code == 1
    assert output == "1 uploaded, 0 already there, 11 left out.\n"
    for name, (_, reason) in bad.items():
        assert re.search(rf"{name} is left out: .*{reason}", errors), errors
    for name, reason in (("gone", "can't be read"), ("pipe", "not a file"), ("huge", "100 MB"), ("holidays", "folder")):
        assert re.search(rf"{name}.* is left out: .*{reason}", errors), errors
    assert len(errors.splitlines()) == 11
    assert list(world.objects("underbase/").values()) == [good]


def test_what_is_no_picture_in_a_folder_is_skipped_and_counted_and_does_not_fail(world: World) -> None:
    folder = world.home / "pictures"
    (folder / ".git").mkdir(parents=True)
    for name in (
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        "._a.png",
        ".hidden.png",
        "notes.txt",
        "film.mov",
        "no suffix",
    ):
        (folder / name).write_bytes(b"\0\0\0\1Bud1" if name == ".DS_Store" else b"no picture")
    (folder / "a.png").write_bytes(encoded(".png"))
    (folder / "a picture by its bytes").write_bytes(encoded(".jpg"))
    code, output, errors = upload(world, folder)
    assert (code, output, errors) == (0, "2 uploaded, 0 already there, 0 left out, 9 skipped.\n", "")
    (folder / "broken.png").write_bytes(b"no picture")
    code, output, errors = upload(world, folder)
    assert (code, output) == (1, "0 uploaded, 2 already there, 1 left out, 9 skipped.\n") and "broken.png" in errors
    code, output, errors = upload(world, folder / "notes.txt", folder / ".hidden.png")  # named one by one
    assert (code, output) == (1, "0 uploaded, 0 already there, 2 left out.\n")


def test_the_same_picture_is_stored_once_and_two_of_one_name_both_survive(world: World) -> None:
    one, two = turned(".jpg", 6), encoded(".jpg", drawing(80, 80))
    for folder, data in (("a", one), ("b", two)):
        (world.home / folder).mkdir()
        (world.home / folder / "IMG_0001.jpg").write_bytes(data)
    for copy in range(5):
        (world.home / "a" / f"copy {copy}.jpg").write_bytes(one)
    code, output, errors = upload(world, world.home / "a", world.home / "b")
    assert (code, output, errors) == (0, "2 uploaded, 5 already there, 0 left out.\n", "")
    assert sorted(world.objects("underbase/").values()) == sorted([one, two])
    assert upload(world, world.home / "b")[1] == "0 uploaded, 1 already there, 0 left out.\n"


def test_copies_are_uploaded_in_the_order_of_their_names_and_only_files_of_one_size_are_read(tmp_path: Path) -> None:
    files = {"b": b"x", "a": b"x", "c": b"y", "d": b"long", "e": b"x"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    missing = tmp_path / "missing"
    groups = copies_together([*(tmp_path / name for name in files), missing])
    names = sorted([path.name for path in group] for group in groups)
    assert names == [["a", "b", "e"], ["c"], ["d"], ["missing"]]


def test_the_samples_have_the_names_that_upload_gives(world: World) -> None:
    samples = {path.name: path.read_bytes() for path in (ROOT / "underbase").iterdir()}
    assert {name: stored_name(name, digest(data)) for name, data in samples.items()} == {name: name for name in samples}
    assert upload(world, ROOT / "underbase")[1] == f"{len(samples)} uploaded, 0 already there, 0 left out.\n"
    assert names(world) == sorted(samples)


@pytest.mark.parametrize("typed", ["/nowhere", "~nobody/x.jpg", "'", "a\0b", "\udcff"])
def test_a_path_that_is_not_there_gets_one_sentence_and_the_menu(world: World, typed: str) -> None:
    program = world.start("hotdog.py", errors="surrogateescape")
    output, errors = program.communicate(f"1\n{typed}\n3\n", timeout=PATIENCE)
    assert len(errors.splitlines()) == 1 and "can't be read" in errors
    assert output.count("1 upload   2 label   3 quit") == 2
    assert program.returncode == 1


@pytest.mark.parametrize("arguments", [["upload", ""], ["upload", "a.png", ""], ["export", ""], ["report", "--sheet="],
                                       ["upload", "a.png", "--bucket", ""]])  # fmt: skip
def test_an_empty_argument_is_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        program("hotdog.py").parse(arguments)
    assert end.value.code == 2 and "is empty; if it is a variable, it is not set" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "answer", "uploaded"), [([], "n", 0), ([], "y", 6), (["--yes"], "", 6)])
def test_a_folder_of_more_than_a_few_files_is_not_uploaded_unasked(
    world: World, arguments: list[str], answer: str, uploaded: int
) -> None:
    for number in range(6):
        (world.home / "many").mkdir(exist_ok=True)
        (world.home / "many" / f"{number}.png").write_bytes(encoded(".png", drawing(40 + number)))
    child = terminal(world, "upload", *arguments, "many")
    if answer:
        child.expect(r"Upload 6 files of 0\.\d MB from ")
        child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert len(names(world)) == uploaded
    assert child.exitstatus == (0 if uploaded else 1)


def test_an_interrupted_upload_says_what_is_done_and_can_be_started_again(proxied: World, proxy: Proxy) -> None:
    folder = proxied.home / "many"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}.png").write_bytes(encoded(".png", drawing(40 + number)))
    network = threading.Event()
    stall = proxy.on("PutObject", Fault(before=lambda: network.wait(PATIENCE)), nth=8, times=10**9)
    child = Terminal(sys.executable, [str(ROOT / "hotdog.py")], env=proxied.env, cwd=proxied.home, timeout=PATIENCE,
                     encoding="utf8", dimensions=(24, 80))  # fmt: skip
    child.sendline("upload")
    child.expect("File or folder: ")
    child.sendline(str(folder))
    child.expect(r"Upload 30 files of \d\.\d MB from \S+/many\? ")
    child.sendline("y")
    child.expect("of 30")  # the bar
    child.sendintr()
    child.expect_exact("\r\x1b[K")  # the bar is gone: Ctrl-C was heard before any other file went up
    network.set()
    child.expect(
        r"(\d+) uploaded, 0 already there, 0 left out; (\d+) not done. Run the same command again to continue."
    )
    uploaded = int(child.match[1])
    assert uploaded == len(names(proxied)) and uploaded + int(child.match[2]) == 30
    proxy.forget(stall)
    child.expect("3 quit")
    child.sendline("u")
    child.sendline(str(folder))
    child.sendline("y")
    child.expect(f"{30 - uploaded} uploaded, {uploaded} already there, 0 left out")
    child.sendline("q")
    child.expect(pexpect.EOF)
    assert len(names(proxied)) == 30


def test_an_upload_that_aws_refuses_ends_with_one_sentence(proxied: World, proxy: Proxy) -> None:
    (proxied.home / "a.png").write_bytes(encoded(".png"))
    proxy.on("PutObject", Fault(refuse=(403, "AccessDenied")), times=10**9)
    program = proxied.start("hotdog.py", "upload", "a.png")
    output, errors = program.communicate(timeout=PATIENCE)
    assert "1 not done" in output and "denied" in errors and "Traceback" not in errors
    assert program.returncode == 2


def test_files_in_memory_share_a_budget_and_one_that_is_larger_is_read_alone() -> None:
    budget, entered = MemoryBudget(100), [threading.Event(), threading.Event()]

    def work(size: int, event: threading.Event) -> None:
        with budget.take(size):
            event.set()

    with budget.take(60):
        threads = [threading.Thread(target=work, args=each) for each in zip((40, 500), entered, strict=True)]
        for thread in threads:
            thread.start()
        assert entered[0].wait(PATIENCE)
        assert not entered[1].wait(0.1)
    assert entered[1].wait(PATIENCE)
