"""One S3 object: read in parts, and written if nobody else has written meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from lab2.aws.failures import error_code
from lab2.aws.s3.find_key import find_key, is_missing
from lab2.errors import UserError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef, ObjectTypeDef

COPY_FROM_BYTES = 5 * 2**20  # S3 accepts a smaller part only as the last one of an upload
LARGEST_WHOLE_BYTES = 32 * 2**20  # sent at each append; some 350,000 labels
PART_BYTES = 2**18  # of an object that is not read as a whole
UNCHANGED_CODES = {"304", "NotModified"}
RANGE_CODES = {"InvalidRange", "416"}  # the object is shorter
CONTENT_TYPES = {"csv": "text/csv", "jsonl": "application/x-ndjson"}  # by what a key ends with


class Content(NamedTuple):
    """Bytes of an object, all or some, and the ETag of the object."""

    body: bytes
    etag: str


class StoredObject:
    """The object under one key of a bucket. Raises what botocore raises.

    `in_parts`: the store, like AWS, composes an object of parts on a condition, so that a large object is not sent
    again. Other stores were seen to let several writers complete the same object, which is put whole there.
    """

    def __init__(self, s3: S3Client, bucket: str, key: str, in_parts: bool = True) -> None:
        self.s3 = s3
        self.bucket = bucket
        self.key = key
        self.in_parts = in_parts
        self.whole_below = COPY_FROM_BYTES if in_parts else LARGEST_WHOLE_BYTES  # bytes
        self._target: Any = {"Bucket": bucket, "Key": key}
        self._kind: Any = {"ContentType": CONTENT_TYPES.get(key.rpartition(".")[2], "binary/octet-stream")}

    def find(self) -> ObjectTypeDef | None:
        """Return the entry (ETag, Size) of the object, None if there is none."""
        return find_key(self.s3, self.bucket, self.key)

    def read_whole(self) -> Content:
        reply = self.s3.get_object(**self._target)
        return Content(reply["Body"].read(), reply["ETag"])

    def read_in_parts(self) -> Iterator[bytes]:
        """Yield the object in parts, so that a large one is never in memory as a whole."""
        yield from self.s3.get_object(**self._target)["Body"].iter_chunks(PART_BYTES)

    def read_if_changed(self, start: int, etag: str) -> Content | None:
        """Return the bytes from `start` on, None if the object still has this ETag."""
        try:
            reply = self.s3.get_object(**self._target, Range=f"bytes={start}-", IfNoneMatch=etag)
        except ClientError as error:
            if error_code(error) in UNCHANGED_CODES:
                return None
            raise
        return Content(reply["Body"].read(), reply["ETag"])

    def read(self, start: int = 0, end: int | None = None) -> bytes:
        """Return the bytes from `start` to `end` (exclusive; None: all), b'' if there are none."""
        try:
            span = f"bytes={start}-{'' if end is None else end - 1}"
            body: bytes = self.s3.get_object(**self._target, Range=span)["Body"].read()
        except ClientError as error:
            if error_code(error) in RANGE_CODES or is_missing(self.s3, self.bucket, self.key, error):
                return b""
            raise
        return body

    def put(self, body: bytes, etag: str | None) -> str:
        """Write the whole object if it still has this ETag (None: if there is no object); return the new ETag."""
        return str(self.s3.put_object(**self._target, **self._kind, Body=body, **_condition(etag))["ETag"])

    def put_behind(self, addition: bytes, etag: str) -> str:
        """Append bytes to the object if it still has this ETag: S3 itself copies what is there, 5 GiB at most.

        UserError if that is not safe on this store.
        """
        if not self.in_parts:
            raise UserError(
                f"{self.key} in bucket {self.bucket} has reached {LARGEST_WHOLE_BYTES // 2**20} MiB, the most that is "
                "appended to on a store other than AWS. Move its older rows to another file."
            )
        upload = self._target | {"UploadId": self.s3.create_multipart_upload(**self._target, **self._kind)["UploadId"]}
        try:
            copied = self.s3.upload_part_copy(**upload, PartNumber=1, CopySource=self._target, CopySourceIfMatch=etag)
            added = self.s3.upload_part(**upload, PartNumber=2, Body=addition)
            parts: list[CompletedPartTypeDef] = [
                {"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]},
                {"PartNumber": 2, "ETag": added["ETag"]},
            ]
            reply = self.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **_condition(etag))
        except (ClientError, BotoCoreError):
            with suppress(ClientError, BotoCoreError):  # the bucket's lifecycle rule clears it away after a day
                self.s3.abort_multipart_upload(**upload)
            raise
        return str(reply["ETag"])


def _condition(etag: str | None) -> dict[str, Any]:
    """Return the fields of a conditional write: that the object has this ETag, or that there is none."""
    return {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
