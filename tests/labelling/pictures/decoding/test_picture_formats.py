"""Real-world picture files: what viewers show is shown as it was drawn, the others are refused with a reason."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy
import pytest
from PIL import Image
from support.variants import CASES, Variant, drawing, saved, variants
from support.world import PATIENCE, ROOT, World

from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.picture import UnreadableImage

VARIANTS = variants()


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder()
    yield decoder
    decoder.close()


@pytest.mark.parametrize("variant", [one for one in VARIANTS if not one.refused], ids=lambda one: one.name)
def test_what_viewers_show_is_shown_pixel_by_pixel(decoder: Decoder, variant: Variant) -> None:
    truth = variant.pixels
    picture = decoder.decode(variant.data, truth.shape[1], truth.shape[0])
    assert (picture.height, picture.width) == truth.shape[:2]
    pixels = numpy.frombuffer(picture.pixels, numpy.uint8).reshape(truth.shape)
    assert abs(pixels.astype(int) - truth).max() <= variant.tolerance


@pytest.mark.parametrize("size", [16, 4000])  # an upload looks at 16 pixels, and decodes reduced
@pytest.mark.parametrize("variant", [one for one in VARIANTS if one.refused], ids=lambda one: one.name)
def test_what_is_broken_is_refused_with_its_reason(decoder: Decoder, variant: Variant, size: int) -> None:
    with pytest.raises(UnreadableImage, match=re.escape(variant.refused)):
        decoder.decode(variant.data, size, size)


def test_an_upload_of_a_folder_of_real_world_files_takes_and_leaves_out_what_it_should(world: World) -> None:
    folder = world.home / "pictures"
    folder.mkdir()
    for variant in VARIANTS:
        (folder / variant.name).write_bytes(variant.data)
    program = world.start("hotdog.py", "upload", str(folder))
    output, errors = program.communicate(timeout=PATIENCE)
    refused = {one.name: one.refused for one in VARIANTS if one.refused}
    found = dict(re.findall(r"pictures/([^/\n]*) is left out: (.*)\n", errors))
    assert found.keys() == refused.keys(), errors
    assert [name for name in refused if refused[name] not in found[name]] == []
    stored = {one.data for one in VARIANTS if not one.refused}
    assert set(world.objects("underbase/").values()) == stored
    assert f"{len(stored)} uploaded" in output


@pytest.mark.parametrize("marker_at", [0.2, 0.4, 0.6, 0.8])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"restart_marker_blocks": 4}])
def test_a_jpeg_that_lost_a_block_of_the_disk_is_refused(
    decoder: Decoder, options: dict[str, object], marker_at: float
) -> None:
    whole = saved(noise(), "JPEG", **options)
    at = int(len(whole) * marker_at)
    with pytest.raises(UnreadableImage, match="damaged"):
        decoder.decode(whole[:at] + bytes(4096) + whole[at + 4096 :], 100, 100)
    assert decoder.decode(whole, 100, 100).width == 100


@pytest.mark.parametrize("size", [64, 512])
def test_a_run_of_zeros_anywhere_in_a_photo_is_damage(decoder: Decoder, size: int) -> None:
    """Of blocks as many as there should be, libjpeg does not complain; the zeros themselves give it away."""
    whole = (CASES / "sample_without_eoi.jpg").read_bytes() + b"\xff\xd9"
    for at in range(2000, len(whole) - size - 2, 1500):
        with pytest.raises(UnreadableImage, match="damaged"):
            decoder.decode(whole[:at] + bytes(size) + whole[at + size :], 16, 16)


def noise() -> Image.Image:
    """Return a picture that is as busy as a photo."""
    coarse = numpy.random.default_rng(1).integers(0, 256, (24, 32, 3), numpy.uint8)
    return Image.fromarray(cv2.resize(coarse, (1024, 768), interpolation=cv2.INTER_CUBIC))


def test_a_white_page_has_runs_of_zeros_and_is_no_damage(decoder: Decoder) -> None:
    page = Image.new("L", (2000, 1500), "white")
    page.paste(drawing().convert("L"), (100, 100))
    for options in ({"optimize": True}, {}, {"progressive": True}):
        assert decoder.decode(saved(page, "JPEG", **options), 100, 75).width == 100


@pytest.mark.parametrize("bits", [10, 12])
def test_samples_of_more_than_8_bits_keep_their_brightness(decoder: Decoder, bits: int) -> None:
    white = numpy.full((40, 60, 3), 2**bits - 1, numpy.uint16)
    avif = cv2.imencode(".avif", white, [cv2.IMWRITE_AVIF_DEPTH, bits])[1].tobytes()
    assert min(decoder.decode(avif, 60, 40).pixels) >= 250
    grey = cv2.imencode(".avif", white // 2, [cv2.IMWRITE_AVIF_DEPTH, bits])[1].tobytes()
    assert all(abs(value - 127) < 4 for value in decoder.decode(grey, 60, 40).pixels)
    stored = numpy.full((40, 60, 3), 2**15 + 2 ** (bits - 1) - 1, numpy.uint16)  # stored less half of what can be
    jp2 = bytearray(cv2.imencode(".jp2", stored)[1].tobytes())
    for component in range(3):  # whose samples are of fewer bits, then
        jp2[jp2.find(b"\xff\x51") + 40 + 3 * component] = bits - 1
    assert min(decoder.decode(bytes(jp2), 60, 40).pixels) >= 250


def test_a_picture_of_108_megapixels_is_shown_in_bounded_memory(decoder: Decoder) -> None:
    """As a JPEG: its 324 MB of pixels are never in memory. Half of them would be, as a PNG, which is allowed too."""
    data = cv2.imencode(".jpg", numpy.full((9000, 12000), 200, numpy.uint8))[1].tobytes()
    before = peak(decoder)
    assert decoder.decode(data, 960, 640).width == 853
    assert peak(decoder) - before < 100 * 2**20


def peak(decoder: Decoder) -> int:
    """Return the most bytes of memory that the decoder's process has had."""
    with open(f"/proc/{decoder._process.process.pid}/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def test_where_memory_can_not_be_limited_pictures_are_shown_and_one_sentence_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import resource\ndef refuse(*_): raise ValueError('not allowed to raise maximum limit')\n"
        "resource.setrlimit = refuse\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("lab2.labelling.pictures.decoding.decoder._warned", set())
    for _ in range(2):
        decoder = Decoder()
        assert [decoder.decode(saved(drawing(), "JPEG"), 60, 40).width for _ in range(2)] == [60, 60]
        decoder.close()
    (line,) = capsys.readouterr().err.splitlines()
    assert "can't be limited here (not allowed to raise maximum limit)" in line


def test_under_a_small_memory_limit_of_the_shell_no_whole_picture_is_called_damaged() -> None:
    code = (
        "from lab2.labelling.pictures.decoding.decoder import Decoder; from support.variants import drawing, saved; "
        "print(Decoder().decode(saved(drawing(), 'JPEG'), 60, 40).width)"
    )
    limit = 4 * 2**30
    program = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONPATH": f"{ROOT}:{ROOT}/tests"}, capture_output=True,
        text=True, timeout=PATIENCE, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert program.stdout == "60\n", program.stderr
