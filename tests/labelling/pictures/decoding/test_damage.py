"""A damaged file is refused as such, whenever its reader notices and without much memory; our own defects are not."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy
import pytest
from support.pictures import chunk, peak_memory
from support.variants import CASES, deep_tiff, drawing, glass, saved

from lab2.labelling.pictures.decoding import decode as decoding
from lab2.labelling.pictures.decoding.decode import decode
from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.decoding.samples import Samples
from lab2.labelling.pictures.picture import UnreadableImage

TILES = (CASES / "pictures" / "tiles-16x16.tif").read_bytes()
RUNS = (CASES / "pictures" / "rle-skips-pixels.bmp").read_bytes()
DEEP = deep_tiff(numpy.array(glass()).astype(int) * 257, 2)
MOST_BYTES = 300 * 2**20  # more than a decoder has for a picture of a few kilobytes


def entry(data: bytes, tag: int) -> int:
    """Return where the entry of a tag is in the first directory of a little-endian TIFF."""
    (place,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, place)
    return next(
        at for at in range(place + 2, place + 2 + 12 * count, 12) if data[at : at + 2] == struct.pack("<H", tag)
    )


def with_number(data: bytes, at: int, form: str, number: int) -> bytes:
    return data[:at] + struct.pack(form, number) + data[at + struct.calcsize(form) :]


DAMAGED = {
    "palette cut off": RUNS[:60],
    "palette beyond the end": with_number(RUNS, 14, "<I", len(RUNS)),
    "fewer sizes than offsets of tiles": with_number(TILES, entry(TILES, 325) + 4, "<I", 3),
    "an offset beyond the end, and no size": with_number(
        with_number(DEEP, entry(DEEP, 273) + 8, "<I", 2 * len(DEEP)), entry(DEEP, 279), "<H", 65_000
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_numbers_that_can_not_be_are_damage(name: str) -> None:
    with pytest.raises(UnreadableImage, match="damaged"):
        decode(DAMAGED[name], 96, 64)


def samples_that_raise(error: Exception) -> Samples:
    """Return Samples whose reader fails only when their bands are read."""

    def bands() -> Iterator[Any]:
        raise error
        yield

    return Samples(bands, 60, 40)


def test_damage_is_noticed_late_too_and_what_only_a_defect_raises_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    for error, raised in ((ValueError, UnreadableImage), (struct.error, UnreadableImage), (TypeError, TypeError)):
        monkeypatch.setitem(decoding.READERS, "png", lambda data, error=error: samples_that_raise(error("late")))
        with pytest.raises(raised):
            decode(saved(drawing(), "PNG"), 96, 64)


def test_an_error_in_what_is_done_with_a_picture_that_was_read_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object) -> None:
        raise ValueError("of ours")

    monkeypatch.setattr("lab2.labelling.pictures.decoding.samples._finished", defect)
    with pytest.raises(ValueError, match="of ours"):
        decode(saved(drawing(), "TIFF"), 96, 64)


def many_overlapping_values() -> bytes:
    """Return a JPEG whose EXIF data has thousands of tags, each with all of that data as its value."""
    entries = b"".join(struct.pack(">HHII", 1000 + number, 1, 65_000, 8) for number in range(5400))
    exif = (b"MM\0*\0\0\0\x08" + struct.pack(">H", 5400) + entries).ljust(65_400, b"\0")
    whole = saved(drawing(), "JPEG")
    return whole[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif + whole[2:]


def test_a_small_file_that_tells_of_much_data_takes_little_memory() -> None:
    decoder = Decoder()
    try:
        assert decoder.decode(many_overlapping_values(), 96, 64).width == 96
        assert peak_memory(decoder) < MOST_BYTES
    finally:
        decoder.close()


def test_a_png_that_ends_within_a_chunk_is_refused_before_opencv_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab2.labelling.pictures.decoding.opencv.decode", lambda _: pytest.fail("it has it"))
    whole = saved(drawing(), "PNG")
    with pytest.raises(UnreadableImage, match="damaged"):
        decode(with_number(whole, whole.index(b"IDAT") - 4, ">I", len(whole) + 1_000), 96, 64)


def test_an_avif_that_tells_of_billions_of_parts_does_not_take_for_ever(decoder: Decoder) -> None:
    whole = saved(glass(), "AVIF")
    table = whole.index(b"iloc") + 4
    data = with_number(with_number(whole, table, "B", 2), table + 6, ">I", 2**32 - 1)
    with pytest.raises(UnreadableImage, match="damaged"):
        decoder.decode(data, 96, 64)


def test_a_png_whose_primaries_are_on_one_line_is_shown(decoder: Decoder) -> None:
    whole = saved(drawing(), "PNG")
    line = b"".join(struct.pack(">II", 10_000 * step, 10_000 * step) for step in (3, 1, 2, 4))
    said = chunk(b"gAMA", struct.pack(">I", 45_455)) + chunk(b"cHRM", line)
    assert decoder.decode(whole[:33] + said + whole[33:], 60, 40).width == 60


def test_a_picture_that_only_pillow_reads_is_too_large_where_any_other_is(decoder: Decoder) -> None:
    whole = (CASES / "pictures" / "offset.jp2").read_bytes()
    size = whole.index(b"ihdr") + 4
    with pytest.raises(UnreadableImage, match="more than 128 megapixels"):
        decoder.decode(with_number(with_number(whole, size, ">I", 60_000), size + 4, ">I", 60_000), 96, 64)
