"""README and docs are true: their sessions, examples, options, links and commands are those of the programs."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pexpect
import pytest
from support.client import WAITING
from support.labeller import image_names
from support.world import PATIENCE, ROOT, World, until

from lab2.aws.resources import DEPLOY, LABEL_KEY
from lab2.aws.sqs.message_queue import Outgoing
from lab2.cli import client, hotdog, server
from lab2.labelling.labels.csv_dialect import HEADER
from lab2.stats.protocol import answer_request, encode_answer
from lab2.stats.server.log.output import print_log
from lab2.stats.server.log.reader import LogLine
from lab2.stats.server.log.row import encode_row
from tools import cli_page, stores

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = {page.name: page.read_text() for page in PAGES}
ALL = "\n".join(TEXTS.values())
PROGRAMS = {"client.py": client.program, "server.py": server.program, "hotdog.py": hotdog.program}

# Examples of the programs that end by themselves, with what is typed into them; the others wait for a person.
EXAMPLES = {
    match[1].rstrip(): "1\n0\n1\n0\n"
    for match in re.finditer(rf"^    (python (?:{'|'.join(map(re.escape, PROGRAMS))})\b[^#\n]*)", ALL, re.MULTILINE)
}
FOR_PEOPLE = {"python client.py", "python server.py", "python hotdog.py", "python client.py listen"}


def block(page: str, start: str) -> str:
    """Return the indented block of a page that starts with a line like this."""
    text = TEXTS[page]
    lines = text[text.index(f"    {start}") :].split("\n")
    end = next(number for number, line in enumerate(lines) if not line.startswith("    "))
    return "\n".join(line[4:] for line in lines[:end])


def python(page: str, about: str = "") -> str:
    """Return the Python example of a page that has this text in it."""
    (code,) = (code for code in re.findall(r"```python\n(.*?)```", TEXTS[page], re.DOTALL) if about in code)
    return str(code)


def run(code: str, world: World) -> str:
    env = world.env | {"AWS_DEFAULT_REGION": world.env["AWS_REGION"]}  # boto3 by itself reads this one only
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=world.home, env=env, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_is_one_page() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 120


def test_the_session_is_what_a_person_sees(world: World, server: object) -> None:
    command, *expected = block("README.md", "$ python client.py --local").split("\n")
    program, *args = command.removeprefix("$ python ").replace(" --local", "").split()
    assert program == WAITING[1]
    person = pexpect.spawn(sys.executable, [str(ROOT / WAITING[0]), *WAITING[1:], *args], env=world.env,
                           cwd=str(world.home), encoding="utf-8", timeout=PATIENCE, dimensions=(40, 80))  # fmt: skip
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
    shown = block("protocol.md", '{"id"').split("\n")
    for line, request in zip(shown, ("[3, 5.5]", "[-1]"), strict=True):
        assert line == encode_answer(answer_request(json.loads(line)["id"], request))


def test_the_client_of_the_protocol_gets_its_answer(world: World, server: object) -> None:
    world.queue("lab2").send([Outgoing("[1]")])  # its answer has no client
    until(lambda: world.depth("lab2_1") == (1, 0))
    assert run(python("protocol.md"), world) == "5.5 5.5 8 3\n"


@pytest.mark.long  # npm takes its time
@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
def test_the_client_in_javascript_gets_its_answer_and_leaves_those_of_others(
    world: World, server: object, tmp_path: Path
) -> None:
    stores.install(stores.SDK)
    (tmp_path / "node_modules").symlink_to(stores.FOLDER / "node_modules")
    shutil.copy(ROOT / "docs/reference/client.mjs", tmp_path)
    world.queue("lab2").send([Outgoing("[1]"), Outgoing("[2]", {"client": "somebody"})])
    until(lambda: world.depth("lab2_1") == (2, 0))
    done = subprocess.run(
        ["node", "client.mjs"], cwd=tmp_path, env=world.env, capture_output=True, text=True, timeout=2 * PATIENCE
    )
    assert (done.returncode, done.stdout) == (0, "5.5 5.5 8 3\n"), done.stderr
    assert sum(world.depth("lab2_1")) == 2


def test_the_lines_of_pandas_count_the_labels(world: World) -> None:
    rows = ["a.jpg,0,ada,2026-11-23T12:00:00.000Z,1", "a.jpg,1,ada,2026-11-23T12:00:01.000Z,1",
            "a.jpg,1,bob,2026-11-23T12:00:02.000Z,1", "b.jpg,0,bob,2026-11-23T12:00:03.000Z,1"]  # fmt: skip
    (world.home / "labels.csv").write_text("\n".join([HEADER, *rows[1:], ""]))
    told = run(python("analyse.md", "pandas.read_csv"), world)
    assert [line.split() for line in told.splitlines()[2:]] == [["b.jpg", "0.0", "1"], ["a.jpg", "1.0", "2"]]
    assert HEADER in TEXTS["label-file.md"]


@pytest.mark.long
def test_pandas_and_duckdb_keep_clients_of_the_log_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [("0012", "[3, 5]"), ("12", "[-1]"), ("0012", "[8.5]"), ("exact", "[3.5, 18.5, 1.3]")]
    now = datetime.now(timezone.utc)
    rows = [encode_row(request, client, request, encode_answer(answer_request(request, request)), now)
            for client, request in asked]  # fmt: skip
    print_log([LogLine("", json.loads(row.line("run", number))) for number, row in enumerate(rows, 1)], "json")
    (tmp_path / "day.jsonl").write_text(capsys.readouterr().out)

    def told(example: str) -> list[list[str]]:
        code = python("analyse.md", example) + "\nif 'log' in vars(): print(log['mean'].iloc[-1])"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stderr
        return [re.findall(r"[^\s│]+", line) for line in done.stdout.splitlines()]

    *table, exact = told("lines=True")
    assert table[2:4] == [["0012", "2", "6.250000"], ["12", "1", "NaN"]]
    assert exact == ["7.766666666666667"]  # without precise_float, pandas 3.1.1 makes ...675 of it
    table = told("read_json('day")
    assert ["0012", "2", "8.5"] in table and ["12", "1", "NULL"] in table


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_fits_80_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    program = PROGRAMS[name](name)
    assert "exit codes:" in program.unnamed.format_help()
    for parser in program.parsers():
        assert max(map(len, parser.format_help().splitlines())) <= 80


def test_the_page_of_commands_is_what_the_parsers_have() -> None:
    assert TEXTS["cli.md"] == cli_page.page(), "run: python -m tools.cli_page"


@pytest.mark.parametrize("example", sorted(EXAMPLES))
def test_the_examples_are_command_lines_that_the_programs_take(example: str) -> None:
    _, name, *arguments = shlex.split(example.partition(">")[0].partition("<")[0])
    PROGRAMS[name](name).parse(arguments)


@pytest.fixture
def folder(samples: World) -> World:
    """A world with the sample pictures, whose home has the programs and the files that the examples name."""
    world = samples
    for program in PROGRAMS:
        (world.home / program).symlink_to(ROOT / program)
    (world.home / "series.txt").write_text("3 5.5 8\n1;2\n")
    (world.home / "underbase").symlink_to(ROOT / "underbase")
    (world.home / "project.json").write_text(json.dumps([label_studio_task(image_names(world)[0])]))
    (world.home / "photos").mkdir()
    (world.home / "more").mkdir()
    for number, sample in enumerate(sorted((ROOT / "underbase").iterdir())):
        shutil.copy(sample, world.home / "photos")
        if not number:
            shutil.copy(sample, world.home / "more" / "IMG_0001.jpg")
    return world


def label_studio_task(name: str) -> dict[str, Any]:
    result = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": ["hot_dog"]}, "id": "x"}
    annotation = {"id": 7, "completed_by": 1, "result": [result], "was_cancelled": False,
                  "created_at": "2026-11-28T09:00:00.123456Z", "lead_time": 2.345}  # fmt: skip
    return {"id": 3, "annotations": [annotation], "data": {"image": f"s3://bucket/underbase/{name}"}}


@pytest.mark.parametrize("example", sorted(EXAMPLES.keys() - FOR_PEOPLE))
def test_the_examples_run(folder: World, example: str) -> None:
    server = folder.start("server.py") if "client.py" in example else None
    if re.search(r"server\.py (verify|log)", example):
        assert shell("python client.py 4 --wait 0.1", folder)[0] == 1  # nobody answers yet
        assert shell("python server.py --drain", folder)[0] == 0
    code, output, errors = shell(example, folder)
    assert code == 0, errors
    assert output or example.count(">") or "sheet" in example
    if server:
        server.terminate()


def shell(command: str, world: World) -> tuple[int, str, str]:
    """Run a line of the docs as a person would type it; return exit code, stdout and stderr."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", command], cwd=world.home, env=world.env | {"PATH": path}, text=True,
                          input=EXAMPLES.get(command, ""), capture_output=True, timeout=2 * PATIENCE)  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_the_sentences_to_troubleshoot_are_those_of_the_programs() -> None:
    shown = re.findall(r"^\| `([^`|]+)` \|", TEXTS["troubleshoot.md"], re.MULTILINE)
    assert len(shown) > 5
    said = [text for path in (ROOT / "lab2").rglob("*.py") for text in literals(ast.parse(path.read_text()))]
    for sentence in shown:
        pattern = ".*".join(re.escape(part) for part in sentence.split("…"))
        assert any(re.search(pattern, text) for text in said), sentence


