"""What RESULTS.md and the documentation say was measured is what was measured."""

from __future__ import annotations

import re

from support.world import ROOT

from bench.book import MARK, QUOTING, REPORT, as_markdown, refreshed, results


def test_results_md_says_what_was_measured() -> None:
    assert REPORT.read_text() == as_markdown(results())


def test_the_documentation_quotes_what_was_measured() -> None:
    text = QUOTING.read_text()
    assert len(MARK.findall(text)) >= 5
    assert refreshed(text, results()) == text, f"python -m bench brings {QUOTING} up to date"


def test_every_section_was_measured_and_says_where_and_when() -> None:
    named = re.findall(r'"(\w+)": \w+\.\w+,', (ROOT / "bench" / "__main__.py").read_text())
    assert named == list(results())
    assert all(re.match(r"\d{4}-\d\d-\d\d; .* cores, load", each["machine"]) for each in results().values())
