"""Whether a key is in a bucket, told apart from whether we may read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab2.aws.failures import DENIED_CODES, MISSING_KEY_CODES, error_code

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectTypeDef


def find_key(s3: S3Client, bucket: str, key: str) -> ObjectTypeDef | None:
    """Return the entry (ETag, Size, LastModified) of a key, None if it is missing. Raises what botocore raises."""
    entries, _ = list_page(s3, bucket, key, count=1)
    return next((entry for entry in entries if entry["Key"] == key), None)


def list_page(
    s3: S3Client, bucket: str, prefix: str, after: str = "", count: int = 1_000
) -> tuple[list[ObjectTypeDef], bool]:
    """Return up to `count` entries after the key `after`, and whether more follow. Raises what botocore raises.

    An empty page is not the end: some stores drop keys after they have cut the page.
    """
    request: Any = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": count} | ({"StartAfter": after} if after else {})
    while True:
        reply = s3.list_objects_v2(**request)
        entries = reply.get("Contents") or []
        if entries or not reply["IsTruncated"] or not reply.get("NextContinuationToken"):
            return entries, reply["IsTruncated"]
        request["ContinuationToken"] = reply["NextContinuationToken"]


def is_missing(s3: S3Client, bucket: str, key: str, error: BaseException) -> bool:
    """Return whether a call failed because the key is missing.

    If the caller may list only part of the bucket, as the policies of aws.yaml allow, S3 answers 403 and not 404.
    """
    code = error_code(error)
    return code in MISSING_KEY_CODES or (code in DENIED_CODES and find_key(s3, bucket, key) is None)
