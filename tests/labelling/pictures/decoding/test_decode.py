"""Real-world picture files: what viewers show is shown as it was drawn, the others are refused with a reason."""

from __future__ import annotations

import re

import numpy
import pytest
from support.variants import Variant, variants
from support.world import PATIENCE, World

from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.picture import UnreadableImage

VARIANTS = variants()


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
