"""Run the crash matrix and write tests/crash/RESULTS.md; with arguments for pytest, only print a part of it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.faults import FAULTS  # noqa: E402

Case = tuple[str, str, bool]  # the name of the test, its file, and whether it passed


def page(cases: Iterable[Case]) -> str:
    """Return the page: what was killed or disturbed at each call it makes, then the other cases by file."""
    grid: Counter[object] = Counter()
    others: Counter[str] = Counter()
    passed: Counter[object] = Counter()
    for name, file, fine in cases:
        test, _, parameters = name.removeprefix("test_").rstrip("]").partition("[")
        call, _, fault = parameters.rpartition("-")
        if call and fault in FAULTS:
            cell: object = (test.replace("_", " "), fault)
            grid[test.replace("_", " "), fault] += 1
        else:
            cell = file
            others[file] += 1
        passed[cell] += fine

    def shown(cell: object, count: int) -> str:
        return str(count) if passed[cell] == count else f"**{passed[cell]} of {count}**"

    tests = sorted({test for test, _ in grid})
    return "\n".join(
        [
            "# The crash matrix",
            "",
            f"`make crashes` on {time.strftime('%Y-%m-%d')}: {passed.total()} of {(grid + others).total()} passed.",
            "Each program meets each fault at each of its calls:",
            "",
            f"| cases passed | {' | '.join(FAULTS)} |",
            f"|---|{'--:|' * len(FAULTS)}",
            *(
                f"| {test} | {' | '.join(shown((test, fault), grid[test, fault]) for fault in FAULTS)} |"
                for test in tests
            ),
            "",
            "And other cases:",
            "",
            "| file | cases passed |",
            "|---|--:|",
            *(f"| `{file}` | {shown(file, others[file])} |" for file in sorted(others)),
            "",
        ]
    )


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.xml"
        pytest = [sys.executable, "-m", "pytest", "-n6", "--dist=worksteal", "tests/crash", f"--junit-xml={result}"]
        code = subprocess.call([*pytest, *arguments], cwd=ROOT)
        cases = ElementTree.parse(result).iter("testcase")
        text = page(
            (case.attrib["name"], f"{case.attrib['classname'].replace('.', '/')}.py", not len(case)) for case in cases
        )
    if not arguments:
        (ROOT / "tests" / "crash" / "RESULTS.md").write_text(text)
    print(text)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
