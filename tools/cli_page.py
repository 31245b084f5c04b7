"""Write docs/reference/cli.md: every command and option of the three programs, as their parsers have them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lab2.cli import client, hotdog, server  # noqa: E402
from lab2.cli.parser import Parser  # noqa: E402

PAGE = ROOT / "docs" / "reference" / "cli.md"
PROGRAMS = {"client.py": client.program, "server.py": server.program, "hotdog.py": hotdog.program}
INTRODUCTION = """\
# Command line

Every command and option, written by `python tools/cli_page.py` from the programs themselves.
"""


def page() -> str:
    """Return the text of the page."""
    programs = [build(name) for name, build in PROGRAMS.items()]
    shared = common(parser for program in programs for parser in program.parsers())
    parts = [INTRODUCTION, "## All programs\n", *listed(shared)]
    for program in programs:
        here = common(program.parsers())
        parts += [
            f"## {program.prog}\n",
            " ".join(str(program.unnamed.description).split()),
            "",
            *listed(without(here, shared)),
        ]
        parts += ["```text", str(program.unnamed.epilog).strip(), "```", ""]
        for parser in program.parsers():
            described = [] if parser is program.unnamed else [str(parser.description), ""]
            parts += [f"### {usage(parser)}\n", *described]
            parts += listed(without(rows(parser), here))
    return "\n".join(parts).rstrip() + "\n"


def common(parsers: Iterable[Parser]) -> dict[str, str]:
    """Return the arguments that all the parsers have."""
    first, *others = map(rows, parsers)
    return {typed: meaning for typed, meaning in first.items() if all(typed in other for other in others)}


def without(meanings: dict[str, str], said: dict[str, str]) -> dict[str, str]:
    """Return the arguments that are not said elsewhere on the page."""
    return {typed: meaning for typed, meaning in meanings.items() if typed not in said}


def rows(parser: Parser) -> dict[str, str]:
    """Return the meaning of each argument by how it is typed."""
    return {typed(action): str(action.help) % {"prog": parser.prog} for action in parser.arguments}


def typed(action: argparse.Action) -> str:
    """Return an argument as it is typed, with a name for its value."""
    value = "|".join(map(str, action.choices)) if action.choices else str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return str(action.metavar or action.dest)
    return ", ".join(action.option_strings) + (f" {value}" if action.nargs != 0 else "")


def usage(parser: Parser) -> str:
    """Return the name of a command and the words that follow it."""
    words = [action for action in parser.arguments if not action.option_strings]
    return " ".join([parser.prog, *(f"[{typed(word)}]" if word.nargs == "?" else typed(word) for word in words)])


def listed(meanings: dict[str, str]) -> list[str]:
    """Return the lines of a list, none if it would be empty."""
    lines = [f"- `{typed}`: {meaning}".replace("<", "&lt;") for typed, meaning in meanings.items()]
    return [*lines, ""] if lines else []


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
