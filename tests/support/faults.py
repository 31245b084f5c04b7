"""What can happen to a call, for the crash matrix."""

from __future__ import annotations

from collections.abc import Callable

from support.proxy import Fault

# A fault is made for the process that it may kill.
FAULTS: dict[str, Callable[[Callable[[], None]], Fault]] = {
    "killed before": lambda kill: Fault(before=kill, cut=True),
    "killed after": lambda kill: Fault(after=kill, lost=True),
    "reply lost": lambda kill: Fault(lost=True),
    "connection cut": lambda kill: Fault(cut=True),
    "refused, 500": lambda kill: Fault(refuse=(500, "InternalError")),
    "throttled": lambda kill: Fault(refuse=(503, "SlowDown")),
}
