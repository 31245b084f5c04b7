"""Which segments there are, on a store whose pages are short, or empty though more follow."""

from __future__ import annotations

import re

from support.proxy import ALWAYS, Call, Fault, Proxy
from support.world import World

from lab2.stats.server.log.segments import Listing, Segment, segment_of

EMPTY = (
    b"<?xml version='1.0'?><ListBucketResult><IsTruncated>true</IsTruncated><KeyCount>0</KeyCount>"
    b"<NextContinuationToken>nothing-yet</NextContinuationToken></ListBucketResult>"
)
DAY = "2026-11-23"


def test_short_pages_and_pages_without_keys_are_not_the_end(proxied: World, proxy: Proxy) -> None:
    keys = [f"log/{DAY}/", f"log/{DAY}/0-of-a-stranger", *(Segment(DAY, number).key for number in range(1, 8))]
    for key in keys:
        proxied.aws.s3.put_object(Bucket=proxied.aws.bucket, Key=key, Body=b"")

    def is_first_page(call: Call) -> bool:
        call.path = re.sub(r"max-keys=\d+", "", call.path.replace("continuation-token=nothing-yet", "")) + "&max-keys=2"
        return "continuation-token" not in call.path and next(turns)

    turns = iter([True, False] * 1_000)  # the first page of a listing is empty; who goes on behind it gets two keys
    proxy.on(
        "ListObjectsV2", Fault(instead=(200, {"Content-Type": "application/xml"}, EMPTY)), times=ALWAYS,
        only=is_first_page,
    )  # fmt: skip
    listing = Listing(proxied.aws.s3, proxied.aws.bucket)
    assert listing.days() == [DAY]
    last = listing.last(DAY)
    assert last and segment_of(last["Key"]) == Segment(DAY, 7)
    assert listing.first_written(Segment(DAY, 7), since=0.0) == 1
    assert listing.first_written(Segment(DAY, 7), since=4e9) == 8
    assert [segment_of(entry["Key"]).number for entry in listing.after(Segment(DAY, 3))] == [4, 5, 6, 7]
