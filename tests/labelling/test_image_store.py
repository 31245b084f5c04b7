"""The image database: names of images, and samples at random."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from support.proxy import ALWAYS, Fault, Proxy
from support.world import World

from lab2.aws.resources import IMAGE_PREFIX
from lab2.errors import UserError
from lab2.labelling.image_store import ImageStore, digest, stored_name
from lab2.labelling.picture import UnreadableImage
from lab2.labelling.samples import fill


def test_names_are_made_harmless_and_stay_readable() -> None:
    hash = digest(b"x")
    start = f"{hash}-"
    assert stored_name("été à la plage (2).jpg", hash) == f"{start}été à la plage (2).jpg"
    assert stored_name('=cmd|"a",b\n;.jpg', hash) == f"{start}_cmd__a__b__.jpg"
    assert stored_name(os.fsdecode(b"\xff.jpg"), hash) == f"{start}_.jpg"
    assert len(stored_name("x" * 300 + ".jpg", hash)) == 113 and stored_name("x" * 300 + ".jpg", hash).endswith(".jpg")


def test_sampling_is_uniform_and_costs_one_list(proxied: World, proxy: Proxy) -> None:
    fill(proxied.aws)
    proxy.calls.clear()
    images = ImageStore(proxied.aws)
    drawn = Counter(image.name for _ in range(300) for image in images.sample()[:4])
    assert proxy.calls["ListObjectsV2"] == 300
    assert len(drawn) == 24
    chi = sum((count - 50) ** 2 / 50 for count in drawn.values())
    assert chi < 60  # 23 degrees of freedom: chance exceeds this once in 30,000 runs


def test_a_large_database_is_sampled_from_a_page(proxied: World, proxy: Proxy) -> None:
    put = proxied.aws.s3.put_object
    for number in range(1_100):
        put(Bucket=proxied.aws.bucket, Key=f"underbase/{digest(b'%d' % number)}-a.jpg", Body=b"x", IfNoneMatch="*")
    put(Bucket=proxied.aws.bucket, Key="underbase/", Body=b"", IfNoneMatch="*")
    images = ImageStore(proxied.aws)
    drawn: set[str] = set()
    for _ in range(20):
        sample = [image.name for image in images.sample()]
        assert len(sample) == len(set(sample)) == 1_000
        drawn |= set(sample)
    assert proxy.calls["ListObjectsV2"] <= 41
    assert len(drawn) == 1_100 and "" not in drawn


def test_an_image_that_was_deleted_is_no_longer_there_though_aws_answers_403(proxied: World, proxy: Proxy) -> None:
    images = ImageStore(proxied.aws)
    images.store("a.jpg", b"a")
    (image,) = images.sample()
    proxied.aws.s3.delete_object(Bucket=proxied.aws.bucket, Key=IMAGE_PREFIX + image.name)
    with pytest.raises(UnreadableImage, match="no longer there"):
        images.fetch(image)


def test_an_image_that_may_not_be_read_is_not_taken_for_a_missing_one(proxied: World, proxy: Proxy) -> None:
    images = ImageStore(proxied.aws)
    images.store("a.jpg", b"a")
    proxy.on("GetObject", Fault(refuse=(403, "AccessDenied")), times=ALWAYS)
    with pytest.raises(UserError, match="denied"):
        images.fetch(images.sample()[0])
