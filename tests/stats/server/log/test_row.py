"""The lines of the log: what is read of them quickly, and what they say when they are decoded."""

from __future__ import annotations

from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from lab2.stats.protocol import answer_request, encode_answer
from lab2.stats.server.log.row import Closing, LoggedRow, decode_line, encode_row, link, quick_id

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(TEXT, TEXT, TEXT)
def test_the_quick_id_of_a_row_is_its_id_or_left_to_the_decoder(id: str, client: str, request: str) -> None:
    row = encode_row(id, client, request, encode_answer(answer_request(id, request)), NOW, client)
    line = row.line("0123456789ab", 7)
    for each in (line.rstrip(b"\n"), link(line, "0" * 64).rstrip(b"\n")):
        assert decode_line(each) == LoggedRow(id, row.answer, "0123456789ab", 7)
        is_plain = id.isascii() and id.isprintable() and not {'"', "\\"} & {*id}
        assert quick_id(each) == (id if is_plain else "")


def test_what_is_no_whole_row_has_no_quick_id() -> None:
    line = encode_row("1", "me", "[1]", '{"id": "1", "mean": 1}', NOW).line("0123456789ab", 1).rstrip(b"\n")
    others = (
        b"",
        line[:-1],
        b" " + line,
        line.replace(b'"v": 1', b'"v": 2'),
        Closing("2026-11-22", "2026-11-23").line(),
    )
    assert [quick_id(each) for each in (line, *others)] == ["1", "", "", "", "", ""]
