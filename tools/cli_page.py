"""Write docs/cli.md: every command and option of the three programs, as their parsers have them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lab2.cli import client, hotdog, server  # noqa: E402
from lab2.cli.parser import Parser  # noqa: E402

PAGE = ROOT / "docs" / "cli.md"
PROGRAMS = {"client.py": client.program, "server.py": server.program, "hotdog.py": hotdog.program}
INTRODUCTION = """\
# Command line

Every command and option, written by `python tools/cli_page.py` from the programs themselves. What they are for, with
examples, is in [operations](operations.md#the-programs). Options stand before or after the name of their command.
"""


def page() -> str:
    """Return the text of the page."""
    programs = [build(name) for name, build in PROGRAMS.items()]
    shared = common(parser for program in programs for parser in program.parsers().values())
    parts = [INTRODUCTION, "## All programs and commands\n", *table(shared)]
    for program in programs:
        here = common(program.parsers().values())
        parts += [f"## {program.prog}\n", str(program.description), "", *table(without(here, shared))]
        parts += ["```text", str(program.epilog).strip(), "```", ""]
        for command, parser in program.parsers().items():
            parts += [f"### {parser.prog}{'' if command else ' without a command'}\n"]
            if command:
                parts += [f"    {usage(parser)}\n", str(parser.description), ""]
            parts += table(without(rows(parser), here))
    return "\n".join(parts).rstrip() + "\n"


def common(parsers: Iterable[Parser]) -> dict[str, str]:
    """Return the rows that all the parsers have."""
    first, *others = map(rows, parsers)
    return {typed: meaning for typed, meaning in first.items() if all(typed in other for other in others)}


def without(meanings: dict[str, str], said: dict[str, str]) -> dict[str, str]:
    return {typed: meaning for typed, meaning in meanings.items() if typed not in said}


def rows(parser: Parser) -> dict[str, str]:
    """Return the meaning of each argument by how it is typed."""
    shown = [action for action in parser.arguments if action.help != argparse.SUPPRESS]
    return {typed(action): str(action.help) % {"prog": parser.prog} for action in shown}


def typed(action: argparse.Action) -> str:
    value = "|".join(map(str, action.choices)) if action.choices else str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return str(action.metavar or action.dest)
    return ", ".join(action.option_strings) + (f" {value}" if action.nargs != 0 else "")


def usage(parser: Parser) -> str:
    words = [action for action in parser.arguments if not action.option_strings]
    return " ".join([parser.prog, *(f"[{typed(word)}]" if word.nargs == "?" else typed(word) for word in words)])


def table(meanings: dict[str, str]) -> list[str]:
    """Return the lines of a table, none where it would be empty."""
    lines = [f"| `{escaped(typed)}` | {escaped(meaning).replace('<', '&lt;')} |" for typed, meaning in meanings.items()]
    return ["| argument | meaning |", "|---|---|", *lines, ""] if lines else []


def escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
