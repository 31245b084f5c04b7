"""Paths as people and terminals write them, on every system."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import quote

import pexpect
import pytest
from support.labeller import terminal
from support.pictures import drawing, encoded
from support.world import PATIENCE, World

from lab2.labelling.pictures.local_files import given_paths, path_of_url, typed_paths, windows_words


@pytest.mark.long
def test_paths_are_taken_as_people_and_terminals_write_them(world: World) -> None:
    folder = world.home / "fotos d'été"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.png").write_bytes(encoded(".png", drawing(40 + number)))
    quoted = str(folder / "1.png").replace("'", "'\\''")
    typed = [
        str(folder / "0.png"),
        f"'{quoted}'",
        str(folder / "2.png").replace(" ", "\\ ").replace("'", "\\'"),
        f'"{folder}/3.png" "{folder}/0.png"',
        "~/fotos d'été/4.png",
    ]
    program = world.start("hotdog.py")
    output, errors = program.communicate("".join(f"u\n{path}\n" for path in typed) + "q\n", timeout=PATIENCE)
    assert errors == ""
    assert output.count("1 uploaded") == 5 and output.count("1 already there") == 1
    assert program.returncode == 0


def test_paths_are_understood_as_urls_patterns_and_dropped_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my [old] pictures, d'été"
    folder.mkdir()
    for name in ("a.jpg", "b 1.jpg", "c.png", "100%.jpg", ".hidden.jpg"):
        (folder / name).touch()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
    a, b, c, percent = (folder / name for name in ("a.jpg", "b 1.jpg", "c.png", "100%.jpg"))
    for typed, meant in {
        a.as_uri(): [a],
        f"file://localhost{quote(str(b))}": [b],
        f"{a.as_uri()} {b.as_uri()}": [a, b],
        percent.as_uri(): [percent],
        f"file://{b}": [b],
        "~/a.jpg": [a],
        "~": [folder],
        "'~/b 1.jpg'": [b],
        "*.jpg": [Path("100%.jpg"), Path("a.jpg"), Path("b 1.jpg")],
        "~/?.png": [c],
        f"{folder}/?.png": [c],
        '"b 1.jpg" *.png': [Path("b 1.jpg"), Path("c.png")],
        shlex.quote(str(b)): [b],
        f"{shlex.quote(str(a))} {shlex.quote(str(b))} ": [a, b],
        re.sub(r"([^\w/.%])", r"\\\1", str(b)): [b],
        f'"{b}"': [b],
        str(folder): [folder],
        "*.gif": [Path("*.gif")],
        "nowhere.jpg": [Path("nowhere.jpg")],
    }.items():
        assert typed_paths(typed) == meant, typed
    for given, meant in {
        a.as_uri(): [a],
        "*.png": [Path("c.png")],
        "~/a.jpg": [a],
        "a b": [Path("a b")],
        "\0": [Path("\0")],
    }.items():
        assert given_paths(given) == meant, given


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (r"C:\Users\Ada\a.jpg", [r"C:\Users\Ada\a.jpg"]),
        (r'"C:\My pictures\a.jpg" D:\b.jpg', [r"C:\My pictures\a.jpg", r"D:\b.jpg"]),
        (r"'C:\My pictures\a.jpg' \\server\share\d'été.jpg ", [r"C:\My pictures\a.jpg", r"\\server\share\d'été.jpg"]),
    ],
)
def test_dropped_files_are_understood_as_windows_writes_them(typed: str, words: list[str]) -> None:
    assert windows_words(typed) == words


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///C:/My%20pictures/a.jpg", "C:/My pictures/a.jpg"),
        ("file://server/share/a.jpg", "//server/share/a.jpg"),
        ("file://localhost/D:/a.jpg", "D:/a.jpg"),
    ],
)
def test_a_file_url_names_a_drive_or_a_machine_on_windows(url: str, path: str) -> None:
    assert path_of_url(url, windows=True) == path


def test_tab_completes_a_path_at_the_prompt(world: World) -> None:
    folder = world.home / "fotos d'été"
    folder.mkdir()
    (folder / "würstchen 1.png").write_bytes(encoded(".png"))
    child = terminal(world)
    child.expect("3 quit")
    child.sendline("1")
    child.expect("File or folder: ")
    child.send("~/fot\t")
    child.expect("été/")
    child.send("w\t")
    child.expect("würstchen 1.png")
    child.sendline("")
    child.expect("1 uploaded")
    child.expect("3 quit")
    child.sendline("q")
    child.expect(pexpect.EOF)
