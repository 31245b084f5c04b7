"""A statistic is added in lab2/stats/summary.py alone: everything else takes it from there."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys

import pytest
from support.world import PATIENCE, ROOT, World

FIELD = "    min: float\n"
VALUE = "        min=ordered[0],\n"


@pytest.mark.long
def test_a_fourth_statistic_is_one_field_and_its_value(world: World) -> None:
    copy = world.home / "copy"
    copy.mkdir()
    for name in ("client.py", "server.py", "aws.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    for name in ("lab2", "tests", "tools"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    summary = copy / "lab2" / "stats" / "summary.py"
    source = summary.read_text()
    assert source.count(FIELD) == source.count(VALUE) == 1
    source = source.replace(FIELD, f"{FIELD}    range: float\n")
    summary.write_text(source.replace(VALUE, f"{VALUE}        range=ordered[-1] - ordered[0],\n"))

    def run(*arguments: str, typed: str = "") -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=copy, env=world.env, input=typed, capture_output=True, text=True,
            timeout=3 * PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    server = subprocess.Popen([sys.executable, "server.py"], cwd=copy, env=world.env, stdout=subprocess.DEVNULL)
    try:
        header, row = run("client.py", "3", "5.5", "8").splitlines()[-2:]
        assert header.split()[-1] == "range" and row.split()[-1] == "5"
        (answer,) = csv.DictReader(io.StringIO(run("client.py", "file", "-", "--output", "csv", typed="2 9\n")))
        assert answer["range"] == "7" and answer["error"] == ""
        assert json.loads(run("client.py", "file", "-", "--output", "json", typed="1 4\n"))["range"] == 3
        logged = csv.DictReader(io.StringIO(run("server.py", "log", "--output", "csv")))
        assert {row["range"] for row in logged} == {"5", "7", "3"}
        rows = run("server.py", "log", "--output", "json").splitlines()
        assert {json.loads(row)["answer"]["range"] for row in rows} == {5, 7, 3}
        assert "3 correct, 0 wrong" in run("server.py", "verify")
    finally:
        server.kill()
        server.wait()
    run("-m", "pytest", "-p", "no:cacheprovider", "tests/stats/test_protocol.py", "-k", "comes_back or any_body")
