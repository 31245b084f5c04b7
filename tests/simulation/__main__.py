"""Replay a schedule: python -m tests.simulation labellers 4711"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from simulation import labellers, servers

subject, seed = {"labellers": labellers, "servers": servers}[sys.argv[1]], int(sys.argv[2])
with tempfile.TemporaryDirectory() as folder, subject.simulated():
    violations, trace = subject.simulate(seed, Path(folder))
print("\n".join(trace))
print("\n".join(violations) or "All that must hold holds.")
sys.exit(bool(violations))
