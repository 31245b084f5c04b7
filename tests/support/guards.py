"""What a store guards: conditions of single writes, and races of writers that all have the same condition."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError
from support.world import PATIENCE

from lab2.aws.failures import EXISTS_CODES, MISSING_KEY_CODES, RACE_CODES, error_code
from lab2.aws.s3.conditional_writes import NOBODYS_ETAG

REFUSED = EXISTS_CODES | RACE_CODES | MISSING_KEY_CODES | {"NoSuchUpload"}
WRITERS = 8


@dataclass(frozen=True, slots=True)
class Guards:
    """One key of a bucket, on which a store is tried."""

    s3: Any
    bucket: str
    key: str

    @property
    def _place(self) -> dict[str, Any]:
        return {"Bucket": self.bucket, "Key": self.key}

    def put(self, body: bytes, **condition: str) -> str:
        """Put the object under a condition; return its ETag, '' if the store refused."""
        try:
            return str(self.s3.put_object(**self._place, Body=body, **condition)["ETag"])
        except ClientError as error:
            if error_code(error) not in REFUSED:
                raise
            return ""

    def etag(self) -> str:
        return str(self.s3.head_object(**self._place)["ETag"])

    def upload(self, etag: str) -> Callable[[], bool]:
        """Upload the only part of a new object; return what completes it if the object has this ETag."""
        upload = self._place | {"UploadId": self.s3.create_multipart_upload(**self._place)["UploadId"]}
        part = {"PartNumber": 1, "ETag": self.s3.upload_part(**upload, PartNumber=1, Body=uuid4().bytes)["ETag"]}

        def complete() -> bool:
            try:
                self.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]}, IfMatch=etag)
            except ClientError as error:
                if error_code(error) not in REFUSED:
                    raise
                self.s3.abort_multipart_upload(**upload)
                return False
            return True

        return complete

    def race_of_puts(self) -> int:
        """Return how many of eight writers that overwrite one ETag at once were told that they did."""
        etag = self.etag()

        def ready() -> Callable[[], bool]:
            body = uuid4().bytes
            return lambda: bool(self.put(body, IfMatch=etag))

        return _winners(ready)

    def race_of_uploads(self) -> int:
        """The same of eight writers that complete an upload in parts."""
        etag = self.etag()
        return _winners(lambda: self.upload(etag))

    def ignored(self) -> list[str]:
        """Return the conditions that the store ignores, by the names of their headers."""
        self.put(b"first")
        found = []
        if self.put(b"second", IfNoneMatch="*"):
            found.append("If-None-Match")
        if self.put(b"third", IfMatch=NOBODYS_ETAG):
            found.append("If-Match")
        try:
            if self.upload(NOBODYS_ETAG)():
                found.append("If-Match of uploads in parts")
            if not self._copies_a_part():
                found.append("copies of a part")
        except (ClientError, BotoCoreError):  # an operation that the store does not have
            found.append("uploads in parts")
        return found

    def _copies_a_part(self) -> bool:
        """Return whether a copy of a part names its ETag, and is refused if its source has another one than said."""
        upload = self._place | {"UploadId": self.s3.create_multipart_upload(**self._place)["UploadId"]}
        copy = upload | {"PartNumber": 1, "CopySource": self._place}
        try:
            named = "ETag" in self.s3.upload_part_copy(**copy)["CopyPartResult"]
            self.s3.upload_part_copy(**copy, CopySourceIfMatch=NOBODYS_ETAG)
        except ClientError as error:
            if error_code(error) not in REFUSED:
                raise
            return named
        finally:
            self.s3.abort_multipart_upload(**upload)
        return False


def _winners(ready: Callable[[], Callable[[], bool]]) -> int:
    start = threading.Barrier(WRITERS)

    def write(writer: Callable[[], bool]) -> bool:
        start.wait(PATIENCE)
        return writer()

    writers = [ready() for _ in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as threads:
        return sum(threads.map(write, writers))
