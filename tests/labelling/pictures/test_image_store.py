"""The image database: names of images, and samples at random."""

from __future__ import annotations

import json
import os
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import boto3
import pytest
from support.labeller import piped
from support.pictures import drawing, encoded
from support.proxy import ALWAYS, Fault, Proxy
from support.world import World

from lab2.aws.resources import IMAGE_PREFIX
from lab2.errors import UserError
from lab2.labelling.pictures.image_store import MAX_REFUSED, ImageStore, digest, stored_name
from lab2.labelling.pictures.picture import UnreadableImage
from lab2.labelling.pictures.samples import fill
from lab2.terminal import printable


def test_names_are_made_harmless_and_stay_readable() -> None:
    hash = digest(b"x")
    start = f"{hash}-"
    assert stored_name("été à la plage (2).jpg", hash) == f"{start}été à la plage (2).jpg"
    assert stored_name('=cmd|"a",b\n;.jpg', hash) == f"{start}_cmd__a__b__.jpg"
    assert stored_name(os.fsdecode(b"\xff.jpg"), hash) == f"{start}_.jpg"
    assert stored_name("a.jpg. .", hash) == f"{start}a.jpg" and stored_name(" ...", hash) == f"{start}_"
    assert len(stored_name("x" * 300 + ".jpg", hash)) == 113 and stored_name("x" * 300 + ".jpg", hash).endswith(".jpg")


@pytest.mark.parametrize(
    "name",
    [
        "हिन्दी तस्वीर.jpg",
        "தமிழ்.png",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.jpg",
        "שָׁלוֹם.jpg",
        "中文 图片.png",
        "ảnh đẹp.jpg",
        "👩\u200d🍳🌭🏽.jpg",
        "x́.jpg",
    ],
)
def test_letters_marks_and_emoji_of_all_scripts_stay_in_names(name: str) -> None:
    assert stored_name(name, 12 * "0") == f"{12 * '0'}-{unicodedata.normalize('NFC', name)}"
    assert printable(name) == name


def test_sampling_is_uniform_and_costs_one_list(proxied: World, proxy: Proxy) -> None:
    fill(proxied.aws)
    proxy.calls.clear()
    images = ImageStore(proxied.aws)
    drawn = Counter(image.name for _ in range(150) for image in images.sample()[:8])
    assert proxy.calls["ListObjectsV2"] == 150
    assert len(drawn) == 24
    chi = sum((count - 50) ** 2 / 50 for count in drawn.values())
    assert chi < 60  # 23 degrees of freedom: chance exceeds this once in 30,000 runs


@pytest.mark.long
def test_a_large_database_is_sampled_from_a_page(proxied: World, proxy: Proxy) -> None:
    put = proxied.aws.s3.put_object
    for number in range(1_100):
        put(Bucket=proxied.aws.bucket, Key=f"underbase/{digest(b'%d' % number)}-a.jpg", Body=b"x", IfNoneMatch="*")
    put(Bucket=proxied.aws.bucket, Key="underbase/", Body=b"", IfNoneMatch="*")
    images = ImageStore(proxied.aws)
    drawn: set[str] = set()
    for _ in range(20):
        sample = [image.name for image in images.sample()]
        assert len(sample) == len(set(sample)) >= 999  # an entry of the page may be the folder itself
        drawn |= set(sample)
    assert proxy.calls["ListObjectsV2"] <= 41
    assert len(drawn) == 1_100 and "" not in drawn


def put_keys(world: World, emulator: str, count: int, style: str) -> list[str]:
    """Put images under so many names that upload gave, and as many that a camera or a person gave."""
    names = [f"{digest(b'%d' % number)}-a.jpg" for number in range(count)]
    names += [style.format(number) for number in range(count)]
    s3 = boto3.Session().client(
        "s3", endpoint_url=emulator, region_name=world.env["AWS_REGION"]
    )  # not through the proxy
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: s3.put_object(
            Bucket=world.aws.bucket, Key=IMAGE_PREFIX + name, Body=b"x"), names))  # fmt: skip
    return names


