"""What AWS calls cost, and a meter that counts them."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

# US dollars per million calls in us-east-1, without the free tier (the first million SQS calls of a month) and without
# the ten cents that SQS is said to add for messages with a group. From cloudburn.io/blog/amazon-sqs-pricing (March
# 2026) and c3x.dev/blog/s3-request-fees-explained (2026), read on 2026-11-24, not from AWS's own pages.
SQS_CALL = 0.40
S3_WRITE = 5.00  # PUT, COPY, POST and LIST
S3_READ = 0.40  # GET and all others
S3_FREE = 0.0  # DELETE and CANCEL

_S3_WRITES = {
    "PutObject",
    "ListObjectsV2",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "CompleteMultipartUpload",
    "CopyObject",
}
_S3_FREE = {"AbortMultipartUpload", "DeleteObject", "DeleteObjects"}


class Meter:
    """Counts the calls of boto3 clients, retries included, by (service, operation)."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def watch(self, client: Any) -> None:
        client.meta.events.register("before-send", self._count)

    @property
    def total(self) -> int:
        return sum(self.calls.values())

    @property
    def dollars(self) -> float:
        return sum(price(service, operation) * count for (service, operation), count in self.calls.items()) / 1e6

    def _count(self, event_name: str, **_rest: object) -> None:
        _, service, operation = event_name.split(".")
        with self._lock:
            self.calls[service, operation] += 1


def price(service: str, operation: str) -> float:
    """Return the dollars that a million calls of an operation cost."""
    if service == "s3":
        return S3_WRITE if operation in _S3_WRITES else S3_FREE if operation in _S3_FREE else S3_READ
    return SQS_CALL if service == "sqs" else 0.0
