"""Command lines: which command they name, what each takes, and the sentence on what none takes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress

import pytest

from lab2.cli import client, hotdog, server
from lab2.cli.parser import Program

PROGRAMS: dict[str, Callable[[str], Program]] = {
    "client.py": client.program,
    "server.py": server.program,
    "hotdog.py": hotdog.program,
}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("client.py", {"command": None}),
        ("client.py 3 5.5 8", {"command": "send", "numbers": ["3", "5.5", "8"]}),
        ("client.py send 3 5.5 8", {"command": "send", "numbers": ["3", "5.5", "8"]}),
        ("client.py --wait 1 3 --client ada 4", {"command": "send", "numbers": ["3", "4"], "client": "ada", "wait": 1}),
        ("client.py -- 3 4", {"command": "send", "numbers": ["3", "4"]}),
        ("client.py -1e5", {"command": "send", "numbers": ["-1e5"]}),
        ("client.py --file x --csv", {"command": "file", "path": "x", "output": "csv"}),
        ("client.py --csv --file=x", {"command": "file", "path": "x", "output": "csv"}),
        ("client.py file - --json", {"command": "file", "path": "-", "output": "json"}),
        ("client.py --client listen --listen", {"command": "listen", "client": "listen"}),
        ("server.py", {"command": None, "drain": False}),
        ("server.py --drain --local", {"command": None, "drain": True, "local": True}),
        ("server.py status", {"command": "status", "local": False}),
        ("server.py --bucket status verify 2026-11-23", {"command": "verify", "bucket": "status", "day": "2026-11-23"}),
        ("server.py --local --buck=b verify", {"command": "verify", "bucket": "b", "day": "", "local": True}),
        ("hotdog.py --pick useful", {"command": None, "pick": "useful"}),
        ("hotdog.py --annotator ada label --pick useful", {"command": "label", "annotator": "ada", "pick": "useful"}),
        ("hotdog.py upload a --bucket b label", {"command": "upload", "paths": ["a", "label"], "bucket": "b"}),
        ("hotdog.py --json report", {"command": "report", "output": "json"}),
    ],
)
def test_flags_stand_before_or_after_the_command_and_old_command_lines_mean_what_they_meant(
    line: str, expected: dict[str, object]
) -> None:
    name, *arguments = line.split()
    options = vars(PROGRAMS[name](name).parse(arguments))
    assert {key: options[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("client.py --fiel x", "client.py: there is no option --fiel; did you mean --file?"),
        ("server.py status --locla", "server.py status: there is no option --locla; did you mean --local?"),
        ("server.py --drain status", "server.py status: --drain is not an option here; it belongs to: server.py."),
        ("hotdog.py --json", "hotdog.py: --json is not an option here; it belongs to: hotdog.py report."),
        ("server.py --foo bar", "server.py: there is no option --foo. Try: server.py --help"),
        ("server.py verify \x1b[31m b", "server.py verify: unexpected argument 'b'."),
        ("server.py \x1b[31m", r"server.py: there is no command '\x1b[31m'; the commands are"),
    ],
)
def test_what_no_command_takes_is_one_sentence_with_a_suggestion(
    line: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *arguments = line.split()
    with pytest.raises(SystemExit) as end:
        PROGRAMS[name](name).parse(arguments)
    told = capsys.readouterr()
    assert end.value.code == 2 and told.out == ""
    assert told.err.startswith(sentence) and told.err.count("\n") == 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_command_has_a_help_of_its_own_and_the_version(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in PROGRAMS[name](name).parsers():
        for flag in ("--help", "--version"):
            with suppress(SystemExit):
                PROGRAMS[name](name).parse([*filter(None, [command]), flag])
            start = f"usage: {name} {command or '[options]'}" if flag == "--help" else f"{name} "
            assert capsys.readouterr().out.startswith(start)


def test_the_programs_are_named_as_they_were_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/lab2-server", "status"])
    program = server.program()
    assert program.parser_of(program.parse().command).prog == "lab2-server status"