@pytest.mark.long
@pytest.mark.timeout(600)  # the last one puts 4,000 objects
@pytest.mark.parametrize(
    ("style", "count", "rounds"),
    [
        ("IMG_{:05}.jpg", 500, 500),
        ("2026{:05}.jpg", 500, 500),
        ("photo ({}).jpg", 500, 500),
        ("beach {:05}.jpg", 4_000, 200),
    ],
)
def test_images_of_any_names_are_offered_equally_often_for_a_list_a_round(
    proxied: World, proxy: Proxy, emulator: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    style: str, count: int, rounds: int,
) -> None:  # fmt: skip
    page = count // 10
    monkeypatch.setattr("lab2.labelling.pictures.image_store.PAGE_KEYS", page)
    names = put_keys(proxied, emulator, count // 2, style)
    offered, drawn, lists = Counter[str](), Counter[str](), list[int]()
    for _ in range(rounds):
        images = ImageStore(proxied.aws, tmp_path)  # as if each round were a run of its own
        images.open()
        before = proxy.calls["ListObjectsV2"]
        sample = [image.name for image in images.sample()]
        lists.append(proxy.calls["ListObjectsV2"] - before)
        offered.update(sample)
        drawn.update(sample[:4])
    assert lists[0] <= 12 and set(lists[1:]) == {1}
    late = [offered[name] for name in names]
    assert len(names) == count and max(late) - min(late) <= 2  # the pages that the start skipped are not in it
    bins = Counter[int]()
    for number, name in enumerate(sorted(names)):
        bins[50 * number // count] += drawn[name]
    expected = 4 * rounds / 50
    chi = sum((bins[number] - expected) ** 2 / expected for number in range(50))
    assert chi < 100  # 49 degrees of freedom: chance exceeds this once in 40,000 runs
    assert abs(sum(drawn[name] for name in names[: count // 2]) - 2 * rounds) < 5 * rounds**0.5


@pytest.mark.long
def test_the_first_round_of_a_machine_is_not_bound_to_names_that_upload_gave(
    world: World, emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab2.labelling.pictures.image_store.PAGE_KEYS", 20)
    names = put_keys(world, emulator, 100, "IMG_{:05}.jpg")
    drawn = Counter(image.name.startswith("IMG") for _ in range(200) for image in ImageStore(world.aws).sample()[:4])
    assert 0.3 < drawn[True] / 800 < 0.7 and len(names) == 200


ODD_NAMES = [
    "a\u00a0b.png", "a\u202fb.png", "a\u3000b.png", "क्\u200dष.png", "\u0645\u06cc\u200c\u062e.png", "c\rd.png",
    "e\nf.png", "1+1.png", "50%.png", "%41.png", "  lead.png", "🌭.png", "கி.png", 'q"q,q;.png', "=1+1.png",
    "photo-1.png", "trail .png", "e\u0301.png", "é.png",
]  # fmt: skip


def test_images_of_odd_names_are_shown_labelled_and_reported_under_their_own(world: World) -> None:
    for number, name in enumerate(ODD_NAMES):
        data = encoded(".png", drawing(40 + number))
        world.aws.s3.put_object(Bucket=world.aws.bucket, Key=IMAGE_PREFIX + name, Body=data)
    rounds = [ODD_NAMES[start : start + 4] for start in range(0, len(ODD_NAMES), 4)]
    typed = "".join("2\n" + "1\n" * len(round) for round in rounds) + "3\n"
    code, output, errors = piped(world, "--pick", "useful", "--annotator", "eve", typed=typed)
    assert (code, errors) == (0, "") and output.count("safe in S3") == len(rounds)
    code, output, errors = piped(world, "report", "--output", "json", typed="")
    told = {image["image"]: image["hot_dog"] for image in json.loads(output)["images"]}
    assert (code, errors) == (0, "") and told == dict.fromkeys(ODD_NAMES, 1)
    again = piped(world, "label", "--pick", "useful", "--annotator", "eve", typed="")[1]
    assert "has labelled every picture" in again


def test_an_image_that_was_deleted_is_no_longer_there_though_aws_answers_403(proxied: World, proxy: Proxy) -> None:
    images = ImageStore(proxied.aws)
    images.store("a.jpg", b"a", lambda: None)
    (image,) = images.sample()
    proxied.aws.s3.delete_object(Bucket=proxied.aws.bucket, Key=IMAGE_PREFIX + image.name)
    with pytest.raises(UnreadableImage, match="no longer there"):
        images.fetch(image)


def test_where_no_image_may_be_read_it_is_not_the_images_that_are_left_out(proxied: World, proxy: Proxy) -> None:
    images = ImageStore(proxied.aws)
    images.store("a.jpg", b"a", lambda: None)
    proxy.on("GetObject", Fault(refuse=(403, "AccessDenied")), times=ALWAYS)
    with pytest.raises(UserError, match="denied"):
        for _ in range(MAX_REFUSED):
            with pytest.raises(UnreadableImage, match="S3 refuses it"):
                images.fetch(images.sample()[0])


def test_only_what_is_not_there_yet_is_checked_and_what_fails_is_not_stored(world: World) -> None:
    images, checked = ImageStore(world.aws), []
    assert images.store("a.jpg", b"a", partial(checked.append, b"a"))
    assert not images.store("b.jpg", b"a", partial(checked.append, b"a"))
    with pytest.raises(ZeroDivisionError):
        images.store("c.jpg", b"c", lambda: bytes(1 // 0))
    assert checked == [b"a"]
    assert list(world.objects("underbase/").values()) == [b"a"]
