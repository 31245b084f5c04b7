"""A program's commands: each flag belongs to its command, may stand before or after its name, and typos get a hint."""

from __future__ import annotations

import argparse
import re
import sys

from lab2 import __version__
from lab2.terminal import printable

TYPE_CHECKING = False  # as typing has it, which takes a tenth of the client's start
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, NoReturn

    AddFlags = Callable[[argparse._ArgumentGroup], object]


class Parser(argparse.ArgumentParser):
    """The flags of one command. An error is one sentence, safe to print, even if an argument has control characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter} | kwargs)
        self._negative_number_matcher = re.compile(r"-\.?\d")  # argparse takes -1e5 for an option

    def error(self, message: str) -> NoReturn:
        sentence = printable(message) + "." * (not message.endswith("?"))
        self.exit(2, f"{self.prog}: {sentence} Try: {self.prog} --help\n")

    def takes_value(self, flag: str) -> bool:
        """Tell whether a flag, which may be abbreviated, takes the argument that follows it."""
        named = [action for action in self._actions if any(name.startswith(flag) for name in action.option_strings)]
        return any(action.nargs != 0 for action in named)

    def flags(self) -> list[str]:
        """Return the names of the flags that --help shows."""
        shown = [action for action in self._actions if action.help != argparse.SUPPRESS]
        return [name for action in shown for name in action.option_strings]


class Program(Parser):
    """The parser of a program. It parses the flags of the command that has no name, and knows the other commands.

    `run` is what a command does; it comes back as `options.run`, and the command's name as `options.command` (None
    where there is none). Each of `shared` adds flags that all commands take to a group.
    """

    def __init__(
        self,
        run: Callable[..., int],
        description: str,
        epilog: str,
        shared: Iterable[AddFlags],
        prog: str | None = None,
    ) -> None:
        super().__init__(
            prog=prog, description=description, epilog=epilog,
            usage="%(prog)s [options]\n       %(prog)s COMMAND [options]",
        )  # fmt: skip
        self._shared = list(shared)
        self._commands = self.add_subparsers(
            title="commands", metavar="COMMAND", prog=self.prog, parser_class=Parser,
            description="Each has its own options: %(prog)s COMMAND --help",
        )  # fmt: skip
        self._old_flags: dict[str, str] = {}
        self._unnamed = ""
        self._equip(self, run, None)
        self.add_argument("--version", action="version", version=f"{self.prog} {__version__}")

    def command(
        self, name: str, run: Callable[..., int], help: str, old_flag: str = "", unnamed: bool = False
    ) -> Parser:
        """Add a command and return its parser, for the flags that only this command takes.

        `old_flag` once stood for the command and does so still, followed by the argument of the command, if it takes
        one. `unnamed`: arguments without a command are those of this command.
        """
        parser: Parser = self._commands.add_parser(name, help=help, description=help[:1].upper() + help[1:] + ".")
        self._equip(parser, run, name)
        parser.add_argument("--version", action="version", version=f"{self.prog} {__version__}", help=argparse.SUPPRESS)
        if old_flag:
            self._old_flags[old_flag] = name
        if unnamed:
            self._unnamed = name
        return parser

    def parse(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """Return the options of a command line; end the program with code 2 and a sentence where they are wrong."""
        name, rest = self._split(list(sys.argv[1:] if arguments is None else arguments))
        parser = self.parser_of(name)
        # A parser with commands can't mix flags with arguments; it has no arguments either.
        options, unknown = parser.parse_known_args(rest) if parser is self else parser.parse_known_intermixed_args(rest)
        if unknown:
            parser.error(self._unknown(unknown[0], parser))
        return options

    def parser_of(self, name: str | None) -> Parser:
        parser: Parser = self._commands.choices[name] if name else self
        return parser

    def parsers(self) -> dict[str | None, Parser]:
        """Return the parsers of all commands by name, that of the command without a name first."""
        parsers: dict[str | None, Parser] = {None: self}
        parsers.update(self._commands.choices)
        return parsers

    def _equip(self, parser: Parser, run: Callable[..., int], name: str | None) -> None:
        parser.set_defaults(run=run, command=name)
        common = parser.add_argument_group("common options")
        for add in self._shared:
            add(common)

    def _split(self, arguments: list[str]) -> tuple[str | None, list[str]]:
        """Return the command that a command line names, and the command line without its name."""
        rest: list[str] = []
        words: list[int] = []  # where in `rest` the arguments are that are neither flags nor values of flags
        named: list[tuple[str, list[str]]] = []  # old flags, each with its value if it takes one
        given = iter(arguments)
        for token in given:
            flag, equals, value = token.partition("=")
            if token == "--":
                words += range(len(rest) + 1, len(rest) + 1 + len(remaining := list(given)))
                rest += ["--", *remaining]
            elif old := self._old_flags.get(flag):
                takes_value = any(not action.option_strings for action in self.parser_of(old)._actions)
                named.append((old, [value] if equals else [next(given, "")] if takes_value else []))
            elif len(token) < 2 or not token.startswith("-") or self._negative_number_matcher.match(token):
                words.append(len(rest))
                rest.append(token)
            else:
                rest.append(token)
                if not equals and any(parser.takes_value(flag) for parser in self.parsers().values()):
                    rest += [value for value in [next(given, None)] if value is not None]
        if named:
            (name, value_of_old), *others = named
            if others:
                self.error("choose one of " + ", ".join(self._old_flags))
            return name, value_of_old + rest
        if not words:
            return None, rest
        if (word := rest[words[0]]) in self._commands.choices:
            return word, rest[: words[0]] + rest[words[0] + 1 :]
        hint = _hint(word, self._commands.choices)
        if hint or not self._unnamed:
            self.error(f"there is no command {word!r}{hint or '; there are ' + ', '.join(self._commands.choices)}")
        return self._unnamed, rest

    def _unknown(self, argument: str, parser: Parser) -> str:
        """Say what is wrong with an argument that a command does not take."""
        if not argument.startswith("-"):
            return f"unexpected argument {argument!r}"
        flag = argument.partition("=")[0]
        owners = [owner.prog for owner in self.parsers().values() if flag in owner.flags()]
        if owners:
            return f"{flag} is no option here; it belongs to: {', '.join(owners)}"
        return f"there is no option {flag}{_hint(flag, parser.flags())}"


def _hint(typed: str, names: Iterable[str]) -> str:
    """Return a question whether the nearest of the names was meant, '' if none is near."""
    from difflib import get_close_matches  # only where something is wrong: it takes milliseconds

    (nearest,) = get_close_matches(typed, list(names), 1) or [""]
    return nearest and f"; did you mean {nearest}?"
