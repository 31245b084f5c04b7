"""Previews: made at upload or when a picture is first labelled, and labelled in the picture's place."""

from __future__ import annotations

import cv2
import numpy
import pytest
from support.labeller import piped, put_labels
from support.pictures import turned
from support.proxy import ALWAYS, Call, Fault, Proxy
from support.world import PATIENCE, World, until

from lab2.aws.resources import IMAGE_PREFIX, PREVIEW_PREFIX
from lab2.labelling.pictures.previews import SMALL_BYTES, preview_key

WIDTH, HEIGHT = 1800, 1350


def photo(seed: int) -> bytes:
    """Return a large JPEG that lies on its side, whose top left quarter is red once it is upright."""
    pixels = numpy.random.default_rng(seed).integers(120, 250, (HEIGHT, WIDTH, 3), numpy.uint8)
    pixels[HEIGHT // 2 :, : WIDTH // 2] = 0, 0, 200
    return turned(".jpg", 6, pixels)


def of_originals(call: Call) -> bool:
    return f"/{IMAGE_PREFIX}" in call.path


def of_previews(call: Call) -> bool:
    return f"/{PREVIEW_PREFIX}" in call.path


def test_an_uploaded_picture_is_labelled_from_its_preview_and_exported_as_it_is(proxied: World, proxy: Proxy) -> None:
    data = photo(1)
    (proxied.home / "photo.jpg").write_bytes(data)
    assert piped(proxied, "upload", "photo.jpg", typed="")[0] == 0
    (image,) = proxied.objects(IMAGE_PREFIX)
    previews = proxied.objects(PREVIEW_PREFIX)
    assert list(previews) == [preview_key(image.removeprefix(IMAGE_PREFIX), len(data))]
    pixels = cv2.imdecode(numpy.frombuffer(previews.popitem()[1], numpy.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape[:2] == (1280, 960)
    assert pixels[300, 200, 2] > 150 and pixels[300, 200, :2].max() < 80  # upright: red is at the top left
    originals = proxy.on("GetObject", Fault(), times=0, only=of_originals)
    output = piped(proxied, "label", typed="1\n")[1]
    assert "1 label safe in S3." in output and originals.seen == 0
    assert piped(proxied, "export", "set", typed="")[0] == 0
    (exported,) = (proxied.home / "set" / "hot_dog").iterdir()
    assert exported.read_bytes() == data


@pytest.mark.parametrize("allowed", [True, False])
def test_a_picture_that_others_put_there_gets_its_preview_when_first_labelled(
    proxied: World, proxy: Proxy, allowed: bool
) -> None:
    data = photo(2)
    proxied.aws.s3.put_object(Bucket=proxied.aws.bucket, Key=f"{IMAGE_PREFIX}other.jpg", Body=data)
    rule = proxy.on("PutObject", Fault(refuse=(403, "AccessDenied")), times=0 if allowed else ALWAYS, only=of_previews)
    program = proxied.start("hotdog.py", "label")
    if allowed:
        until(lambda: proxied.objects(PREVIEW_PREFIX))
    else:
        until(lambda: rule.seen)
    output, errors = program.communicate("1\n", timeout=PATIENCE)
    assert (program.returncode, errors) == (0, "") and "1 label safe in S3." in output
    assert len(proxied.objects(PREVIEW_PREFIX)) == allowed


def test_the_preview_of_a_picture_that_was_replaced_is_not_shown(proxied: World, proxy: Proxy) -> None:
    old, new = photo(3), photo(4) + b"\0"
    assert len(old) != len(new) and min(len(old), len(new)) > SMALL_BYTES
    for data in (old, new):
        proxied.aws.s3.put_object(Bucket=proxied.aws.bucket, Key=f"{IMAGE_PREFIX}other.jpg", Body=data)
        put_labels(proxied, "")
        program = proxied.start("hotdog.py", "label")
        until(lambda: preview_key("other.jpg", len(data)) in proxied.objects(PREVIEW_PREFIX))  # noqa: B023
        program.communicate("1\n", timeout=PATIENCE)
