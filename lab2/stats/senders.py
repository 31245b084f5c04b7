"""Message bodies that other programs send by mistake: what they are, and what the sender has to change."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

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


def advice_on(body: str) -> str:
    """Return what the sender of a body should change, '' if its kind is not known."""
    value = _json(body)
    decoded = _from_base64(value if isinstance(value, str) else body)
    inner = None if decoded is None else _json(decoded)
    if isinstance(inner, (dict, list)):
        return _advice(inner) or "the request is base64; send the JSON text itself"
    return _advice(value)


def _advice(value: Any) -> str:
    """Return what the sender of a decoded body should change, '' if its kind is not known."""
    records = value.get("Records") if isinstance(value, dict) else None
    record = records[0] if isinstance(records, list) and records else None
    if _has(value, "Type", "TopicArn", "Message") or _has(record, "Sns"):  # the record as Lambda gets and forwards it
        return "this is SNS's envelope; turn on raw message delivery of the subscription"
    if _has(value, "detail-type", "source", "detail"):
        return (
            "this is EventBridge's envelope; have the rule send the array alone, by an input path like $.detail.numbers"
        )
    if _has(record, "eventSource", "s3") or (_has(value, "Event") and value["Event"] == "s3:TestEvent"):
        return "this is an event of S3, which names an object; send the numbers themselves, like [3, 5.5]"
    pointer = value[1] if isinstance(value, list) and len(value) == 2 else value  # alone, or after its class
    if _has(pointer, "s3BucketName", "s3Key") or _has(pointer, "S3Payload"):
        return "this points to a body in S3, as SQS extended clients send it; send the numbers in the message itself"
    if any(_has(value, *names) for names in TASKS):
        return "this is a task, as celery or dramatiq send them; send the numbers by SQS's SendMessage, not as a task"
    if isinstance(value, str) and isinstance(_json(value), (dict, list)):
        return "the request is JSON in a JSON string; encode it once"
    return ""


def _has(value: Any, *names: str) -> bool:
    """Return whether a value is an object with all of these fields."""
    return isinstance(value, dict) and all(name in value for name in names)


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
