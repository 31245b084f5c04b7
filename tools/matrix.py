"""Run the crash matrix, print its table, keep it in docs/matrix.md. With arguments for pytest: print a part of it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.faults import FAULTS  # noqa: E402


def row(case: str) -> str:
    """Return which row of the table a test case belongs to: its test, and the fault where each call has one in turn."""
    test, _, parameters = case.removeprefix("test_").rstrip("]").partition("[")
    call, _, fault = parameters.rpartition("-")
    return test.replace("_", " ") + (f": {fault}, at each call" if call and fault in FAULTS else "")


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.xml"
        pytest = [sys.executable, "-m", "pytest", "-n4", "--dist=worksteal", "tests/crash", f"--junit-xml={result}"]
        code = subprocess.call([*pytest, *arguments], cwd=ROOT)
        cases = [(row(case.attrib["name"]), len(case) == 0) for case in ElementTree.parse(result).iter("testcase")]
    count, passed = Counter(name for name, _ in cases), Counter(name for name, fine in cases if fine)
    lines = [
        "# The crash matrix",
        "",
        f"`make matrix` on {time.strftime('%Y-%m-%d')}: {passed.total()} of {count.total()} cases passed.",
        "",
        "| what happens | cases | passed |",
        "|---|--:|--:|",
        *(f"| {name} | {count[name]} | {passed[name]} |" for name in sorted(count)),
    ]
    text = "\n".join(lines) + "\n"
    if not arguments:
        (ROOT / "docs" / "matrix.md").write_text(text)
    print(text)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
