"""Run the crash matrix and write tests/crash/RESULTS.md; with arguments for pytest, only print a part of it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from support.faults import FAULTS
from support.world import ROOT


def page(cases: Iterable[ElementTree.Element]) -> str:
    """Return the page: what was killed or disturbed at each call it makes, then the other cases by file."""
    grid: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    others: dict[str, list[bool]] = defaultdict(list)
    for case in cases:
        test, _, parameters = case.get("name").removeprefix("test_").rstrip("]").partition("[")
        call, _, fault = parameters.rpartition("-")
        file = case.get("classname").replace(".", "/") + ".py"
        known = call and fault in FAULTS
        (grid[test.replace("_", " ")][fault] if known else others[file]).append(not len(case))  # a failure has a reason
    every = [fine for row in (*grid.values(), others) for cell in row.values() for fine in cell]
    lines = [
        "# The crash matrix\n",
        f"`make crashes` on {time.strftime('%Y-%m-%d')}: {sum(every)} of {len(every)} passed.",
        "Each program meets each fault at each of its calls:\n",
        f"| cases passed | {' | '.join(FAULTS)} |",
        f"|---|{'--:|' * len(FAULTS)}",
        *(f"| {test} | {' | '.join(shown(grid[test][fault]) for fault in FAULTS)} |" for test in sorted(grid)),
        "\nAnd other cases:\n\n| file | cases passed |\n|---|--:|",
        *(f"| `{file}` | {shown(others[file])} |" for file in sorted(others)),
    ]
    return "\n".join([*lines, ""])


def shown(cell: list[bool]) -> str:
    return str(len(cell)) if all(cell) else f"**{sum(cell)} of {len(cell)}**"


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.xml"
        pytest = [sys.executable, "-m", "pytest", "-n6", "--dist=worksteal", "tests/crash", f"--junit-xml={result}"]
        code = subprocess.call([*pytest, *arguments], cwd=ROOT)
        text = page(ElementTree.parse(result).iter("testcase"))
    if not arguments:
        (ROOT / "tests" / "crash" / "RESULTS.md").write_text(text)
    print(text)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
