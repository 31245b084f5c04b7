"""A table of command lines: exit code, and the start of the first line on stdout or stderr."""

from __future__ import annotations

import logging
import os
import re
import shlex
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.world import PATIENCE, World

from lab2 import __version__
from lab2.cli import client, hotdog, server
from lab2.cli.run import exit_code
from lab2.events import LOGGER

MAINS = {"client.py": client.main, "server.py": server.main, "hotdog.py": hotdog.main}

# Those that end before AWS is asked. Where the code is 0 the line is on stdout, else on stderr.
WITHOUT_AWS = [
    ("client.py --help", 0, "usage: client.py [options]"),
    ("client.py send --help", 0, "usage: client.py send"),
    ("client.py file --help", 0, "usage: client.py file"),
    ("client.py listen --help", 0, "usage: client.py listen"),
    ("client.py --version", 0, f"client.py {__version__}"),
    ("client.py 3,5", 2, "client.py: argument NUMBER: use a point for decimals, like 3.5; give 1 to 10 numbers"),
    ("client.py x", 2, "client.py: argument NUMBER: not a number; give 1 to 10 numbers"),
    ("client.py -1", 2, "client.py: argument NUMBER: the number is negative"),
    ("client.py 3 -1e5", 2, "client.py: "),
    ("client.py 1 2 3 4 5 6 7 8 9 10 11", 2, "client.py: 11 numbers are too many; give 1 to 10 numbers"),
    ("client.py send", 2, "client.py send: the following arguments are required: NUMBER."),
    ("client.py lisen", 2, "client.py: there is no command 'lisen'; did you mean listen? Try: client.py --help"),
    ("client.py 3 --decimal ,", 2, "client.py: --decimal is not an option here; it belongs to: client.py file."),
    ("client.py file x --delimiter , --decimal ,", 2, "client.py file: a comma can't both"),
    ("client.py --client a listen", 2, "client.py: the command goes before its options: client.py listen [options]."),
    ("client.py file x 3", 2, "client.py file: unexpected argument '3'."),
    ("client.py listen --wait 3", 2, "client.py listen: --wait is not an option here; it belongs to: client.py, "),
    ("client.py --wait soon", 2, "client.py: argument --wait: invalid float value: 'soon'."),
    ("client.py --client ''", 2, "client.py: --client is empty; if it is a variable, it is not set."),
    ("client.py --wiat 3", 2, "client.py: there is no option --wiat; did you mean --wait?"),
    ("client.py --local --profile ada", 2, "--local can't be combined with --profile: it uses AWS emulat"),
    ("server.py --help", 0, "usage: server.py [options]"),
    ("server.py verify --help", 0, "usage: server.py verify"),
    ("server.py status --bucket b --help", 0, "usage: server.py status"),
    ("server.py redrive --help", 0, "usage: server.py redrive"),
    ("server.py status --version", 0, f"server.py {__version__}"),
    ("server.py stauts", 2, "server.py: there is no command 'stauts'; did you mean status? Try: server.py --help"),
    ("server.py status --drain", 2, "server.py status: --drain is not an option here; it belongs to: server.py."),
    ("server.py --drain verify", 2, "server.py: the command goes before its options: server.py verify [options]."),
    ("server.py --drian", 2, "server.py: there is no option --drian; did you mean --drain?"),
    ("server.py verify a b", 2, "server.py verify: unexpected argument 'b'."),
    ("server.py --log-format xml", 2, "server.py: argument --log-format: invalid choice: 'xml'"),
    ("server.py --bucket", 2, "server.py: argument --bucket: expected one argument."),
    ("server.py status", 2, "No AWS region is set. Try: --region eu-west-3, or export AWS_REGION=eu-west-3"),
    ("server.py status --region eu-west-3", 2, "There are no AWS credentials. Try: aws configure, or name a profile"),
    ("server.py status --profile eve", 2, "There is no AWS profile eve. Check --profile or AWS_PROFILE"),
    ("server.py status --profile ada --endpoint-url there", 2, "The AWS configuration can't be used: Invalid endpoint"),
    ("hotdog.py --help", 0, "usage: hotdog.py [options]"),
    ("hotdog.py label --help", 0, "usage: hotdog.py label"),
    ("hotdog.py --version", 0, f"hotdog.py {__version__}"),
    ("hotdog.py lable", 2, "hotdog.py: there is no command 'lable'; did you mean label?"),
    ("hotdog.py photos/", 2, "hotdog.py: there is no command 'photos/'; the commands are upload, label, report"),
    ("hotdog.py upload", 2, "hotdog.py upload: the following arguments are required: PATH. Try: hotdog.py upload --h"),
    ("hotdog.py upload x --pick useful", 2, "hotdog.py upload: --pick is not an option here; it belongs to: hotdog.py"),
    ("hotdog.py label x.jpg", 2, "hotdog.py label: unexpected argument 'x.jpg'."),
    ("hotdog.py --sheet x.png", 2, "hotdog.py: --sheet is not an option here; it belongs to: hotdog.py report."),
    ("hotdog.py label --pick best", 2, "hotdog.py label: argument --pick: invalid choice: 'best'"),
    ("hotdog.py --display tv", 2, "hotdog.py: argument --display: invalid choice: 'tv'"),
]

