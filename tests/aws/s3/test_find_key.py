"""Keys that may be missing, and pages of keys."""

from __future__ import annotations

from support.proxy import ALWAYS, Call, Fault, Proxy
from support.world import World

from lab2.aws.s3.find_key import find_key, list_page

EMPTY = (
    b"<?xml version='1.0'?><ListBucketResult><IsTruncated>true</IsTruncated><KeyCount>0</KeyCount>"
    b"<NextContinuationToken>1</NextContinuationToken></ListBucketResult>"
)


def test_a_page_without_keys_is_not_the_end_if_more_follow(proxied: World, proxy: Proxy) -> None:
    s3, bucket = proxied.aws.s3, proxied.aws.bucket
    for name in "abc":
        s3.put_object(Bucket=bucket, Key=name, Body=b"")
    real = {"1": f"/{bucket}?list-type=2&max-keys=2"}

    def is_first(call: Call) -> bool:
        call.path, first = real.get("1", ""), "continuation-token" not in call.path
        return first

    proxy.on("ListObjectsV2", Fault(instead=(200, {"Content-Type": "application/xml"}, EMPTY)), times=ALWAYS,
             only=is_first)  # fmt: skip
    entries, more = list_page(s3, bucket, "", count=2)
    assert [entry["Key"] for entry in entries] == ["a", "b"] and more
    assert find_key(s3, bucket, "a")
