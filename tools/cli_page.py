"""Write docs/reference/cli.md: every command and option of the programs, as their parsers have them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from support.world import ROOT

from lab2.cli import client, hotdog, server, stack
from lab2.cli.parser import Parser

PAGE = ROOT / "docs" / "reference" / "cli.md"
PROGRAMS = {
    "client.py": client.program,
    "server.py": server.program,
    "hotdog.py": hotdog.program,
    "python -m lab2": stack.program,
}
INTRODUCTION = """\
# Command line

Written by `python -m tools.cli_page` from the programs themselves. Brackets name the commands that take an argument.
Exit codes: 0 done, 1 something is left or wrong, 2 fatal error, 70 internal error, 130 Ctrl-C; `--help` says more.
"""


def page() -> str:
    """Return the text of the page."""
    programs = [build(name) for name, build in PROGRAMS.items()]
    shared = set.intersection(*(set(rows(program.unnamed)) for program in programs))
    parts = [
        INTRODUCTION,
        "## All programs\n",
        *(line(argument) for argument in rows(programs[0].unnamed) if argument in shared),
    ]
    for program in programs:
        named = program.commands.values()
        parts += [f"\n## {program.prog}\n", " ".join(str(program.unnamed.description).partition("\n\n")[0].split()), ""]
        parts += [f"- `{usage(parser)}`: {parser.description}" for parser in named]
        parts.append("")
        takers: dict[tuple[str, str], list[str]] = {}
        names = ["no command", *(f"`{name}`" for name in program.commands)]
        for name, parser in zip(names, (program.unnamed, *named), strict=True):
            for argument in rows(parser):
                takers.setdefault(argument, []).append(name)
        for argument, taking in takers.items():
            if argument not in shared:
                parts.append(line(argument, taking if len(taking) < len(names) else []))
    return "\n".join(parts).rstrip() + "\n"


def rows(parser: Parser) -> dict[tuple[str, str], None]:
    """Return each argument as it is typed, with its meaning, in order."""
    return {(typed(action), str(action.help) % {"prog": parser.prog}): None for action in parser.arguments}


def line(argument: tuple[str, str], commands: Iterable[str] = ()) -> str:
    """Return the line of an argument that some commands take, or all if none is given."""
    names = ", ".join(commands)
    return f"- `{argument[0]}`{f' ({names})' if names else ''}: {argument[1].replace('<', '&lt;')}"


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


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
