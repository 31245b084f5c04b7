"""The package: what pip installs is what a checkout has, and its commands run from any folder."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from packaging.requirements import Requirement
from support.venvs import venv_with
from support.world import PATIENCE, ROOT, free_port

from lab2 import __version__
from lab2.local import emulator

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
UV = Path(sys.executable).parent / "uv"
COMMANDS = ["lab2-client", "lab2-server", "lab2-hotdog"]


def pins(lock: str) -> set[tuple[str, str]]:
    """Return the names and versions in a lock; a name may have several, for different Pythons."""
    return set(re.findall(r"^([\w-]+)==([^ ]+)", (ROOT / "locks" / f"{lock}.txt").read_text(), re.MULTILINE))


def test_requirements_txt_is_what_the_programs_need() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert set(lines) == {*PROJECT["dependencies"], *EXTRAS["labeller"]}
    assert EXTRAS["local"] == [emulator.REQUIREMENT]


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("run", ["local"]),
        ("label", ["labeller", "local"]),
        ("dev", [name for name in EXTRAS if name not in ("pictures", "long")]),
        ("long", list(EXTRAS)),
    ],
)
def test_a_lock_pins_what_pyproject_asks_for(lock: str, extras: list[str]) -> None:
    pinned = pins(lock)
    for asked in map(Requirement, (*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra]))):
        versions = [version for name, version in pinned if name == asked.name]
        assert versions and all(asked.specifier.contains(version) for version in versions), f"{asked}: make locks"
    assert pinned <= pins("dev") if lock != "long" else pinned >= pins("dev")  # one .venv serves them all
    assert "://" not in (ROOT / "locks" / f"{lock}.txt").read_text()  # any registry will do


def test_launchers_are_short() -> None:
    for launcher in ("client.py", "server.py", "hotdog.py"):
        assert len((ROOT / launcher).read_text().splitlines()) <= 30


@pytest.mark.parametrize("start", ["client.py", "server.py", "hotdog.py", "lab2"])
def test_an_old_python_is_told_in_a_sentence(start: str) -> None:
    for path in (*(f"{name}.py" for name in ("client", "server", "hotdog")), "lab2/__init__.py"):
        tree = ast.parse((ROOT / path).read_text(), feature_version=(3, 6))
        assert not any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    run = f"run_{'path' if start.endswith('.py') else 'module'}({start!r}, None, '__main__')"
    pretend = f"import sys, runpy; sys.version_info = (3, 9, 2, 'final', 0); sys.path.insert(0, '.'); runpy.{run}"
    done = subprocess.run([sys.executable, "-c", pretend], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    sentence = "lab2 needs Python 3.10 or later; this is 3.9.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


def test_the_module_says_which_commands_there_are(tmp_path: Path) -> None:
    told = output([sys.executable, "-m", "lab2"], tmp_path, PYTHONPATH=str(ROOT))
    version = output([sys.executable, "-m", "lab2", "--version"], tmp_path, PYTHONPATH=str(ROOT))
    assert version == f"python -m lab2 {__version__}\n"
    assert ["lab2", *re.findall(r"^ +(lab2-\w+)", told, re.MULTILINE)] == list(PROJECT["scripts"])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    output([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], ROOT)
    (path,) = folder.glob("*.whl")
    return path


def output(command: list[str], folder: Path, **environment: str) -> str:
    """Return what a command prints on stdout; fail unless it succeeds."""
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, text=True, timeout=10 * PATIENCE,
        capture_output=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_what_git_has(wheel: Path) -> None:
    tracked = set(output(["git", "ls-files", "lab2", "aws.yaml", "underbase", "underbase.csv"], ROOT).split())
    expected = {path if path.startswith("lab2/") else f"lab2/bundled/{path}" for path in tracked}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert expected <= held and "lab2/py.typed" in held


def test_the_unpacked_wheel_runs_with_the_emulator_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "unpacked")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    told = output(
        [sys.executable, "-m", "lab2.cli.client", "--local", "3", "5.5", "8"], elsewhere,
        PYTHONPATH=str(tmp_path / "unpacked"), HOME=str(tmp_path), GATEWAY_PORT=str(free_port()),
    )  # fmt: skip
    assert told.splitlines()[-1].split() == ["1", "3", "5.5", "8", "5.5", "5.5", "8", "3"]
    assert list(elsewhere.iterdir()) == []
    assert (tmp_path / ".local" / "share" / "lab2" / "s3").is_dir()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the commands of a fresh virtual environment that has the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("venv") / "für große Übung"
    yield venv_with(folder, f"lab2[labeller,local] @ {wheel.as_uri()}").parent


@pytest.mark.long  # pip takes its time
@pytest.mark.timeout(600)
def test_the_installed_commands_do_their_work_in_folders_with_spaces_and_umlauts(installed: Path) -> None:
    assert "All three commands work." in output([str(installed / "python"), "-m", "support.smoke"], ROOT / "tests")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_installed_commands_run_from_another_folder(installed: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    home = {"HOME": str(tmp_path), "GATEWAY_PORT": str(free_port()), "PYTHONPATH": ""}
    for command in COMMANDS:
        assert output([str(installed / command), "--version"], elsewhere, **home) == f"{command} {__version__}\n"
    told = output([str(installed / "lab2-client"), "--local", "3", "5.5", "8"], elsewhere, **home)
    assert told.splitlines()[-1].split() == ["1", "3", "5.5", "8", "5.5", "5.5", "8", "3"]
    assert "1 correct" in output([str(installed / "lab2-server"), "verify", "--local"], elsewhere, **home)
    person = pexpect.spawn(
        str(installed / "lab2-hotdog"), ["--local"], cwd=str(elsewhere), env=os.environ | home, timeout=PATIENCE
    )
    person.expect_exact("> ")
    person.sendline("quit")
    person.expect(pexpect.EOF)
    person.close()
    assert person.exitstatus == 0
    report = output([str(installed / "lab2-hotdog"), "report", "--local"], elsewhere, **home)
    assert "24" in report  # the sample pictures came with the wheel
    assert list(elsewhere.iterdir()) == []


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_make_sets_up_the_environment_with_uv_where_it_is_there(tmp_path: Path, tool: str) -> None:
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "run.txt").write_text("six\n")
    (tmp_path / "bin").mkdir()
    if tool == "uv":
        (tmp_path / "bin" / "uv").symlink_to(UV)
    path = [folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "uv").exists()]
    output(["make", ".venv/run"], tmp_path, PATH=os.pathsep.join([str(tmp_path / "bin"), *path]))
    output([str(tmp_path / ".venv" / "bin" / "python"), "-c", "import six, pip"], tmp_path)
    assert ("uv = " in (tmp_path / ".venv" / "pyvenv.cfg").read_text()) == (tool == "uv")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_uvx_runs_the_client_from_a_checkout(tmp_path: Path) -> None:
    told = output(
        [str(UV), "tool", "run", "--from", f"{ROOT}[local]", "lab2-client", "--local", "4"], tmp_path,
        GATEWAY_PORT=str(free_port()), HOME=str(tmp_path), UV_CACHE_DIR=str(tmp_path / "cache"), PYTHONPATH="",
    )  # fmt: skip
    assert told.splitlines()[-1].split() == ["1", "4", "4", "4", "4", "4"]
