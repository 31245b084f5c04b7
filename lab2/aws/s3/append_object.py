"""One S3 object, many writers, append only: each item is in it exactly once, whenever processes are killed.

S3 can't append, so an append puts the whole object again by a conditional write: If-Match succeeds only if nobody else
has written since we last read (optimistic concurrency). Many items go into one write (group commit). On AWS, from 5 MiB
on, S3 copies the object as the first part of a multipart upload, and only the new items are sent. After any doubtful
reply, what was added meanwhile is read before anything is written again: boto3 repeats a PUT whose response was lost,
and the repetition is refused although the first one succeeded.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from typing import Generic, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from lab2.aws.failures import DENIED_CODES, EXISTS_CODES, MISSING_KEY_CODES, REFUSED_WRITE_CODES, error_code
from lab2.aws.retry import conflict_backoff
from lab2.aws.s3.stored_object import RANGE_CODES, StoredObject

LONGEST_WRITE_S = 5.0  # a write that took longer hung: the next will not take as long
OVERLAP_BYTES = 256  # of a large object that are read again, to tell an append from a replacement
CONFLICT_CODES = REFUSED_WRITE_CODES | {"NoSuchUpload"}  # someone else was first

Item = TypeVar("Item")


class Outcome(Enum):
    """The outcome of one attempt to append."""

    DURABLE = "every item is in the object, once"
    CONFLICT = "someone else wrote first; some items may still be missing"


class Codec(Protocol[Item]):
    """How items are encoded, and which items are known to be in the object."""

    def replace(self, body: bytes) -> None:
        """Take in the whole object, which may be another one than before."""

    def add(self, body: bytes) -> None:
        """Take in bytes that others appended to the object."""

    def wrote(self, items: Sequence[Item]) -> None:
        """Take in items of ours that were appended to the object."""

    def missing(self, items: Sequence[Item]) -> list[Item]:
        """Return the items that are not in the object, in their order, each once."""

    def encode(self, items: Sequence[Item], size: int, end: bytes) -> bytes:
        """Return the bytes to append for these items to an object of `size` bytes that ends with `end`."""


class AppendObject(Generic[Item]):
    """The items in one S3 object. Not thread-safe: one thread appends, many items at a time."""

    def __init__(self, store: StoredObject, codec: Codec[Item], sleep: Callable[[float], object] = time.sleep) -> None:
        self.store = store
        self.codec = codec
        self.sleep = sleep
        self.etag: str | None = None  # None: there is no object
        self.size = 0  # bytes
        self.known = False  # etag and size have been looked up
        self.complete = True  # the codec knows all items, not only those since our first look
        self.took = 0.0  # seconds of the last write, refused or not; LONGEST_WRITE_S at most
        self._body: bytes | None = b""  # the whole object; None if it is too large to put whole
        self._end = b""  # its last bytes, OVERLAP_BYTES at most

    def append(self, items: Sequence[Item]) -> None:
        """Return when all items are durable in the object, each once; raises what botocore raises.

        After an error some items may be in the object; it is safe to append all again.
        """
        attempt = 0
        while self.try_append(items) is Outcome.CONFLICT:
            attempt += 1
            self.sleep(conflict_backoff(attempt, self.took))
            self.refresh()  # costs little, compared with a large write that is refused again

    def try_append(self, items: Sequence[Item]) -> Outcome:
        """Append the missing items in one conditional write; raises what botocore raises."""
        if not self.known:
            self.refresh()
        missing = self.codec.missing(items)
        if not missing:
            return Outcome.DURABLE
        started = time.monotonic()
        existed = self.etag is not None
        try:
            self._write(missing)
        except (ClientError, BotoCoreError) as error:
            self.took = min(LONGEST_WRITE_S, time.monotonic() - started)
            # Whatever the reply was, only the content of the object counts.
            self.refresh(exists=error_code(error) in EXISTS_CODES)
            if not self.codec.missing(missing):
                return Outcome.DURABLE
            if error_code(error) in CONFLICT_CODES or (existed and self.etag is None):
                return Outcome.CONFLICT  # the object was deleted: some callers get a 403 for that
            raise
        self.took = min(LONGEST_WRITE_S, time.monotonic() - started)
        self.codec.wrote(missing)
        return Outcome.DURABLE if self.store.in_parts else self._read_back(missing)

    def _read_back(self, items: Sequence[Item]) -> Outcome:
        """Check that a write lasted, on a store that may report success to two writers at once.

        A writer whose condition was checked before our write landed is done after about as long as that took.
        """
        self.sleep(self.took)
        self.refresh()
        return Outcome.CONFLICT if self.codec.missing(items) else Outcome.DURABLE

    def refresh(self, exists: bool = False) -> None:
        """Pass what was appended since the last look to the codec.

        `exists`: S3 has just replied that there is an object. Only the very first look at an object that is too large
        to put whole leaves its items unread: nothing that we are to append can be in it yet.
        """
        if not self.known or self.etag is None:
            if exists:
                with suppress(ClientError):  # it was deleted meanwhile, for example
                    return self._read_whole()
            return self._open()
        overlap = b"" if self._body is not None else self._end  # a small object is compared by its MD5
        try:
            tail = self.store.read_if_changed(self.size - len(overlap), self.etag)
        except ClientError as error:
            if error_code(error) in MISSING_KEY_CODES | DENIED_CODES | RANGE_CODES:
                return self._open()  # missing, or shorter than before: not an append
            raise
        if tail is None:
            return None
        added = tail.body[len(overlap) :]
        body = None if self._body is None else self._body + added
        appended = tail.body.startswith(overlap) and added != b""
        if not appended or (body is not None and not _is_md5(tail.etag, body)):
            return self._open()  # replaced, or appended to by a multipart upload, whose ETag is no MD5
        self._know(tail.etag, self.size + len(added), body, added)
        self.codec.add(added)
        return None

    def read_all(self) -> None:
        """Like `refresh`, and the codec gets every item, however large the object is."""
        self.refresh()
        if not self.complete:
            self._read_whole()

    def start(self, count: int) -> bytes:
        """Return the first bytes of the object; of one that is put whole, as of the last look."""
        return self.store.read(0, count) if self._body is None else self._body[:count]

    def assume_new(self) -> None:
        """Assume that there is no object yet; the first write will find out."""
        self.known = True

    def _open(self) -> None:
        """Look up the object, and read it unless it is large and this is the first look."""
        entry = self.store.find()
        if entry is None:
            self._know(None, 0, b"", b"")
            self.codec.replace(b"")
        elif entry["Size"] >= self.store.whole_below and not self.known:
            end = self.store.read(entry["Size"] - OVERLAP_BYTES, entry["Size"])
            self.complete = False
            self._know(entry["ETag"], entry["Size"], None, end)
        else:
            self._read_whole()

    def _read_whole(self) -> None:
        body, etag = self.store.read_whole()
        self.codec.replace(body)
        self.complete = True
        self._know(etag, len(body), body, body)

    def _know(self, etag: str | None, size: int, body: bytes | None, tail: bytes) -> None:
        self.known = True
        self.etag = etag
        self.size = size
        self._body = None if size >= self.store.whole_below else body
        self._end = (self._end + tail[-OVERLAP_BYTES:])[-min(size, OVERLAP_BYTES) :] if size else b""

    def _write(self, items: Sequence[Item]) -> None:
        addition = self.codec.encode(items, self.size, self._end)
        if self._body is None:
            body = None
            etag = self.store.put_behind(addition, self.etag or "")
        else:
            body = self._body + addition
            etag = self.store.put(body, self.etag)
        self._know(etag, self.size + len(addition), body, addition)


def _is_md5(etag: str, body: bytes) -> bool:
    """Return whether the ETag is the MD5 of these bytes, as that of an object that was put whole is."""
    return etag.strip('"') == hashlib.md5(body, usedforsecurity=False).hexdigest()
