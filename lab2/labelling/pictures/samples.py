"""The sample pictures and their labels, for a bucket that is empty."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from lab2.aws.failures import user_errors
from lab2.aws.resources import IMAGE_PREFIX, LABEL_KEY, bundled
from lab2.aws.session import AwsSession


def fill(aws: AwsSession) -> None:
    """Put the sample pictures and their labels into a bucket that has no labels yet; UserError if AWS fails."""
    s3, bucket = aws.s3, aws.bucket

    def put(key: str, path: Path) -> None:
        with suppress(s3.exceptions.ClientError):  # it exists
            s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes(), IfNoneMatch="*")

    with user_errors(f"bucket {bucket}"):
        if s3.list_objects_v2(Bucket=bucket, Prefix=LABEL_KEY, MaxKeys=1).get("Contents"):
            return
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda path: put(IMAGE_PREFIX + path.name, path), sorted(bundled(IMAGE_PREFIX).iterdir())))
        put(LABEL_KEY, bundled(LABEL_KEY))  # last: if this is interrupted, it is done again
