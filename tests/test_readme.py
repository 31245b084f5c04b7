"""The README is true: its session, its examples and its options are those of the programs."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pexpect
import pytest
from support.labeller import piped
from support.world import PATIENCE, ROOT, World

from lab2 import __version__
from lab2.aws.resources import DEPLOY, LABEL_KEY
from lab2.labelling.csv_dialect import HEADER
from lab2.stats.protocol import answer_request, encode_answer

README = (ROOT / "README.md").read_text()


def block(start: str) -> str:
    """Return the indented block of the README that starts with a line like this."""
    lines = README[README.index(f"    {start}") :].split("\n")
    end = next(number for number, line in enumerate(lines) if not line.startswith("    "))
    return "\n".join(line[4:] for line in lines[:end])


def test_the_session_is_what_a_person_sees(world: World, server: object) -> None:
    command, *expected = block("$ python client.py --local").split("\n")
    program, *args = command.removeprefix("$ python ").replace(" --local", "").split()
    person = pexpect.spawn(sys.executable, [str(ROOT / program), *args], env=world.env, cwd=str(world.home),
                           encoding="utf-8", timeout=PATIENCE, dimensions=(40, 80))  # fmt: skip
    person.delaybeforesend = 0
    seen = ""
    for line in expected:
        if asked := re.match(r"(Number \d+ of 10 \(Enter ends\):|Another message\? \[y/N\]) ?(.*)", line):
            person.expect_exact(asked[1] + " ")
            seen += person.before + person.after
            person.sendline(asked[2])
    person.expect(pexpect.EOF)
    seen += person.before
    assert [line.rstrip() for line in seen.splitlines()] == expected


def test_the_answer_shown_is_what_the_server_computes() -> None:
    shown = block('{"id"').split("\n")
    for line, request in zip(shown, ("[3, 5.5]", "[-1]"), strict=True):
        assert line == encode_answer(answer_request(json.loads(line)["id"], request))


def test_the_lines_of_pandas_count_a_person_s_last_label(world: World) -> None:
    rows = ["a.jpg,0,ada,2026-11-23T12:00:00.000Z,1", "a.jpg,1,ada,2026-11-23T12:00:01.000Z,1",
            "a.jpg,1,bob,2026-11-23T12:00:02.000Z,1", "b.jpg,0,bob,2026-11-23T12:00:03.000Z,1"]  # fmt: skip
    (world.home / LABEL_KEY).write_text("\n".join([HEADER, *rows, ""]))
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) == 4
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=world.home, capture_output=True, text=True, timeout=PATIENCE
    )
    assert [line.split() for line in done.stdout.splitlines()[2:]] == [["b.jpg", "0.0", "1"], ["a.jpg", "1.0", "2"]]


@pytest.mark.parametrize("program", ["client.py", "server.py", "hotdog.py"])
def test_help_fits_80_columns_and_the_readme_names_what_it_offers(world: World, program: str) -> None:
    done = world.start(program, "--help", env={"COLUMNS": "80"})
    told, _ = done.communicate(timeout=PATIENCE)
    assert done.returncode == 0 and max(map(len, told.splitlines())) <= 80
    assert "exit codes:" in told
    offered = set(re.findall(r"(?<![\w-])--[a-z-]+", told)) - {"--help", "--version"}
    assert {option for option in offered if option not in README} == set()
    version = world.start(program, "--version")
    assert re.fullmatch(rf"{program} {re.escape(__version__)}\n", version.communicate(timeout=PATIENCE)[0])


def test_the_upload_and_report_of_the_readme(world: World) -> None:
    (sample, *_) = sorted((ROOT / "underbase").iterdir())
    code, output, _ = piped(world, "upload", str(ROOT / "underbase"), str(sample), typed="")
    assert code == 0 and "24 uploaded, 1 already there" in output
    assert piped(world, "report", "--sheet", "sheet.png", typed="")[0] == 0


def test_its_commands_links_and_makefile_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for text in (README, (ROOT / "CONTRIBUTING.md").read_text()):
        for target in re.findall(r"\bmake ([a-z]+)\b(?=`|  +#|\n)", text):
            assert f"\n{target}:" in makefile, target
        for path in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / path).exists(), path
    assert DEPLOY in README
