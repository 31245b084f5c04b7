"""docs/tutorial.md: each command, one after the other in one shell, prints what the page says."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest
from support.aws_cli import install
from support.world import PATIENCE, ROOT

from lab2.local.emulator import REGION

PAGE = (ROOT / "docs" / "tutorial.md").read_text()
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)
NOT_HERE = "pip install"  # starts the one command that is not run: what it installs is there
TYPED = {"python hotdog.py label --annotator ada": "1\n0\n1\n0\n"}  # what a person types into a command
END = "\x1e"


def steps() -> list[tuple[str, list[str]]]:
    """Return each command of the page that is run, with the lines that it prints."""
    blocks = re.findall(r"(?:^(?: {4}.*)?\n)+", PROGRAM.sub("", PAGE), re.MULTILINE)
    lines = [line[4:] for block in blocks for line in block.strip("\n").splitlines()]
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return [step for step in found if not step[0].startswith(NOT_HERE)]


def pattern(lines: list[str]) -> str:
    """Return a pattern of the lines: … stands for any characters, alone in a line for any lines."""
    return "".join(r"[^\0]*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r" *\n" for line in lines)


@pytest.fixture
def person(emulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a person with an empty AWS account, in whose home a checkout seems to be."""
    for path in ("client.py", "server.py", "hotdog.py", "aws.yaml", "underbase", "underbase.csv"):
        (tmp_path / path).symlink_to(ROOT / path)
    (program,) = PROGRAM.findall(PAGE)
    (tmp_path / "train.py").write_text(program)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "LAB2_BUCKET", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    account = f"{random.SystemRandom().randrange(1, 10**12):012}"
    settings = {"AWS_ENDPOINT_URL": emulator, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": account,
                "AWS_SECRET_ACCESS_KEY": "test", "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}  # fmt: skip
    return install(tmp_path / "bin", settings)


@pytest.mark.long
def test_each_command_prints_what_the_page_says(person: dict[str, str], tmp_path: Path) -> None:
    script = ""
    for number, (command, _) in enumerate(steps()):
        (tmp_path / f"typed {number}").write_text(TYPED.get(command, ""))
        stdin = f" < 'typed {number}'" if command.startswith("python hotdog.py") else ""
        script += f"{command}{stdin}\ncode=$?; [ $code = 0 ] || echo exit code $code\nprintf '\\036'\n"
    done = subprocess.run(["sh", "-c", f"exec 2>&1\n{script}"], cwd=tmp_path, env=person, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=6 * PATIENCE)  # fmt: skip
    for (command, lines), printed in zip(steps(), done.stdout.split(END), strict=False):
        printed = re.sub(r"^Message \d+ was sent; .*\n", "", printed, flags=re.MULTILINE)  # said by a busy machine only
        expected = pattern(lines)
        assert re.fullmatch(expected, printed), f"$ {command}\n{printed}"
    assert done.stdout.count(END) == len(steps()) > 15


def test_the_page_trains_on_the_split_that_it_exports() -> None:
    (program,) = PROGRAM.findall(PAGE)
    assert "import numpy" in program and re.search(r"export training --split \d+/\d+ ", PAGE)
