"""What the three programs cost and how fast they are; uses the proxy, worlds and simulation of the tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
