"""S3 and SQS in memory, as far as the programs use them, for one actor each; what a call suffers is up to the dice.

S3: conditional writes, ETags, ranged GET, LIST, multipart copy. SQS: visibility timeouts, redelivery, receipts.
A reply may be lost after its effect, with boto3's own repetition or without; a write may land long after its caller has
given up.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from hashlib import md5
from types import SimpleNamespace
from typing import Any, ClassVar

from botocore.exceptions import ClientError, ConnectionClosedError
from simulation.schedule import World

Reply = dict[str, Any]


def error(status: int, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "")


class Service:
    """Calls on their way: `call` decides whether they arrive, how often, when, and whether their reply does."""

    writes: frozenset[str] = frozenset()
    refusals = (("InternalError", 500), ("SlowDown", 503))
    conflicts = (("ConditionalRequestConflict", 409), ("PreconditionFailed", 412))

    def __init__(self, world: World, faults: float) -> None:
        self.world, self.faults = world, faults
        self.meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_, **__: None))

    def call(self, operation: str, effect: Callable[[], Reply], conditional: bool = False) -> Reply:
        world, chance = self.world, self.world.chance
        world.step(operation)
        name = world.actor.name if world.actor else "test"
        fault = "" if world.calm or chance.random() > self.faults else chance.choice(
            ("refused", "cut", "lost", "repeated", "late", "conflict"))  # fmt: skip
        world.note(name, operation, fault)
        if fault in ("late", "lost", "repeated") and operation not in self.writes:
            fault = "cut"
        if fault == "refused" or (fault == "conflict" and not conditional):
            raise error(*reversed(chance.choice(self.refusals)))
        if fault == "conflict":
            raise error(*reversed(chance.choice(self.conflicts)))
        if fault == "late":
            world.late.append(lambda: _harmless(effect))
        if fault in ("cut", "late"):
            raise ConnectionClosedError(endpoint_url="")
        try:
            if fault in ("lost", "repeated"):
                effect()
                world.step(operation)
                if fault == "repeated":  # by boto3, whose second attempt is answered
                    return effect()
                raise ConnectionClosedError(endpoint_url="")
            return effect()
        finally:
            world.step(operation)


def _harmless(effect: Callable[[], Reply]) -> None:
    with suppress(ClientError):
        effect()


@dataclass
class Stored:
    body: bytes
    etag: str
    modified: float


@dataclass
class Bucket:
    """What all actors see."""

    conditional: ClassVar[bool] = True  # False: a service that ignores conditions, for a test of the test

    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)


class S3(Service):
    writes = frozenset({"put", "complete", "create", "part", "copy", "abort"})

    def __init__(self, world: World, bucket: Bucket, faults: float) -> None:
        super().__init__(world, faults)
        self.bucket = bucket

    def put_object(self, *, Key: str, Body: bytes, IfMatch: str | None = None, IfNoneMatch: str | None = None,
                   **_: Any) -> Reply:  # fmt: skip
        assert IfMatch or IfNoneMatch, "a blind write"
        etag = f'"{md5(Body).hexdigest()}"'
        return self.call("put", lambda: self._store(Key, bytes(Body), etag, IfMatch), conditional=True)

    def get_object(self, *, Key: str, Range: str | None = None, IfNoneMatch: str | None = None, **_: Any) -> Reply:
        def effect() -> Reply:
            stored = self.bucket.objects.get(Key)
            if stored is None:
                raise error(404, "NoSuchKey")
            if IfNoneMatch == stored.etag:
                raise error(304, "304")
            body = stored.body
            if Range:
                first, last = Range.removeprefix("bytes=").split("-")
                if int(first) >= len(body):
                    raise error(416, "InvalidRange")
                body = body[int(first) : int(last) + 1 if last else None]
            modified = datetime.fromtimestamp(int(stored.modified), timezone.utc)
            return {"Body": io.BytesIO(body), "ETag": stored.etag, "LastModified": modified}

        return self.call("get", effect)

    def list_objects_v2(
        self, *, Prefix: str, StartAfter: str = "", MaxKeys: int = 1_000, Delimiter: str = "", **_: Any
    ) -> Reply:
        def effect() -> Reply:
            found = sorted(key for key in self.bucket.objects if key.startswith(Prefix) and key > StartAfter)
            if Delimiter:
                folders = {
                    key[: key.index(Delimiter, len(Prefix)) + 1] for key in found if Delimiter in key[len(Prefix) :]
                }
                return {"CommonPrefixes": [{"Prefix": folder} for folder in sorted(folders)]}
            truncated, found = len(found) > MaxKeys, found[:MaxKeys]
            return {"IsTruncated": truncated, "Contents": [
                {"Key": key, "Size": len(stored.body), "ETag": stored.etag,
                 "LastModified": datetime.fromtimestamp(int(stored.modified), timezone.utc)}
                for key in found for stored in [self.bucket.objects[key]]
            ]}  # fmt: skip

        return self.call("list", effect)

    def get_paginator(self, _: str) -> Any:
        def paginate(**options: Any) -> Iterator[Reply]:
            yield self.list_objects_v2(**options)

        return SimpleNamespace(paginate=paginate)

    def create_multipart_upload(self, **_: Any) -> Reply:
        def effect() -> Reply:
            id = f"upload-{self.world.chance.randrange(10**12)}"
            self.bucket.uploads[id] = {}
            return {"UploadId": id}

        return self.call("create", effect)

    def upload_part_copy(self, *, Key: str, UploadId: str, PartNumber: int, CopySourceIfMatch: str, **_: Any) -> Reply:
        def effect() -> Reply:
            stored = self.bucket.objects.get(Key)
            if stored is None or (stored.etag != CopySourceIfMatch and self.bucket.conditional):
                raise error(412, "PreconditionFailed")
            return {"CopyPartResult": {"ETag": self._part(UploadId, PartNumber, stored.body)}}

        return self.call("copy", effect, conditional=True)

    def upload_part(self, *, UploadId: str, PartNumber: int, Body: bytes, **_: Any) -> Reply:
        return self.call("part", lambda: {"ETag": self._part(UploadId, PartNumber, bytes(Body))})

    def complete_multipart_upload(
        self, *, Key: str, UploadId: str, MultipartUpload: Any, IfMatch: str, **_: Any
    ) -> Reply:
        def effect() -> Reply:
            parts = self.bucket.uploads.get(UploadId)
            if parts is None:
                raise error(404, "NoSuchUpload")
            for part in MultipartUpload["Parts"]:
                if part["ETag"] != f'"{md5(parts.get(part["PartNumber"], b"")).hexdigest()}"':
                    raise error(400, "InvalidPart")
            body = b"".join(parts[number] for number in sorted(parts))
            digests = b"".join(md5(parts[number]).digest() for number in sorted(parts))
            reply = self._store(Key, body, f'"{md5(digests).hexdigest()}-{len(parts)}"', IfMatch)
            del self.bucket.uploads[UploadId]
            return reply

        return self.call("complete", effect, conditional=True)

    def abort_multipart_upload(self, *, UploadId: str, **_: Any) -> Reply:
        return self.call("abort", lambda: self.bucket.uploads.pop(UploadId, {}) and {})

    def _part(self, upload: str, number: int, body: bytes) -> str:
        if upload not in self.bucket.uploads:
            raise error(404, "NoSuchUpload")
        self.bucket.uploads[upload][number] = body
        return f'"{md5(body).hexdigest()}"'

    def _store(self, key: str, body: bytes, etag: str, match: str | None) -> Reply:
        """Store an object where its condition holds: that it is the one with this ETag, or that there is none."""
        stored = self.bucket.objects.get(key)
        if self.bucket.conditional and (stored.etag if stored else None) != match:
            raise error(404, "NoSuchKey") if stored is None else error(412, "PreconditionFailed")
        self.bucket.objects[key] = Stored(body, etag, self.world.now)
        return {"ETag": etag}


@dataclass
class Waiting:
    id: str
    body: str
    attributes: dict[str, str]
    sent: float
    visible: float = 0.0
    receives: int = 0
    receipts: list[str] = field(default_factory=list)


Queues = dict[str, dict[str, Waiting]]  # messages by id, by queue


class SQS(Service):
    writes = frozenset({"send", "delete", "hide", "receive"})

    def __init__(self, world: World, queues: Queues, faults: float) -> None:
        super().__init__(world, faults)
        self.queues = queues

    def put(self, queue: str, body: str, attributes: dict[str, str]) -> None:
        """Send a message that arrives: the sender's troubles are not our subject."""
        id = f"message-{self.world.chance.randrange(10**12)}"
        self.queues[queue][id] = Waiting(id, body, attributes, self.world.now)

    def receive_message(
        self, *, QueueUrl: str, MaxNumberOfMessages: int, VisibilityTimeout: int = 30, **_: Any
    ) -> Reply:
        def effect() -> Reply:
            world, found = self.world, []
            for message in self.queues[QueueUrl].values():
                if message.visible <= world.now and len(found) < 3:
                    message.visible = world.now + VisibilityTimeout
                    message.receives += 1
                    message.receipts.append(f"{message.id}/{message.receives}")
                    found.append(message)
            return {"Messages": [
                {"MessageId": each.id, "ReceiptHandle": each.receipts[-1], "Body": each.body,
                 "Attributes": {"SentTimestamp": str(int(each.sent * 1000)),
                                "ApproximateReceiveCount": str(each.receives)},
                 "MessageAttributes": {name: {"StringValue": value} for name, value in each.attributes.items()}}
                for each in found
            ]}  # fmt: skip

        return self.call("receive", effect)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> Reply:
        def effect() -> Reply:
            for entry in Entries:
                attributes = {name: value["StringValue"] for name, value in entry["MessageAttributes"].items()}
                self.put(QueueUrl, entry["MessageBody"], attributes)
            return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

        return self.call("send", effect)

    def delete_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> Reply:
        def effect() -> Reply:
            for entry in Entries:
                id = entry["ReceiptHandle"].partition("/")[0]
                message = self.queues[QueueUrl].get(id)
                # An old receipt may work or not.
                if message and (message.receipts[-1] == entry["ReceiptHandle"] or self.world.chance.random() < 0.5):
                    del self.queues[QueueUrl][id]
            return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

        return self.call("delete", effect)
