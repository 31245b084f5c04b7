"""Bodies as other programs send them: what each is, and what its sender has to change."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, NamedTuple

INVISIBLE = "\ufeff\u200b\u2060"  # byte order mark and other marks without width, which editors and tools put in front


class Kind(NamedTuple):
    """A kind of foreign body: whether a decoded body is of it, and what its sender is told."""

    matches: Callable[[Any], bool]
    advice: str


def advice_on(body: str) -> str:
    """Return what the sender of a body should change, '' if it is of no kind that is known."""
    value = _json(body)
    if value is None and (text := _from_base64(body)) is not None:
        value = _json(text)
        if isinstance(value, (dict, list)):
            return _advice(value) or "the request is base64; send the JSON text itself"
    return _advice(value)


def _advice(value: Any) -> str:
    return next((kind.advice for kind in KINDS if kind.matches(value)), "")


def _has(*names: str) -> Callable[[Any], bool]:
    """Return a condition: that a value is an object with all of these fields."""
    return lambda value: isinstance(value, dict) and all(name in value for name in names)


def _is_event_of_s3(value: Any) -> bool:
    records = value.get("Records") if isinstance(value, dict) else None
    if isinstance(records, list) and records:
        return _has("eventSource", "s3")(records[0])
    return isinstance(value, dict) and str(value.get("Event")) == "s3:TestEvent"


def _is_pointer(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and value[0].endswith("S3Pointer")
        and isinstance(value[1], dict)
    )


def _is_json_in_json(value: Any) -> bool:
    return isinstance(value, str) and isinstance(_json(value), (dict, list))


KINDS = (
    Kind(
        _has("Type", "TopicArn", "Message"),
        "this is SNS's envelope; turn on raw message delivery of the subscription",
    ),
    Kind(
        _has("detail-type", "source", "detail"),
        "this is EventBridge's envelope; have the rule send the array alone, by an input path like $.detail.numbers",
    ),
    Kind(
        _is_event_of_s3,
        "this is an event of S3, which names an object; send the numbers themselves, like [3, 5.5]",
    ),
    Kind(
        _is_pointer,
        "this points to a body in S3, as SQS extended clients send it; send the numbers in the message itself",
    ),
    Kind(
        _has("body", "headers", "properties"),
        "this is a task of celery; send the numbers by SQS's SendMessage, not as a task",
    ),
    Kind(
        _has("actor_name", "args", "queue_name"),
        "this is a message of dramatiq; send the numbers by SQS's SendMessage, not through an actor",
    ),
    Kind(
        _is_json_in_json,
        "the request is JSON in a JSON string; encode it once",
    ),
)


def _json(text: str) -> Any:
    try:
        return json.JSONDecoder(parse_int=float).decode(text.strip(INVISIBLE))
    except (ValueError, RecursionError):
        return None


def _from_base64(text: str) -> str | None:
    try:
        return base64.b64decode("".join(text.split()).translate(str.maketrans("-_", "+/")), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
