"""What is run now and then, by `make` or as `python -m tools.NAME`; uses the worlds and servers of the tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
