"""A process as AWS Lambda keeps it for a function: calls the handler with each event that comes, a line each.

An event comes on stdin as JSON, after the seconds that the function may take; the reply goes to stdout. An empty line
there says before that the function is imported, which does not count.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lab2.cli.function import handler


class Context:
    def __init__(self, timeout_s: float) -> None:
        self.ends = time.monotonic() + timeout_s

    def get_remaining_time_in_millis(self) -> int:
        return int((self.ends - time.monotonic()) * 1000)


replies, sys.stdout = sys.stdout, sys.stderr
print(file=replies, flush=True)
for line in sys.stdin:
    timeout_s, event = json.loads(line)
    print(json.dumps(handler(event, Context(timeout_s))), file=replies, flush=True)
