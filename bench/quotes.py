"""What the page on costs quotes of what was measured: `python -m bench` writes it between marks, and a test compares.

A mark is `<!-- bench: NAME -->…<!-- end -->`. NAME is that of a goal, for what was measured of it,
or `machine SECTION`, or `table SECTION NUMBER` for a table of that section.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from bench.standin import ROOT

PAGES = [ROOT / "docs" / "explanation" / "costs.md"]
_MARK = re.compile(r"(<!-- bench: (.+?) -->).*?(<!-- end -->)", re.DOTALL)


def refreshed(text: str, found: dict[str, Any]) -> str:
    """Return the text of a page with all that it quotes as it was measured last; what never was stays as it is."""

    def replaced(match: re.Match[str]) -> str:
        with suppress(KeyError):
            return f"{match[1]}{quote(match[2], found)}{match[3]}"
        return match[0]

    return _MARK.sub(replaced, text)


def quote(name: str, found: dict[str, Any]) -> str:
    """Return what was measured under a name; KeyError where nothing was."""
    kind, *rest = name.split()
    if kind == "machine":
        return str(found[rest[0]]["machine"])
    if kind == "table":
        tables = [part for part in found[rest[0]]["parts"] if part.startswith("|")]
        return f"\n\n{tables[int(rest[1]) - 1]}\n\n"
    goals = {what: measured for section in found.values() for what, _, measured, _ in section["goals"]}
    return str(goals[name])
