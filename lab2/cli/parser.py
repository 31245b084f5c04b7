"""A program's commands, each with its own options after it; options of all commands may also precede it."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, NoReturn

from lab2 import __version__
from lab2.terminal import printable

_NEGATIVE = re.compile(r"-\.?\d")  # a number, not an option


class Parser(argparse.ArgumentParser):
    """The arguments of one command, and those of its `parents`. An error is one sentence that is safe to print."""

    def __init__(self, parents: Sequence[Parser] = (), **settings: Any) -> None:
        self._added = [action for parent in parents for action in parent.arguments]
        super().__init__(parents=list(parents), **settings)

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        return self.record(super().add_argument(*names, **settings))

    def record(self, action: argparse.Action) -> argparse.Action:
        """Register an argument that was added to a group of this parser, and return it."""
        self._added.append(action)
        return action

    def error(self, message: str) -> NoReturn:
        sentence = printable(message) + "." * (not message.endswith("?"))
        self.exit(2, f"{self.prog}: {sentence} Try: {self.prog} --help\n")

    @property
    def arguments(self) -> list[argparse.Action]:
        """All arguments but those that --help hides."""
        return [action for action in self._added if action.help != argparse.SUPPRESS]

    def add_options_like(self, other: Parser) -> None:
        """Add options with the names, choices and values of another parser's, but without their actions."""
        for action in other.arguments:
            if action.option_strings and action.nargs == 0:
                self.add_argument(*action.option_strings, action="store_true", help=action.help)
            elif action.option_strings:
                self.add_argument(
                    *action.option_strings, choices=action.choices, metavar=action.metavar, help=action.help
                )

    def options(self) -> list[str]:
        return [name for action in self.arguments for name in action.option_strings]

    def meant(self, option: str) -> list[argparse.Action]:
        """Return the options that one on the command line, which may be abbreviated, can mean."""
        return [each for each in self.arguments if any(name.startswith(option) for name in each.option_strings)]

    def expects_value(self, option: str) -> bool:
        """Return whether the next argument is the value of an option."""
        return any(action.nargs != 0 for action in self.meant(option))


