"""Whether a key is in a bucket, asked in a way that tells "missing" from "not allowed"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab2.aws.failures import DENIED_CODES, MISSING_KEY_CODES, error_code

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectTypeDef


def find_key(s3: S3Client, bucket: str, key: str) -> ObjectTypeDef | None:
    """Return the entry (ETag, Size, LastModified) of a key, None where it is missing. Raises what botocore raises."""
    entries = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents") or ()
    return next((entry for entry in entries if entry["Key"] == key), None)


def is_missing(s3: S3Client, bucket: str, key: str, error: BaseException) -> bool:
    """Tell whether a call failed because the key is missing.

    To a caller who may list only a part of the bucket, as the policies of aws.yaml have it, S3 answers 403 and not 404.
    """
    code = error_code(error)
    return code in MISSING_KEY_CODES or (code in DENIED_CODES and find_key(s3, bucket, key) is None)
