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
        ("client.py", {"run": client.ask_or_send, "numbers": []}),
        ("client.py 3 5.5 8", {"run": client.ask_or_send, "numbers": [3, 5.5, 8]}),
        ("client.py send 3 5.5 8", {"run": client.send, "numbers": [3, 5.5, 8]}),
        ("client.py --wait 1 3 --client ada 4", {"numbers": [3, 4], "client": "ada", "wait": 1}),
        ("client.py -- 3 4", {"numbers": [3, 4]}),
        ("client.py --client listen", {"run": client.ask_or_send, "client": "listen"}),
        ("client.py file - --output json", {"run": client.send_lines, "path": "-", "output": "json"}),
        ("client.py listen --client listen", {"run": client.listen, "client": "listen"}),
        ("server.py", {"run": server.serve, "drain": False}),
        ("server.py --drain --local", {"run": server.serve, "drain": True, "local": True}),
        ("server.py status", {"run": server.status, "local": False}),
        ("server.py verify --bucket status 2026-11-23", {"bucket": "status", "day": "2026-11-23"}),
        ("server.py verify --local --buck=b", {"bucket": "b", "day": "", "local": True}),
        ("hotdog.py --pick useful", {"run": hotdog.menu, "pick": "useful"}),
        ("hotdog.py label --annotator ada --pick useful", {"annotator": "ada", "pick": "useful"}),
        ("hotdog.py upload a --bucket b label", {"paths": ["a", "label"], "bucket": "b"}),
        ("hotdog.py report --output json", {"run": hotdog.report, "output": "json"}),
        ("hotdog.py --local label --annotator ada", {"run": hotdog.label, "local": True, "annotator": "ada"}),
        ("server.py --region x --quiet log --follow", {"region": "x", "quiet": True, "follow": True}),
        ("client.py --quiet --region file", {"run": client.ask_or_send, "region": "file"}),
    ],
)
def test_a_command_line_names_a_command_and_its_options(line: str, expected: dict[str, object]) -> None:
    name, *arguments = line.split()
    options = vars(PROGRAMS[name](name).parse(arguments))
    assert {key: options[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("client.py --wiat 3", "client.py: there is no option --wiat; did you mean --wait?"),
        ("server.py status --locla", "server.py status: there is no option --locla; did you mean --local?"),
        ("server.py status --drain", "server.py status: --drain is not an option here; it belongs to: server.py."),
        ("server.py --drain status", "server.py: the command goes before its options: server.py status [options]."),
        ("client.py --client a listen", "client.py: the command goes before its options: client.py listen [options]"),
        (
            "hotdog.py --output json",
            "hotdog.py: --output is not an option here; it belongs to: hotdog.py report, hotdog.py labels.",
        ),
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
    for command in (None, *PROGRAMS[name](name).commands):
        for flag in ("--help", "--version"):
            with suppress(SystemExit):
                PROGRAMS[name](name).parse([*filter(None, [command]), flag])
            start = f"usage: {name} {command or '[options]'}" if flag == "--help" else f"{name} "
            assert capsys.readouterr().out.startswith(start)


def test_the_programs_are_named_as_they_were_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/lab2-server", "status"])
    assert server.program().parse().parser.prog == "lab2-server status"
