"""The layout of the samples of a TIFF, from the tags of a page."""

from __future__ import annotations

from dataclasses import dataclass

from lab2.labelling.pictures.decoding import tags
from lab2.labelling.pictures.decoding.refusals import UNKNOWN_DAMAGE, unsupported
from lab2.labelling.pictures.decoding.tags import Tags, number
from lab2.labelling.pictures.picture import UnreadableImage

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, CIELAB, ICCLAB = 0, 1, 2, 3, 5, 8, 9
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, CIELAB: 3, ICCLAB: 3}  # channels of each
UNSIGNED, SIGNED, FLOAT, UNDEFINED = 1, 2, 3, 4


@dataclass(frozen=True)
class Layout:
    """The layout of the samples of a page."""

    page: Tags
    order: str  # of the bytes of a number, as `struct` has it
    width: int
    height: int
    bits: int  # of a sample
    channels: int
    photometric: int
    is_planar: bool  # a plane for each channel, one behind the other
    sample_format: int
    part_width: int  # of a tile; strips are as wide as the picture
    part_height: int
    offsets: tuple[int, ...]  # of strips or tiles
    sizes: tuple[int, ...]

    @property
    def is_tiled(self) -> bool:
        return tags.TILE_WIDTH in self.page

    @property
    def in_a_pixel(self) -> int:
        """Return how many samples of a pixel stand side by side."""
        return 1 if self.is_planar else self.channels

    @property
    def parts_across(self) -> int:
        return -(-self.width // self.part_width)

    @property
    def parts_down(self) -> int:
        return -(-self.height // self.part_height)

    @property
    def row_bytes(self) -> int:
        """Return the bytes of a row of a strip or tile."""
        return (self.part_width * self.in_a_pixel * self.bits + 7) // 8


def layout_of(page: Tags, order: str) -> Layout:
    """Return the layout from the tags of a page; UnreadableImage if it is not supported."""
    width, height = number(page, tags.WIDTH, 0), number(page, tags.HEIGHT, 0)
    bits = page.get(tags.BITS, (1,))
    if width <= 0 or height <= 0:
        raise UnreadableImage(UNKNOWN_DAMAGE)
    if len(set(bits)) != 1:
        raise unsupported("a TIFF with samples of several sizes")
    if tags.TILE_WIDTH in page:
        part_width, part_height = number(page, tags.TILE_WIDTH, 0), number(page, tags.TILE_HEIGHT, 0)
        offsets, sizes = page.get(tags.TILES, ()), page.get(tags.TILE_BYTES, ())
    else:
        part_width, part_height = width, min(height, number(page, tags.STRIP_ROWS, height))
        offsets, sizes = page.get(tags.STRIPS, ()), page.get(tags.STRIP_BYTES, ())
    if isinstance(offsets, bytes) or isinstance(sizes, bytes):
        raise UnreadableImage(UNKNOWN_DAMAGE)
    channels = number(page, tags.CHANNELS, 1)
    return Layout(
        page,
        order,
        width,
        height,
        bits[0],
        channels,
        photometric=number(page, tags.PHOTOMETRIC, BLACK_IS_ZERO),
        is_planar=number(page, tags.PLANAR, 1) == 2 and channels > 1,
        sample_format=number(page, tags.SAMPLE_FORMAT, UNSIGNED),
        part_width=part_width,
        part_height=part_height,
        offsets=offsets,
        sizes=sizes,
    )
