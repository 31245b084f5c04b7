"""The house: who may import whom, read from the source by AST; and what a client imports before its first prompt."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pexpect
import pytest
from support.world import PATIENCE, ROOT, World

# A room is a folder of lab2, the ground is what stands beside them. What a room may import besides itself:
MAY_IMPORT = {
    "launcher": {"cli"},
    "cli": {"stats", "labelling", "local", "aws", "system", "ground"},
    "stats": {"aws", "system", "ground"},
    "labelling": {"aws", "system", "ground"},
    "local": {"aws", "system", "ground"},
    "aws": {"system", "ground"},
    "system": {"ground"},
    "ground": set(),
}
POSIX_ONLY = {"fcntl", "grp", "pwd", "resource", "termios", "tty"}
NUMBERS = ("lab2.labelling.display.", "lab2.labelling.pictures.decoding.", "lab2.labelling.labels.columns")
SHADOWS = {"platform", "queue", "select", "signal", "statistics"}  # of the standard library
SLOW = {"csv", "dataclasses", "datetime", "inspect", "json", "random"}  # several milliseconds each
# What argparse alone imports as it is used: since Python 3.14 that is dataclasses and inspect, for its colours.
OF_ARGPARSE = "import argparse, sys; argparse.ArgumentParser().add_argument('--x', help='x'); print(*sys.modules)"
# Run a program to its first question, name what it has imported, and wait until boto3 is, too.
UNTIL_THE_PROMPT = """
import builtins, os, runpy, sys, time
loaded = set(sys.modules)
def show(question):
    print("Before", question, *sorted(set(sys.modules) - loaded))
    while "boto3" not in sys.modules:
        time.sleep(0.01)
    print("Then boto3", flush=True)
    os._exit(0)
builtins.input = show
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True)
class Import:
    """A module that is imported by another: at its top or in a function, really or (`for_types`) by mypy only.

    `on_some_systems`: the import depends on `sys.platform`.
    """

    importer: str
    imported: str
    line: int
    in_function: bool
    for_types: bool
    on_some_systems: bool

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}, imports {self.imported}"


def imports_of(module: str, source: str) -> Iterator[Import]:
    """Yield what a module imports; `from lab2.aws import sqs` imports the module lab2.aws.sqs.message_queue."""

    def walk(node: ast.AST, in_function: bool, for_types: bool, on_some_systems: bool) -> Iterator[Import]:
        test = ast.unparse(node.test) if isinstance(node, ast.If) else ""
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{module} imports by a relative name"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in inner]
        else:
            names = []
        for name in names:
            yield Import(module, name, node.lineno, in_function, for_types, on_some_systems)
        for child in ast.iter_child_nodes(node):
            yield from walk(
                child,
                in_function or isinstance(node, ast.FunctionDef),
                for_types or test == "TYPE_CHECKING",
                on_some_systems or test.startswith("sys.platform"),
            )

    yield from walk(ast.parse(source), False, False, False)


def room(module: str) -> str:
    first, *rest = module.split(".")
    return (
        "launcher"
        if first != "lab2" or rest == ["__main__"]
        else rest[0]
        if rest and (ROOT / "lab2" / rest[0]).is_dir()
        else "ground"
    )


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


SOURCES = [*(ROOT / "lab2").rglob("*.py"), *(ROOT / f"{name}.py" for name in ("client", "server", "hotdog"))]
MODULES = {dotted(path): path.read_text() for path in SOURCES}


@cache
def imports() -> list[Import]:
    """Return what all modules import; a second's work, for a test and not for the collection of tests."""
    return [found for module, source in MODULES.items() for found in imports_of(module, source)]


def imports_of_ours() -> list[Import]:
    return [found for found in imports() if found.imported in MODULES]


def assert_none(broken: Callable[[Import], bool]) -> None:
    assert "\n".join(str(found) for found in imports() if broken(found)) == ""


def test_imports_of_our_own_point_one_way() -> None:
    """So the statistics and the labelling never meet, AWS knows neither, and nobody knows the command line."""
    assert {room(module) for module in MODULES} == set(MAY_IMPORT)
    assert_none(
        lambda found: (
            found.imported in MODULES
            and room(found.imported) not in {room(found.importer), *MAY_IMPORT[room(found.importer)]}
        )
    )


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for found in imports_of_ours():
        graph.setdefault(found.importer, set()).add(found.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_opencv_and_numpy_are_imported_by_what_decodes_draws_or_counts_millions_only() -> None:
    """Programs start without them, so nothing that is imported at their start imports such a module at its top."""
    of_opencv = [found for found in imports() if found.imported.split(".")[0] in ("cv2", "numpy")]
    at_top = {found.importer for found in of_opencv if not (found.in_function or found.for_types)}
    while (
        more := {
            found.importer
            for found in imports_of_ours()
            if found.imported in at_top and not (found.in_function or found.for_types)
        }
        - at_top
    ):
        at_top |= more
    assert all(module.startswith(NUMBERS) for module in at_top), at_top
    assert_none(lambda found: found in of_opencv and not found.importer.startswith(NUMBERS))


def test_modules_that_windows_lacks_are_imported_in_one_room_only_and_not_on_windows() -> None:
    assert_none(
        lambda found: (
            found.imported in POSIX_ONLY and not (found.on_some_systems and found.importer.startswith("lab2.system."))
        )
    )


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_and_hides_none_of_the_standard_library(module: str) -> None:
    assert len(MODULES[module].splitlines()) <= (30 if room(module) == "launcher" else 400)
    assert module.rpartition(".")[2] not in SHADOWS


def test_the_first_prompt_waits_for_the_standard_library_only_and_for_nothing_slow_in_it(world: World) -> None:
    starts = []
    for _ in range(3):  # on a busy machine what is imported in the background may come before the prompt, at times
        person = pexpect.spawn(sys.executable, ["-c", UNTIL_THE_PROMPT, str(ROOT / "client.py")], env=world.env,
                               cwd=str(world.home), encoding="utf-8", timeout=PATIENCE)  # fmt: skip
        person.expect(r"Before Number 1 of 10 .*: (.*)\r\n")
        starts.append({str(name) for name in person.match[1].split()})
        person.expect("Then boto3")
        person.expect(pexpect.EOF)
    imported = set.intersection(*starts)
    assert "argparse" in imported
    of_argparse = subprocess.run([sys.executable, "-c", OF_ARGPARSE], capture_output=True, text=True, check=True).stdout
    assert not imported & SLOW - set(of_argparse.split())
    assert {name for name in imported if name.split(".")[0] not in {*sys.stdlib_module_names, "lab2"}} == set()
