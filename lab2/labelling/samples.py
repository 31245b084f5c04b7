"""The sample pictures and their labels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from lab2.aws.resources import IMAGES, LABELS, bundled
from lab2.aws.session import Cloud


def fill(cloud: Cloud) -> None:
    """Put the sample pictures and their labels into a bucket that has no labels yet."""
    s3, bucket = cloud.s3, cloud.bucket

    def put(key: str, path: Path) -> None:
        with suppress(s3.exceptions.ClientError):  # it is there already
            s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes(), IfNoneMatch="*")

    if not s3.list_objects_v2(Bucket=bucket, Prefix=LABELS, MaxKeys=1).get("Contents"):
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda path: put(IMAGES + path.name, path), sorted(bundled(IMAGES).iterdir())))
        put(LABELS, bundled(LABELS))  # last: a folder that was filled by half is filled again
