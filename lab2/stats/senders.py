"""Message bodies that other programs send by mistake: what they are, and what the sender has to change."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, NamedTuple

# Byte order mark, zero-width and direction marks, spaces: what editors and tools put invisibly around a body.
INVISIBLE = (
    "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069 \t\r\n\xa0"
)
TASKS = (  # fields that identify a task of each
    ("body", "headers", "properties"),  # celery, version 2
    ("task", "args"),  # celery, version 1
    ("actor_name", "args"),  # dramatiq
    ("task_name", "args"),  # taskiq
    ("job_class", "arguments"),  # Active Job, Shoryuken
    ("job", "data"),  # Laravel
)


class Kind(NamedTuple):
    """A kind of foreign body: whether a decoded body is of this kind, and the advice for its sender."""

    matches: Callable[[Any], bool]
    advice: str


def advice_on(body: str) -> str:
    """Return what the sender of a body should change, '' if its kind is not known."""
    value = _json(body)
    decoded = _from_base64(value if isinstance(value, str) else body)
    inner = None if decoded is None else _json(decoded)
    if isinstance(inner, (dict, list)):
        return _advice(inner) or "the request is base64; send the JSON text itself"
    return _advice(value)


def _advice(value: Any) -> str:
    return next((kind.advice for kind in KINDS if kind.matches(value)), "")


def _has(*names: str) -> Callable[[Any], bool]:
    """Return a predicate: whether a value is an object with all of these fields."""
    return lambda value: isinstance(value, dict) and all(name in value for name in names)


def _is_event_of_s3(value: Any) -> bool:
    records = value.get("Records") if isinstance(value, dict) else None
    if isinstance(records, list) and records:
        return _has("eventSource", "s3")(records[0])
    return isinstance(value, dict) and str(value.get("Event")) == "s3:TestEvent"


def _is_pointer(value: Any) -> bool:
    """Return whether this is a pointer to S3, alone or after the name of its class."""
    pointer = value[1] if isinstance(value, list) and len(value) == 2 else value
    return _has("s3BucketName", "s3Key")(pointer) or _has("S3Payload")(pointer)


def _is_task(value: Any) -> bool:
    return any(_has(*names)(value) for names in TASKS)


def _is_from_sns(value: Any) -> bool:
    records = value.get("Records") if isinstance(value, dict) else None
    lambdas = isinstance(records, list) and records and _has("Sns")(records[0])  # as Lambda gets and forwards it
    return bool(lambdas) or _has("Type", "TopicArn", "Message")(value)


def _is_json_in_json(value: Any) -> bool:
    return isinstance(value, str) and isinstance(_json(value), (dict, list))


KINDS = (
    Kind(
        _is_from_sns,
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
        _is_task,
        "this is a task, as celery or dramatiq send them; send the numbers by SQS's SendMessage, not as a task",
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
        text = "".join(text.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