def test_each_setting_that_the_programs_read_is_explained() -> None:
    read = {name for path in (ROOT / "lab2").rglob("*.py")
            for name in re.findall(r"""environ(?:\.get\(|\[)"([A-Z0-9_]+)\"""", path.read_text())}  # fmt: skip
    explained = TEXTS["environment.md"]
    ours = {name for name in read if name.startswith(("LAB2_", "XDG_", "GATEWAY_", "NO_"))}
    assert ours and {name for name in ours if f"`{name}`" not in explained} == set()


def literals(tree: ast.AST) -> Iterator[str]:
    """Yield the text literals of a module, with … for what is filled in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"{\w*}", "…", node.value)
        elif isinstance(node, ast.JoinedStr):
            yield "".join(map(filled, node.values))


def filled(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    is_key = isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name) and part.value.id == "LABEL_KEY"
    return LABEL_KEY if is_key else "…"


def test_commands_links_and_makefile_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page, text in zip(PAGES, TEXTS.values(), strict=True):
        for target in re.findall(r"\bmake ([a-z]+)\b(?=`|  +#|\n)", text):
            assert f"\n{target}:" in makefile, target
        for path, anchor in links(text):
            target = (page.parent / path) if path else page
            assert target.exists(), f"{page.name}: {path}"
            assert not anchor or anchor in anchors(target.read_text()), f"{page.name}: {path}#{anchor}"
    for path in re.findall(r"`((?:lab2|tests|docs|bench|tools)/[\w/.]+)`", ALL):
        assert (ROOT / path).exists() or path.endswith("/"), path
    assert DEPLOY in TEXTS["README.md"] and DEPLOY in TEXTS["deploy.md"]


def links(text: str) -> list[tuple[str, str]]:
    """Return the path and the anchor of each link to a file of ours."""
    return re.findall(r"\]\(([^)#:]*)#?([^)#:]*)\)", text)


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(ROOT / path).resolve() for path, _ in links(TEXTS["README.md"]) if path}
    assert set(PAGES[1:]) - linked == set()


def test_the_page_of_stores_is_that_of_the_pinned_releases() -> None:
    page = TEXTS["stores.md"]
    for other in (*stores.STORES, *stores.QUEUES):
        assert f"|{other.name}|" in page and other.name.split()[-1] in other.packages


def test_the_documentation_stays_short() -> None:
    pages = [page.read_text() for page in PAGES if ROOT / "docs" in page.parents]
    assert sum(any(map(str.isalnum, word)) for page in pages for word in page.split()) <= 8_000  # not lines of drawings


def test_the_file_to_open_for_a_change_defines_the_thing() -> None:
    rows = re.findall(r"^\| [^|]+ \| `([^`]+)`[^|]* \| `(\w+)` \|$", TEXTS["CONTRIBUTING.md"], re.MULTILINE)
    assert len(rows) > 20
    for path, name in rows:
        assert name in defined((ROOT / path).read_text(), path), f"{path} does not define {name}"


def defined(source: str, path: str) -> set[str]:
    """Return the names that a file defines: functions, classes and constants of a module, resources of a template."""
    if not path.endswith(".py"):
        return set(re.findall(r"^  (\w+):$", source, re.MULTILINE))
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names |= {
                name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            }
    return names


def test_the_pages_use_the_words_of_the_glossary() -> None:
    entries = re.findall(r"^- \*\*(.+?)\*\*: (?:.*\(not: (.*)\))?", TEXTS["glossary.md"], re.MULTILINE)
    assert len(entries) >= 25
    pages = " ".join(" ".join(text.lower().split()) for name, text in TEXTS.items() if name != "glossary.md")
    avoided = {word for _, words in entries for word in words.split(", ") if word}
    assert {word for word in avoided if re.search(rf"\b{re.escape(word)}s?\b", pages)} == set()
    source = " ".join(" ".join(path.read_text().lower().split()) for path in (ROOT / "lab2").rglob("*.py"))
    assert {term for term, _ in entries if term not in source + pages} == set()
