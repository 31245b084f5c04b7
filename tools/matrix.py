"""Run the crash matrix, print its table, and keep it in docs/matrix.md."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
FILES = ("tests/crash/test_matrix.py", "tests/crash/test_matrix_labeller.py")
AT_EACH_CALL = {"server", "client", "label", "label past five megabytes", "upload"}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.xml"
        code = subprocess.call([sys.executable, "-m", "pytest", "-n", "2", f"--junit-xml={result}", *FILES], cwd=ROOT)
        cases, passed = Counter[str](), Counter[str]()
        for case in ElementTree.parse(result).iter("testcase"):
            test, _, parameters = case.attrib["name"].removeprefix("test_").rstrip("]").partition("[")
            name = test.replace("_", " ")
            if name in AT_EACH_CALL:
                name += f": {parameters.rpartition('-')[2]}, at each call"
            cases[name] += 1
            passed[name] += len(case) == 0
    lines = [
        "# The crash matrix",
        "",
        f"`make matrix` on {time.strftime('%Y-%m-%d')}: {passed.total()} of {cases.total()} cases passed.",
        "",
        "| what happens | cases | passed |",
        "|---|--:|--:|",
        *(f"| {name} | {count} | {passed[name]} |" for name, count in cases.items()),
    ]
    text = "\n".join(lines) + "\n"
    (ROOT / "docs" / "matrix.md").write_text(text)
    print(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
