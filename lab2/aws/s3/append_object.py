"""One S3 object, many writers, append only: each row is in it exactly once, even if processes are killed at any moment.

S3 can't append, so an append puts the whole object again by a conditional write: If-Match says that nobody else has
written to it since we last read it (optimistic concurrency). Many rows go into one write (group commit). From 5 MiB
on S3 itself copies the object as the first part of a multipart upload, and only the new rows travel. After any
doubtful reply the rows that were added meanwhile are read before anything is written again: boto3 repeats a PUT whose
response was lost, and the repeated one is refused although the first landed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from lab2.aws.failures import DENIED_CODES, EXISTS_CODES, MISSING_KEY_CODES, RACE_CODES, error_code
from lab2.aws.retry import conflict_backoff
from lab2.aws.s3.find_key import find_key, is_missing

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

COPY_FROM = 5 * 2**20  # bytes; S3 accepts a smaller part only as the last one of an upload
SLOW = 5.0  # seconds of a write; one that took longer hung, and does not predict the next
OVERLAP = 256  # bytes of a large object that are read again, to tell an append from a replaced object
RANGE_CODES = {"InvalidRange", "416"}  # the object is shorter
CONFLICT_CODES = EXISTS_CODES | RACE_CODES | MISSING_KEY_CODES | {"NoSuchUpload"}  # someone else was first


class RowIndex(Protocol):
    """The rows that the object is known to have."""

    def add(self, rows: Sequence[bytes]) -> None:
        """Note rows that were found at the end of the object, or written there."""

    def replace(self, rows: Sequence[bytes]) -> None:
        """Note all rows of the object, which was read from its start: perhaps it is not the one of before."""

    def missing(self, rows: Sequence[bytes]) -> list[bytes]:
        """Return the rows that the object does not have, in their order, each once."""


class AppendObject:
    """The rows of one S3 object. Not thread-safe: one thread appends, many rows at a time.

    A row is bytes without a line end. `header` is written first into a new object.
    """

    def __init__(
        self,
        s3: S3Client,
        bucket: str,
        key: str,
        seen: RowIndex,
        header: bytes = b"",
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.s3, self.bucket, self.key, self.seen, self.header, self.sleep = s3, bucket, key, seen, header, sleep
        self.etag: str | None = None  # None: there is no object
        self.size = 0
        self.known = False  # whether etag and size have ever been looked up
        self.complete = True  # whether `seen` knows every row, and not only those from our first look on
        self.took = 0.0  # seconds of the last write, refused or not; SLOW at most
        self._body: bytearray | None = bytearray()  # the whole object; None from 5 MiB on
        self._last = b"\n"  # its last bytes, OVERLAP at most

    def append(self, rows: Sequence[bytes]) -> None:
        """Return when all rows are durable in the object, each once; raises what botocore raises.

        After an error some of the rows may be in the object. Appending them again is safe.
        """
        attempt = 0
        while not self.try_append(rows):
            attempt += 1
            self.sleep(conflict_backoff(attempt, self.took))
            self.refresh()  # a small question before many bytes that may be refused once more

    def try_append(self, rows: Sequence[bytes]) -> bool:
        """Append the rows that are missing, in one conditional write; False where someone else was first."""
        if not self.known:
            self.refresh()
        rows = self.seen.missing(rows)
        if not rows:
            return True
        started, existed = time.monotonic(), self.etag is not None
        try:
            self._write(rows)
        except (ClientError, BotoCoreError) as error:
            self.took = min(SLOW, time.monotonic() - started)
            # Whatever the reply was, what is in the object counts.
            self.refresh(exists=error_code(error) in EXISTS_CODES)
            if not self.seen.missing(rows):
                return True
            if error_code(error) in CONFLICT_CODES or (existed and self.etag is None):
                return False  # the object was deleted: some callers get a 403 for that
            raise
        self.took = min(SLOW, time.monotonic() - started)
        self.seen.add(rows)
        return True

    def refresh(self, exists: bool = False) -> None:
        """Read what was appended since we last looked, and tell `seen`.

        Where S3 has just answered that the object `exists`, it is not asked whether it does. Only the very first look
        at an object of 5 MiB or more leaves its rows unread: nothing that we are to append can be in it yet.
        """
        if not self.known or self.etag is None:
            if exists:
                with suppress(ClientError):  # such as that it was deleted meanwhile
                    return self._read_whole()
            return self._open()
        overlap = b"" if self._body is not None else self._last  # a small object has an MD5 to tell by
        span = f"bytes={self.size - len(overlap)}-"
        try:
            reply = self.s3.get_object(Bucket=self.bucket, Key=self.key, Range=span, IfNoneMatch=self.etag)
        except ClientError as error:
            if error_code(error) in ("304", "NotModified"):
                return None
            if error_code(error) in MISSING_KEY_CODES | DENIED_CODES | RANGE_CODES:
                return self._open()  # it is missing, or shorter than it was: not an append
            raise
        tail = reply["Body"].read()
        added = tail[len(overlap) :]
        appended = tail.startswith(overlap) and added != b""
        if not appended or (self._body is not None and not _is_md5(reply["ETag"], self._body, added)):
            return self._open()  # replaced, or appended to by an upload in parts, whose ETag is no MD5
        self._know(reply["ETag"], self.size + len(added), None if self._body is None else self._body + added, added)
        self.seen.add(self.split(added))
        return None

    def read_all(self) -> None:
        """Like `refresh`, and from then on `seen` knows every row, however large the object is."""
        self.refresh()
        if not self.complete:
            self._read_whole()

    def start(self, count: int) -> bytes:
        """Return the first bytes of the object, as it was when last looked at where it is small."""
        return self.read(0, count) if self._body is None else bytes(self._body[:count])

    def read(self, start: int = 0, end: int | None = None) -> bytes:
        """Return the bytes of the object from `start` to `end` (exclusive; None: all), b'' where there are none."""
        try:
            span = f"bytes={start}-{'' if end is None else end - 1}"
            body: bytes = self.s3.get_object(Bucket=self.bucket, Key=self.key, Range=span)["Body"].read()
        except ClientError as error:
            if error_code(error) in RANGE_CODES or is_missing(self.s3, self.bucket, self.key, error):
                return b""
            raise
        return body

    def split(self, body: bytes) -> list[bytes]:
        """Return the rows in a part of the object, as `seen` is told them."""
        return [row for row in body.split(b"\n") if row]

    def join(self, rows: Sequence[bytes], last: bytes) -> bytes:
        """Return what is written for rows behind an object that ends with the bytes `last`."""
        return (b"" if last.endswith(b"\n") else b"\n") + b"".join(row + b"\n" for row in rows)

    def _open(self) -> None:
        """Look whether there is an object, and read it, unless it is large and this is the first look at it."""
        entry = find_key(self.s3, self.bucket, self.key)
        if entry is None:
            self._know(None, 0, bytearray(), b"\n")
            self.seen.replace([])
        elif entry["Size"] >= COPY_FROM and not self.known:
            end = self.read(entry["Size"] - OVERLAP, entry["Size"])
            self.complete = False
            self._know(entry["ETag"], entry["Size"], None, end)
        else:
            self._read_whole()

    def _read_whole(self) -> None:
        reply = self.s3.get_object(Bucket=self.bucket, Key=self.key)
        body = reply["Body"].read()
        self.seen.replace(self.split(body))
        self.complete = True
        self._know(reply["ETag"], len(body), bytearray(body) if len(body) < COPY_FROM else None, body)

    def _know(self, etag: str | None, size: int, body: bytearray | None, tail: bytes) -> None:
        self.known, self.etag, self.size = True, etag, size
        self._body = None if size >= COPY_FROM else body
        self._last = (self._last + tail[-OVERLAP:])[-min(size, OVERLAP) :] if size else b"\n"

    def _write(self, rows: Sequence[bytes]) -> None:
        addition = self.join(rows, self._last)
        if self.size == 0:
            addition = self.header + addition
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if self.etag is None else {"IfMatch": self.etag}
        if self._body is None:
            etag = self._copy_and_add(addition, condition)
            body = None
        else:
            body = self._body + addition
            etag = self.s3.put_object(Bucket=self.bucket, Key=self.key, Body=bytes(body), **condition)["ETag"]
        self._know(etag, self.size + len(addition), body, addition)

    def _copy_and_add(self, addition: bytes, condition: dict[str, Any]) -> str:
        """Write the object with an addition without sending it: S3 copies what it has (5 GiB at most)."""
        place: Any = {"Bucket": self.bucket, "Key": self.key}
        upload: Any = place | {"UploadId": self.s3.create_multipart_upload(**place)["UploadId"]}
        try:
            copied = self.s3.upload_part_copy(
                **upload, PartNumber=1, CopySource=place, CopySourceIfMatch=self.etag or ""
            )
            added = self.s3.upload_part(**upload, PartNumber=2, Body=addition)
            parts: list[CompletedPartTypeDef] = [
                {"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]},
                {"PartNumber": 2, "ETag": added["ETag"]},
            ]
            reply = self.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **condition)
        except (ClientError, BotoCoreError):
            self._give_up(upload)
            raise
        return str(reply["ETag"])

    def _give_up(self, upload: dict[str, Any]) -> None:
        with suppress(ClientError, BotoCoreError):  # the bucket's lifecycle rule clears it away after a day
            self.s3.abort_multipart_upload(**upload)


def _rows(body: bytes) -> list[bytes]:
    return [row for row in body.split(b"\n") if row]


def _is_md5(etag: str, *parts: bytes | bytearray) -> bool:
    """Tell whether the ETag is of these bytes: it is their MD5 where an object was put in one piece."""
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        digest.update(part)
    return etag.strip('"') == digest.hexdigest()
