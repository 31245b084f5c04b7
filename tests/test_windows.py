"""The programs without what only POSIX has, and with what Windows has instead, as far as Linux can play that."""

from __future__ import annotations

import pexpect
import pytest
from support.labeller import HELP, piped, rows, terminal
from support.pictures import drawing, encoded
from support.project import Project
from support.world import PATIENCE, ROOT, World

from lab2.labelling.pictures.samples import fill

PLAYED = {
    "PYTHONPATH": str(ROOT / "tests" / "support" / "windows"),
    "COMPUTERNAME": "ADA-PC", "USERNAME": "ada",
    "PYTHONWARNDEFAULTENCODING": "1",  # an error where it happens in lab2
}  # fmt: skip


@pytest.fixture
def windows(world: World) -> World:
    """A world whose programs find themselves on Windows."""
    (world.home / "AppData" / "Local").mkdir(parents=True)
    world.env |= PLAYED | {"LOCALAPPDATA": str(world.home / "AppData" / "Local")}
    return world


def run(world: World, *args: str) -> tuple[int, str, str]:
    process = world.start(*args)
    output, errors = process.communicate(timeout=3 * PATIENCE)
    return process.returncode, output, errors


@pytest.mark.long
def test_client_and_server_run_on_windows(windows: World) -> None:
    code, _, errors = run(windows, "client.py", "--wait", "0.1", "3", "5.5", "8")
    assert code == 1 and "The next run as ada@ADA-PC will show the answer." in errors
    assert (windows.home / "AppData/Local/lab2/state/runs/ADA-PC").is_dir()
    code, output, errors = run(windows, "server.py", "--drain")
    assert (code, errors) == (0, "") and "1 answer," in output
    code, output, _ = run(windows, "client.py", "4", "--wait", "0.1")
    assert code == 1 and ["earlier", "3", "5.5", "8", "5.5", "5.5", "8", "3"] in [
        row.split() for row in output.splitlines()
    ]


@pytest.mark.long
def test_the_labeller_runs_on_windows(windows: World) -> None:
    fill(windows.aws)
    folder = windows.home / "pictures"
    folder.mkdir()
    (folder / "a.png.").write_bytes(encoded(".png", drawing(40)))
    code, output, errors = run(windows, "hotdog.py", "upload", str(folder))
    assert (code, output, errors) == (0, "1 uploaded, 0 already there, 0 left out.\n", "")
    before = len(rows(windows))
    code, _, errors = piped(windows, "label", "--display", "terminal", typed="1\n0\nq\n")
    assert code == 0 and "2 labels safe in S3" in errors + _
    person = terminal(windows, "label", "--display", "terminal")
    person.expect("▀")
    person.expect_exact(HELP)
    person.sendline("1")
    person.expect("Picture 2 of 4")
    person.expect_exact(HELP)
    person.sendline("q")
    person.expect(pexpect.EOF)
    assert len(rows(windows)) == before + 3
    assert list((windows.home / "AppData/Local/lab2/state").glob("*/outbox.sqlite3"))


@pytest.mark.long
def test_local_runs_on_windows_and_keeps_what_was_sent(project: Project) -> None:
    project.env |= PLAYED
    code, output, errors = project.run("client.py", "4")
    assert code == 0 and output.splitlines()[-1].split() == ["1", "4", "4", "4", "4", "4"], errors
    assert not project.up() and project.pid("emulator") is None and project.pid("server") is None
    assert project.run("server.py", "verify")[:2] == (
        0,
        "1 row: 1 correct, 0 wrong, 0 duplicate, 0 truncated, 0 missing\n",
    )