# Those that ask AWS, after one request was answered and logged.
WITH_AWS = [
    ("client.py 3 5.5 8", 0, "message  numbers  mean"),
    ("client.py --wait 30 --client ada 3 5.5 8", 0, "message  numbers  mean"),
    ("client.py send 3 --private-answers", 0, "message  numbers  mean"),
    ("client.py --output json 3", 0, '{"id": "'),
    ("client.py file series.txt", 0, "line  numbers"),
    ("client.py file --output csv series.txt", 0, "line,numbers,mean,median,max,min,error"),
    ("client.py file series.txt --output json", 0, '{"id": "'),
    ("client.py file nothing.txt", 2, ""),
    ("server.py verify --bucket nobody-s", 2, "There is no bucket nobody-s."),
    ("server.py status", 0, ""),
    ("server.py verify", 0, ""),
    ("server.py redrive", 0, "0 dead letters put back on lab2."),
    ("hotdog.py report", 0, ""),
    ("hotdog.py report --output json", 0, "{"),
    ("hotdog.py report --output csv", 0, "image,hot_dog,not_hot_dog,majority"),
    ("hotdog.py upload series.txt", 1, ""),
]


def test_there_are_sixty() -> None:
    assert len(WITHOUT_AWS) + len(WITH_AWS) >= 60


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No AWS settings but the profile ada's; what the programs set is undone."""
    config = tmp_path / "config"
    config.write_text("[profile ada]\nregion=eu-west-3\naws_access_key_id=a\naws_secret_access_key=b\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LAB2_"))}
    environment |= {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
                    "AWS_EC2_METADATA_DISABLED": "true", "COLUMNS": "80"}  # fmt: skip
    monkeypatch.setattr(LOGGER, "handlers", [])
    monkeypatch.setattr(LOGGER, "propagate", True)
    monkeypatch.setattr(LOGGER, "level", logging.NOTSET)
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environment)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.mark.parametrize(("line", "code", "first"), WITHOUT_AWS, ids=[line for line, *_ in WITHOUT_AWS])
def test_a_command_line_ends_with_its_code_and_first_line(
    line: str, code: int, first: str, nowhere: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    assert exit_code(MAINS[sys.argv[0]]) == code
    told = capsys.readouterr()
    assert (told.err if code else told.out).startswith(first)
    assert (told.out if code else told.err) == "" and told.err.count("\n") == bool(code)


@pytest.mark.long  # a process each
def test_command_lines_that_ask_aws_end_with_their_code_and_first_line(samples: World, server: object) -> None:
    world = samples
    (world.home / "series.txt").write_text("3 5.5 8\n1;2\n")

    def run(line: str) -> tuple[int, str, str]:
        process = world.start(*shlex.split(line))
        output, errors = process.communicate("", timeout=4 * PATIENCE)
        return process.returncode, output, errors

    assert run("client.py 1")[0] == 0
    with ThreadPoolExecutor(4) as pool:
        for (line, code, first), (found, output, errors) in zip(
            WITH_AWS, pool.map(run, [line for line, *_ in WITH_AWS]), strict=True
        ):
            assert found == code, (line, errors)
            # An answer that takes a while is announced first.
            said = errors if code == 2 else re.sub("^Message 1 was sent; .*\n", "", output)
            assert said.startswith(first), line
            assert output + errors and "Traceback" not in errors
