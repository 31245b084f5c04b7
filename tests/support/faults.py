"""What can happen to a call, for the crash matrix; and which of its cases run always."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from _pytest.mark import ParameterSet
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

# What S3 may answer to a write instead of taking it.
REFUSALS = {"409": (409, "ConditionalRequestConflict"), "412": (412, "PreconditionFailed"), "500": (500, "Oops"),
            "503": (503, "SlowDown"), "403": (403, "AccessDenied")}  # fmt: skip


def at_each_call(calls: Iterable[str], faults: Iterable[str] = FAULTS, always: int = len(FAULTS)) -> list[ParameterSet]:
    """Return each call with each fault, to parametrize ("call", "fault").

    So many of them run `always`, each with a fault and, if possible, a call of its own; the others are long.
    """
    names, kinds = list(calls), list(faults)
    brief = {(names[number * len(names) // len(kinds)], fault) for number, fault in enumerate(kinds[:always])}
    return [
        pytest.param(call, fault, id=f"{call}-{fault}", marks=() if (call, fault) in brief else pytest.mark.long)
        for call in names
        for fault in kinds
    ]


def first_always(values: Iterable[Any], always: int = 1) -> list[Any]:
    """Return the values, to parametrize one argument; but for the first ones they are long."""
    return [
        pytest.param(value, marks=() if number < always else pytest.mark.long) for number, value in enumerate(values)
    ]
