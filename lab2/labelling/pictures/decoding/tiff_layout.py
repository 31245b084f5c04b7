"""The layout of the samples of a TIFF, from the tags of a page."""

from __future__ import annotations

from dataclasses import dataclass

from lab2.labelling.pictures.decoding.refusals import UNKNOWN_DAMAGE, unsupported
from lab2.labelling.pictures.decoding.tags import Tags, number
from lab2.labelling.pictures.picture import UnreadableImage

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, BIT_ORDER = 256, 257, 258, 259, 262, 266
STRIPS, CHANNELS, STRIP_ROWS, STRIP_BYTES, PLANAR, PREDICTOR, COLOUR_MAP = 273, 277, 278, 279, 284, 317, 320
TILE_WIDTH, TILE_HEIGHT, TILES, TILE_BYTES, EXTRA_SAMPLES, SAMPLE_FORMAT = 322, 323, 324, 325, 338, 339

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
        return TILE_WIDTH in self.page

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

    @property
    def extra_samples(self) -> tuple[int, ...]:
        values = self.page.get(EXTRA_SAMPLES, ())
        return values if isinstance(values, tuple) else ()


def layout_of(page: Tags, order: str) -> Layout:
    """Return the layout from the tags of a page; UnreadableImage if it is not supported."""
    width, height = number(page, WIDTH, 0), number(page, HEIGHT, 0)
    bits = page.get(BITS, (1,))
    if width <= 0 or height <= 0:
        raise UnreadableImage(UNKNOWN_DAMAGE)
    if len(set(bits)) != 1:
        raise UnreadableImage(unsupported("a TIFF with samples of several sizes"))
    is_tiled = TILE_WIDTH in page
    offsets, sizes = page.get(TILES if is_tiled else STRIPS, ()), page.get(TILE_BYTES if is_tiled else STRIP_BYTES, ())
    if isinstance(offsets, bytes) or isinstance(sizes, bytes):
        raise UnreadableImage(UNKNOWN_DAMAGE)
    channels = number(page, CHANNELS, 1)
    return Layout(
        page,
        order,
        width,
        height,
        bits[0],
        channels,
        photometric=number(page, PHOTOMETRIC, BLACK_IS_ZERO),
        is_planar=number(page, PLANAR, 1) == 2 and channels > 1,
        sample_format=number(page, SAMPLE_FORMAT, UNSIGNED),
        part_width=number(page, TILE_WIDTH, 0) if is_tiled else width,
        part_height=number(page, TILE_HEIGHT, 0) if is_tiled else min(height, number(page, STRIP_ROWS, height)),
        offsets=offsets,
        sizes=sizes,
    )
