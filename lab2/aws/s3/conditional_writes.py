"""Whether a store honours conditional writes, which is tried before anything is written to it.

AWS does, and is not tried. Some other stores ignore If-Match, or If-None-Match too: two writers are both told that they
succeeded, and one has lost what it wrote.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from lab2.aws.failures import DENIED_CODES, REFUSED_WRITE_CODES, error_code
from lab2.errors import UserError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

BODY = b"Do conditional writes work? This key is removed at once.\n"  # some stores fail on an empty body
NOBODYS_ETAG = f'"{"0" * 32}"'  # no known content has this MD5


def check_conditional_writes(s3: S3Client, bucket: str, prefix: str) -> None:
    """UserError if the store ignores a condition; raises what botocore raises.

    It takes four calls, on a key of its own under `prefix`. A store that does not let us write that key is trusted.
    """
    key = f"{prefix}.conditions-{uuid4().hex[:12]}"
    conditions = {"If-None-Match": {"IfNoneMatch": "*"}, "If-Match": {"IfMatch": NOBODYS_ETAG}}
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=BODY, IfNoneMatch="*")
        ignored = [name for name, fields in conditions.items() if _is_written(s3, fields, Bucket=bucket, Key=key)]
    except ClientError as error:
        if error_code(error) in DENIED_CODES:
            return
        raise
    finally:
        with suppress(ClientError, BotoCoreError):
            s3.delete_object(Bucket=bucket, Key=key)
    if ignored:
        raise UserError(
            f"The store at {s3.meta.endpoint_url} ignores {' and '.join(ignored)}, so two programs would overwrite "
            f"each other's rows: nothing is written to bucket {bucket}. Use AWS, or a store that honours these headers."
        )


def _is_written(s3: S3Client, condition: dict[str, Any], **target: Any) -> bool:
    """Return whether a write is carried out although its condition does not hold."""
    try:
        s3.put_object(**target, Body=BODY, **condition)
    except ClientError as error:
        if error_code(error) in REFUSED_WRITE_CODES:
            return False
        raise
    return True