class Program:
    """The commands of a program. The one without a name is used if the command line starts with no other.

    `parse` returns what a command does as `options.run`, and its parser as `options.parser`. `parents` have the options
    of all commands.
    """

    def __init__(
        self,
        run: Callable[..., int],
        description: str,
        epilog: str,
        parents: Sequence[Parser],
        prog: str | None = None,
    ) -> None:
        self.parents = parents
        self.prog = prog or os.path.basename(sys.argv[0])
        self.unnamed = self._parser(self.prog, run, description, epilog)
        self.unnamed.usage = "%(prog)s [options]\n       %(prog)s COMMAND [options]"
        self.unnamed.add_argument(
            "--print-completion",
            choices=["bash", "zsh"],
            help="print what makes this shell complete the command line",
        )
        self._list = self.unnamed.add_argument_group("commands")
        self.commands: dict[str, Parser] = {}
        self._help: dict[str, str] = {}

    def command(self, name: str, run: Callable[..., int], help: str) -> Parser:
        """Add a command; return its parser, for the arguments of its own."""
        parser = self._parser(f"{self.prog} {name}", run, help[:1].upper() + help[1:] + ".")
        self.commands[name] = parser
        self._help[name] = help
        lines = [f"{each:<9}{what}" for each, what in self._help.items()]
        self._list.description = "\n".join([f"Each has its own options: {self.prog} COMMAND --help", *lines])
        return parser

    def parse(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """Return the options of a command line; end the program with code 2 and a sentence if they are wrong."""
        arguments = sys.argv[1:] if arguments is None else arguments
        at = self._common_options_before(arguments)
        if arguments[at : at + 1] and arguments[at] in self.commands:
            parser, arguments = self.commands[arguments[at]], [*arguments[:at], *arguments[at + 1 :]]
        else:
            parser = self.unnamed
            self._check_for_commands(arguments)
        _refuse_empty(arguments, parser)
        self._check_options(parser, arguments)
        options, unknown = parser.parse_known_intermixed_args(arguments)
        if unknown:
            parser.error(self._unknown(unknown[0], parser))
        if vars(options).get("print_completion"):
            self._print_completion(options.print_completion)
        return options

    def parsers(self) -> list[Parser]:
        """Return the parsers of all commands, the one without a name first."""
        return [self.unnamed, *self.commands.values()]

    def _parser(self, prog: str, run: Callable[..., int], description: str, epilog: str = "") -> Parser:
        parser = Parser(
            prog=prog,
            description=description,
            epilog=epilog,
            parents=self.parents,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(run=run, parser=parser)
        parser.add_argument("--version", action="version", version=f"{self.prog} {__version__}")
        return parser

    def _common_options_before(self, arguments: Sequence[str]) -> int:
        """Return how many arguments at the start are common options and their values."""
        common = Parser(add_help=False, parents=self.parents)
        at = 0
        while at < len(arguments):
            option, equals, _ = arguments[at].partition("=")
            if not option.startswith("--") or not common.meant(option):
                break
            at += 2 if not equals and common.expects_value(option) else 1
        return at

    def _check_for_commands(self, arguments: Sequence[str]) -> None:
        """Refuse a line that starts with a misspelt command, or has a command after its options."""
        first = arguments[0] if arguments else "-"
        takes_words = any(not action.option_strings for action in self.unnamed.arguments)
        hint = "" if first.startswith("-") else _hint(first, self.commands)
        if hint or not (first.startswith("-") or takes_words):
            commands = ", ".join(self.commands)
            self.unnamed.error(f"there is no command {first!r}{hint or f'; the commands are {commands}'}")
        for before, word in pairwise(arguments):
            if word in self.commands and not self.unnamed.expects_value(before):
                self.unnamed.error(f"the command goes before its options: {self.prog} {word} [options]")

    def _check_options(self, parser: Parser, arguments: Sequence[str]) -> None:
        """Refuse an unknown option, before its value is taken for an argument, as argparse does from Python 3.12 on."""
        is_value = False
        for argument in arguments:
            option, equals, _ = argument.partition("=")
            if argument == "--":
                return
            if is_value or not argument.startswith("-") or argument == "-" or _NEGATIVE.match(argument):
                is_value = False
                continue
            if not parser.meant(option):
                parser.error(self._unknown(argument, parser))
            is_value = not equals and parser.expects_value(option)

    def _unknown(self, argument: str, parser: Parser) -> str:
        """Return what is wrong with an argument that the command does not take."""
        if not argument.startswith("-"):
            return f"unexpected argument {argument!r}"
        option = argument.partition("=")[0]
        owners = [owner.prog for owner in self.parsers() if option in owner.options()]
        if owners:
            return f"{option} is not an option here; it belongs to: {', '.join(owners)}"
        return f"there is no option {option}{_hint(option, parser.options())}"

    def _print_completion(self, shell: str) -> NoReturn:
        """Print the completion script of a shell, and end the program."""
        try:
            import shtab
        except ImportError:
            self.unnamed.error("completion scripts are made by the package shtab; run: pip install shtab")
        tree = Parser(prog=self.prog, add_help=False)
        tree.add_options_like(self.unnamed)  # options only: to shtab, anything else here would be a command
        commands = tree.add_subparsers()
        for name, parser in self.commands.items():
            commands.add_parser(name, help=self._help[name], parents=[parser], add_help=False)
        for parser in self.parsers():
            for action in parser.arguments:
                if action.metavar in ("PATH", "DIR", "FILE.png"):
                    vars(action)["complete"] = shtab.FILE
        print(shtab.complete(tree, shell))
        sys.exit(0)


def _refuse_empty(arguments: Sequence[str], parser: Parser) -> None:
    """Refuse an empty argument: it comes from a shell variable that is not set. As a path it would be this folder."""
    for before, argument in pairwise(["", *arguments]):
        option, equals, value = argument.partition("=")
        if argument == "":
            name = before if before.startswith("-") and parser.expects_value(before) else "an argument"
            parser.error(f"{name} is empty; if it is a variable, it is not set")
        if option.startswith("--") and equals and not value:
            parser.error(f"{option} is empty; if it is a variable, it is not set")


def _hint(typed: str, names: Iterable[str]) -> str:
    """Return a question whether a similar name was meant, '' if there is none."""
    from difflib import get_close_matches  # not at the top: the first prompt waits for that

    (nearest,) = get_close_matches(typed, list(names), 1) or [""]
    return nearest and f"; did you mean {nearest}?"
