"""Answers for programs, and in a terminal that is resized."""

from __future__ import annotations

import csv
import io
import json

import pytest
from support.client import WAITING, client, exit_code, typing
from support.world import World


@pytest.mark.parametrize("flags", [["send", "--output", "json"], ["--output=json"]])
def test_an_answer_to_numbers_is_json(world: World, server: object, flags: list[str]) -> None:
    code, output, errors = client(world, *flags, "3", "5.5")
    assert (code, errors) == (0, "")
    assert json.loads(output).items() >= {"numbers": [3, 5.5], "mean": 4.25, "max": 5.5}.items()


def test_an_answer_to_numbers_is_csv_and_one_to_an_earlier_run_is_kept_apart(world: World) -> None:
    code, _, errors = client(world, "--wait", "0.1", "7", "--output", "csv")
    assert code == 1 and "Not answered yet" in errors
    world.start("server.py")
    code, output, errors = client(world, "3", "5.5", "--output", "csv")
    (row,) = csv.DictReader(io.StringIO(output))
    assert code == 0 and (row["message"], row["mean"]) == ("1", "4.25")
    assert ["earlier", "7", "7", "7", "7", "7"] in [line.split() for line in errors.splitlines()]


def test_a_table_fits_the_terminal_after_it_was_resized(world: World, server: object) -> None:
    with typing(world, columns=120, program=WAITING) as person:
        person.expect("Number 1 of 10")
        person.setwinsize(24, 50)
        for number in range(1, 11):
            person.sendline(f"{number}234567.25")
            person.expect(f"Number {number + 1} of 10" if number < 10 else "mean")
        person.expect("Another message")
        assert max(map(len, person.before.splitlines())) <= 50
        person.sendline("")
        assert exit_code(person) == 0
