"""A program's commands: each flag belongs to its command, may stand before or after its name, and typos get a hint."""

from __future__ import annotations

import argparse
import re
import sys
from itertools import islice

from lab2 import __version__
from lab2.terminal import printable

TYPE_CHECKING = False  # as typing has it, which takes a tenth of the client's start
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, NoReturn

    AddFlags = Callable[[argparse.ArgumentParser], object]


_NEGATIVE = re.compile(r"-\.?\d")  # a number, and no flag


class Parser(argparse.ArgumentParser):
    """The flags of one command. An error is one sentence, safe to print, even if an argument has control characters."""

    def __init__(self, **kwargs: Any) -> None:
        self.arguments: list[argparse.Action] = []  # what was added, flags and others
        self._common: Any = None  # the group to add to, while common flags are added
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter} | kwargs)

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        add = self._common.add_argument if self._common else super().add_argument
        action: argparse.Action = add(*names, **settings)
        self.arguments.append(action)
        return action

    def add_common(self, shared: Iterable[AddFlags]) -> None:
        """Add the flags that the commands of a program share, which --help shows in a group of their own."""
        self._common = self.add_argument_group("common options")
        for add in shared:
            add(self)
        self._common = None

    def error(self, message: str) -> NoReturn:
        sentence = printable(message) + "." * (not message.endswith("?"))
        self.exit(2, f"{self.prog}: {sentence} Try: {self.prog} --help\n")

    def takes_words(self) -> bool:
        """Tell whether the command takes arguments that are no flags."""
        return any(not action.option_strings for action in self.arguments)

    def named(self, flag: str) -> list[argparse.Action]:
        """Return the flags that a flag, which may be abbreviated, can be."""
        return [action for action in self.arguments if any(name.startswith(flag) for name in action.option_strings)]

    def flags(self) -> list[str]:
        """Return the names of the flags that --help shows."""
        shown = [action for action in self.arguments if action.help != argparse.SUPPRESS]
        return [name for action in shown for name in action.option_strings]


class Program(Parser):
    """The parser of a program. It parses the flags of the command that has no name, and knows the other commands.

    `run` is what a command does; it comes back as `options.run`, and the command's name as `options.command` (None
    where there is none). Each of `shared` adds flags that all commands take.
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
        self.add_argument("--print-completion", choices=["bash", "zsh"], action=_PrintCompletion,
                          help="print what makes this shell complete the command line")  # fmt: skip

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
        name, given, words = self._split(list(sys.argv[1:] if arguments is None else arguments))
        parser = self.parser_of(name)
        for flag, *_ in given:
            if not parser.named(flag.partition("=")[0]):
                parser.error(self._unknown(flag, parser))
        flags = [token for flag in given for token in flag]
        # After -- nothing is taken for a flag, and flags may stand among the words that a command takes.
        options, unknown = parser.parse_known_args([*flags, "--", *words] if words else flags)
        if unknown := [argument for argument in unknown if argument != "--"]:
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
        parser.add_common(self._shared)

    def _split(self, arguments: list[str]) -> tuple[str | None, list[list[str]], list[str]]:
        """Return the command that a command line names, its flags, each with its value, and the other words."""
        flags: list[list[str]] = []
        words: list[str] = []
        old: list[tuple[str, list[str]]] = []  # commands named by a flag of old, each with its word if it takes one
        given = iter(arguments)
        for token in given:
            flag, equals, value = token.partition("=")
            if token == "--":
                words += given
            elif flag in self._old_flags:
                name = self._old_flags[flag]
                old.append((name, [value] if equals else list(islice(given, self.parser_of(name).takes_words()))))
            elif len(token) < 2 or not token.startswith("-") or _NEGATIVE.match(token):
                words.append(token)
            else:
                takes_value = not equals and any(action.nargs != 0 for action in self._named(flag))
                flags.append([token, *islice(given, takes_value)])
        if len(old) > 1:
            self.error("choose one of " + ", ".join(self._old_flags))
        if old:
            ((name, of_it),) = old
            return name, flags, of_it + words
        if not words:
            return None, flags, []
        if words[0] in self._commands.choices:
            return words[0], flags, words[1:]
        for flag, *_ in flags:  # its value may be what seems to be a command
            if not self._named(flag.partition("=")[0]):
                self.error(self._unknown(flag, self))
        hint = _hint(words[0], self._commands.choices)
        if hint or not self._unnamed:
            self.error(
                f"there is no command {words[0]!r}{hint or '; the commands are ' + ', '.join(self._commands.choices)}"
            )
        return self._unnamed, flags, words

    def _named(self, flag: str) -> list[argparse.Action]:
        return [action for parser in self.parsers().values() for action in parser.named(flag)]

    def _unknown(self, argument: str, parser: Parser) -> str:
        """Say what is wrong with an argument that a command does not take."""
        if not argument.startswith("-"):
            return f"unexpected argument {argument!r}"
        flag = argument.partition("=")[0]
        owners = [owner.prog for owner in self.parsers().values() if flag in owner.flags()]
        if owners:
            return f"{flag} is not an option here; it belongs to: {', '.join(owners)}"
        return f"there is no option {flag}{_hint(flag, [*parser.flags(), *self._old_flags])}"


class _PrintCompletion(argparse.Action):
    """Prints what a shell must source to complete the command line, and ends the program."""

    def __call__(self, parser: argparse.ArgumentParser, _namespace: object, shell: Any, _flag: object = None) -> None:
        assert isinstance(parser, Program)
        try:
            import shtab
        except ImportError:
            parser.error("completion scripts are made by the package shtab; run: pip install shtab")
        for command in parser.parsers().values():
            for action in command.arguments:
                if action.metavar in ("PATH", "DIR", "FILE.png"):
                    vars(action)["complete"] = shtab.FILE
        print(shtab.complete(parser, shell))
        parser.exit()


def _hint(typed: str, names: Iterable[str]) -> str:
    """Return a question whether the nearest of the names was meant, '' if none is near."""
    from difflib import get_close_matches  # only where something is wrong: it takes milliseconds

    (nearest,) = get_close_matches(typed, list(names), 1) or [""]
    return nearest and f"; did you mean {nearest}?"
