"""With --verbose: every reply of AWS with its request id, which AWS's support asks for."""

from __future__ import annotations

import logging
from typing import Any

from lab2.events import LOGGER, log_event
from lab2.terminal import printable


def watch(client: Any) -> None:
    """Log the replies to a boto3 client, with --verbose."""
    if LOGGER.isEnabledFor(logging.DEBUG):
        client.meta.events.register("after-call", _log_parsed)


def log_reply(service: str, operation: str, status: int, request_id: str, retries: int = 0) -> None:
    if LOGGER.isEnabledFor(logging.DEBUG):
        again = f", {retries} retries" if retries else ""
        sentence = f"{service} {operation}: HTTP {status}, request id {printable(request_id)}{again}"
        fields = {"service": service, "operation": operation, "status": status, "request_id": request_id}
        log_event("aws_reply", sentence, logging.DEBUG, **fields, retries=retries)


def log_left_to_boto3(service: str, operation: str, reason: str) -> None:
    """Log that a call is repeated by boto3, and why it failed without."""
    sentence = f"{service} {operation} again, by boto3: {reason}"
    log_event("left_to_boto3", sentence, logging.DEBUG, service=service, operation=operation, reason=reason)


def _log_parsed(event_name: str, parsed: dict[str, Any], **_rest: object) -> None:
    _, service, operation = event_name.split(".")
    reply = parsed.get("ResponseMetadata", {})
    id = str(reply.get("RequestId", "unknown"))
    log_reply(service, operation, int(reply.get("HTTPStatusCode", 0)), id, int(reply.get("RetryAttempts", 0)))
