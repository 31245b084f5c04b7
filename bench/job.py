"""The server's job without AWS: the row and the answer of a message, for what server.py is measured beside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from lab2.stats.protocol import answer_request, encode_answer
from lab2.stats.server.log.row import encode_row

BUCKET = "lab2"


def row_and_answer(message: dict[str, Any]) -> tuple[bytes, str]:
    """Return the row to log and the answer: the same for all, so that only their ways with AWS differ."""
    id = message["MessageAttributes"]["id"]["StringValue"]
    client = message["MessageAttributes"]["client"]["StringValue"]
    answer = encode_answer(answer_request(id, message["Body"]))
    return encode_row(id, client, message["Body"], answer, datetime.now(timezone.utc)).line("bench", 1), answer


def entries(messages: Sequence[dict[str, Any]], answers: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"Id": str(at), "MessageBody": answer, "MessageAttributes": message["MessageAttributes"]}
        for at, (message, answer) in enumerate(zip(messages, answers, strict=True))
    ]


def receipts(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(messages)]
