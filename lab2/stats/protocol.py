"""The wire format of docs/reference/protocol.md: a request and the answer to it, encoded and decoded."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any, NamedTuple

from lab2.errors import InvalidInput
from lab2.stats.senders import INVISIBLE, advice_on
from lab2.stats.series import check_number, check_series, json_array, shortest
from lab2.stats.summary import Summary, summarise

MAX_CHARACTERS = 10_000  # of a request; ten numbers take some 250

# Integers are decoded as doubles: a Python integer of a million digits would take minutes.
_decode = json.JSONDecoder(parse_int=float).decode
_encode = json.JSONEncoder().encode


class Answer(NamedTuple):
    """The answer to the request `id`: the numbers and their summary, or an `error` in plain words.

    `summary` has the fields of `Summary` by name, but for those that a server of another version does not know.
    """

    id: str
    numbers: tuple[float, ...] = ()
    summary: Mapping[str, float] = MappingProxyType({})
    error: str | None = None


def new_id() -> str:
    """Return a new id, the idempotency key of a request.

    It starts with the current time (UTC): a server need not look for it in what was logged before.
    """
    return f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}-{os.urandom(10).hex()}"


def encode_request(numbers: Sequence[float]) -> str:
    """Return the body of a request: a JSON array of numbers in their shortest exact form."""
    return json_array(check_series(numbers))


def decode_request(body: str) -> list[float]:
    """Return the numbers in the body of a request; InvalidInput unless it is an array of 1 to 10 numbers >= 0."""
    if len(body) > MAX_CHARACTERS:
        raise InvalidInput(f"the request is longer than {MAX_CHARACTERS} characters")
    try:
        series = _decode(body.strip(INVISIBLE))
    except (ValueError, RecursionError):
        raise InvalidInput("the request is not JSON; send an array of numbers like [3, 5.5]") from None
    if not isinstance(series, list):
        raise InvalidInput("the request is not an array; send numbers like [3, 5.5]")
    return check_series(series)


def answer_request(id: str, body: str) -> Answer:
    """Return the answer to a request: its summary, or the reason why it is rejected."""
    try:
        numbers = decode_request(body)
        return Answer(id, tuple(numbers), summarise(numbers)._asdict())
    except InvalidInput as reason:
        return Answer(id, error=(len(body) <= MAX_CHARACTERS and advice_on(body)) or str(reason))


def encode_answer(answer: Answer) -> str:
    """Return the body of an answer: a JSON object."""
    if answer.error is not None:
        return _encode({"id": answer.id, "error": answer.error})
    summary = ", ".join([f'"{name}": {shortest(value)}' for name, value in answer.summary.items()])
    return f'{{"id": {_encode(answer.id)}, "numbers": {json_array(answer.numbers)}, {summary}}}'


def decode_answer(body: str) -> Answer:
    """Return the answer in a body; InvalidInput if it is not an answer."""
    try:
        return decode_answer_fields(_decode(body))
    except (ValueError, RecursionError):
        raise InvalidInput("not an answer") from None


def decode_answer_fields(fields: Any) -> Answer:
    """Return the answer in a decoded JSON value; InvalidInput if it is not one."""
    try:
        if error := fields.get("error"):
            return Answer(_text(fields["id"]), error=_text(error))
        summary = {name: check_number(fields[name]) for name in Summary._fields if name in fields}
        if not summary:
            raise InvalidInput("no summary")
        return Answer(_text(fields["id"]), tuple(check_series(fields["numbers"])), summary)
    except (ValueError, AttributeError, KeyError, TypeError):
        raise InvalidInput("not an answer") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput("not text")
    return value
