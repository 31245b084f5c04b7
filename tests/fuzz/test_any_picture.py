"""Whatever bytes a picture is made of, it is shown or unreadable."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy
import pytest
from PIL import Image
from support.bombs import BOMBS
from support.fuzz import (
    SEED,
    assert_harmless,
    few_and_many,
    mutated,
)
from support.pictures import chunk, drawing, encoded, peak_memory
from support.variants import saved, variants

from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.decoding.jpeg import DAMAGED, INCOMPLETE
from lab2.labelling.pictures.picture import UnreadableImage

CASES = Path(__file__).resolve().parent.parent / "cases"
NO_REASON = re.compile("internal error|crashes|too long|not enough memory")  # what no damaged file may lead to
MOST_BYTES = 2 * 2**30  # a header of a few bytes may say that the picture has 128 megapixels
LARGEST_FILE = 100_000  # bytes: larger ones only take longer

JPEG_OPTIONS: list[dict[str, Any]] = [
    {}, {"progressive": True}, {"optimize": True}, {"restart_marker_blocks": 4}, {"subsampling": 0}, {"keep_rgb": True},
]  # fmt: skip


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder()
    yield decoder
    decoder.close()


def busy() -> Image.Image:
    """Return a picture that is as busy as a photo."""
    coarse = numpy.random.default_rng(1).integers(0, 256, (24, 32, 3), numpy.uint8)
    return Image.fromarray(cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC))


def noise(chance: random.Random, kind: str) -> bytes:
    """Return a picture of this kind: large or small, with or without colour and transparency."""
    shape = chance.choice(((40, 60, 3), (1, 1, 3), (33, 7, 3), (64, 64), (20, 30, 4)))
    if kind in (".jpg", ".bmp", ".gif"):
        shape = shape[:2] if len(shape) == 2 and kind != ".gif" else (*shape[:2], 3)
    return encoded(kind, numpy.frombuffer(chance.randbytes(int(numpy.prod(shape))), numpy.uint8).reshape(shape))


@few_and_many(40, 400)
@pytest.mark.parametrize("kind", [".jpg", ".png", ".webp", ".gif", ".tiff", ".bmp"])
def test_any_picture_is_decoded_into_its_box_or_unreadable(
    decoder: Decoder, kind: str, chance: random.Random, cases: int
) -> None:
    good, shown = encoded(kind, drawing()), 0
    for number in range(cases):
        data = mutated(chance, noise(chance, kind), 3)
        if kind == ".png" and chance.random() < 0.5:
            data = with_checksums(data)
        width, height = chance.choice(((60, 40), (1, 1), (300, 7), (960, 640)))
        try:
            picture = decoder.decode(data, width, height)
        except UnreadableImage as reason:
            assert_reason(str(reason))
        else:
            shown += 1
            assert 0 < picture.width <= width and 0 < picture.height <= height, data
            assert len(picture.pixels) == 3 * picture.width * picture.height, data
        if number % 50 == 39:
            assert decoder.decode(good, 60, 40).width == 60
    print(f"{shown} of {cases} shown")
    assert shown < cases


@few_and_many(400, 6000)
def test_any_damage_to_any_kind_is_shown_or_refused_with_a_reason(
    decoder: Decoder, chance: random.Random, cases: int
) -> None:
    files = [path.read_bytes() for path in sorted((CASES / "pictures").iterdir()) if path.is_file()]
    files += [variant.data for variant in variants()]
    files = [data for data in files if 0 < len(data) < LARGEST_FILE]
    shown = 0
    for _ in range(cases):
        data = chance.choice(files)
        way = chance.choice((damaged, mutated, *[with_other_numbers] * 4))
        try:
            decoder.decode(way(chance, data), *chance.choice(((96, 64), (16, 16), (960, 640), (0, 0))))
            shown += 1
        except UnreadableImage as reason:
            assert_reason(str(reason))
    print(f"{shown} of {cases} shown")
    assert 0 < shown < cases
    assert peak_memory(decoder) < MOST_BYTES


def assert_reason(reason: str) -> None:
    """Fail unless this is a reason that a file can be refused for."""
    assert_harmless(reason)
    assert not NO_REASON.search(reason), f"{reason}, LAB2_SEED={SEED}"


@few_and_many(150, 2000)
def test_what_upload_checks_is_what_can_be_shown(decoder: Decoder, chance: random.Random, cases: int) -> None:
    """Of any JPEG, however damaged, the cheap check says the same as decoding the colours does."""
    photos = [path.read_bytes() for path in CASES.glob("*.jpg")]
    photos += [saved(busy(), "JPEG", **options) for options in JPEG_OPTIONS] + [encoded(".png")]
    said = {verdict(decoder, photo) for photo in photos}
    for _ in range(cases):
        said.add(verdict(decoder, damaged(chance, chance.choice(photos))))
    assert {"", INCOMPLETE, DAMAGED} <= said


def verdict(decoder: Decoder, data: bytes) -> str:
    """Return why a picture can't be shown, '' where it can; the check and the decoder must agree."""
    reasons = []
    for look in (decoder.check, partial(decoder.decode, width=16, height=16)):
        try:
            look(data)
            reasons.append("")
        except UnreadableImage as reason:
            assert_reason(str(reason))
            reasons.append(str(reason))
    assert reasons[0] == reasons[1], data
    return reasons[0]


def damaged(chance: random.Random, data: bytes) -> bytes:
    """Return the file cut short, or with bytes of it lost, zeroed, or replaced."""
    at, size = chance.randrange(2, len(data)), chance.choice((1, 8, 16, 64, 512))
    other = chance.choice((b"", bytes(size), chance.randbytes(size), data[at : at + size]))
    rest = data[at + chance.choice((0, size)) :]
    return chance.choice((data[:at], data[:at] + other + rest, mutated(chance, data, 3)))


def with_other_numbers(chance: random.Random, data: bytes) -> bytes:
    """Return the file with a few numbers changed, most of them where headers and directories are.

    They become none, one, a bit more, double, a half, the most, or a place at the end of the file.
    """
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        size, order = chance.choice((1, 2, 2, 4, 4, 8)), chance.choice(("little", "big"))
        ends = chance.choice((range(min(400, len(data))), range(max(0, len(data) - 400), len(data)), range(len(data))))
        at = chance.choice(ends)
        most = 256 ** len(changed[at : at + size]) - 1
        number = int.from_bytes(changed[at : at + size], order)
        others = (0, 1, number + 1, number - 1, 2 * number, 256 * number, number // 2, most, most // 2, len(data))
        number = chance.choice((*others, chance.randint(0, most))) & most
        changed[at : at + size] = number.to_bytes(len(changed[at : at + size]), order)
    return bytes(changed)


def with_checksums(data: bytes) -> bytes:
    """Return the PNG with checksums that are right, so that a decoder looks at what is in its chunks."""
    whole, at = data[:8], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        whole += chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length])
        at += 12 + length
    return whole


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_unreadable_and_the_next_picture_is_shown(decoder: Decoder, name: str) -> None:
    with pytest.raises(UnreadableImage):
        decoder.decode(BOMBS[name], 960, 640)
    assert decoder.decode(encoded(".png"), 60, 40).width == 60
