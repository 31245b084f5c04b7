"""Pictures: what is stored, what is left out, how they are decoded and drawn at random."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy
import pexpect
import pytest
from support.pictures import bomb, drawing, encoded, is_red, pixel, turned
from support.proxy import Fault, Proxy
from support.world import PATIENCE, ROOT, World

from lab2.labelling.display.decoder import Decoder
from lab2.labelling.display.terminal_screen import half_blocks
from lab2.labelling.image_store import ImageStore, digest, stored_name
from lab2.labelling.picture import UnreadableImage
from lab2.labelling.samples import fill


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder()
    yield decoder
    decoder.close()


# ---- decoding ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [".jpg", ".png"])
@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, "top left"), (2, "top right"), (3, "bottom right"), (4, "bottom left"),
     (5, "top left"), (6, "top right"), (7, "bottom right"), (8, "bottom left")],
)  # fmt: skip
def test_exif_rotation_is_honoured(decoder: Decoder, kind: str, orientation: int, corner: str) -> None:
    picture = decoder.decode(turned(kind, orientation), 600, 600)
    assert (picture.width, picture.height) == ((600, 400) if orientation < 5 else (400, 600))
    corners = {f"{row} {side}": pixel(picture, x, y) for row, y in (("top", 0.2), ("bottom", 0.8))
               for side, x in (("left", 0.2), ("right", 0.8))}  # fmt: skip
    assert [place for place, colour in corners.items() if is_red(colour)] == [corner]


@pytest.mark.parametrize("depth", [numpy.uint8, numpy.uint16])
def test_transparency_is_shown_on_neutral_ground_and_turned_too(decoder: Decoder, depth: type) -> None:
    most = numpy.iinfo(depth).max
    pixels = numpy.zeros((40, 60, 4), depth)
    pixels[:20, :30] = (0, 0, most, most)
    picture = decoder.decode(turned(".png", 6, pixels), 40, 60)
    assert is_red(pixel(picture, 0.8, 0.2))
    assert pixel(picture, 0.2, 0.8) == (128, 128, 128)


def test_an_alpha_channel_that_nobody_filled_hides_nothing(decoder: Decoder) -> None:
    picture = decoder.decode(encoded(".png", numpy.dstack([drawing(), numpy.zeros((40, 60), numpy.uint8)])), 60, 40)
    assert is_red(pixel(picture, 0.2, 0.2))


@pytest.mark.parametrize("kind", [".jpg", ".png", ".webp", ".bmp", ".tiff", ".jp2"])
def test_formats_are_shown_whole_and_undistorted(decoder: Decoder, kind: str) -> None:
    picture = decoder.decode(encoded(kind), 960, 640)
    assert (picture.width, picture.height) == (960, 640)
    assert is_red(pixel(picture, 0.2, 0.2)) and not is_red(pixel(picture, 0.8, 0.2))


def test_grey_and_sixteen_bit_pictures_are_shown(decoder: Decoder) -> None:
    grey = numpy.full((40, 60), 90, numpy.uint8)
    assert pixel(decoder.decode(encoded(".png", grey), 60, 40), 0.5, 0.5) == (90, 90, 90)
    assert pixel(decoder.decode(encoded(".png", grey.astype(numpy.uint16) * 257), 60, 40), 0.5, 0.5) == (90, 90, 90)


def test_the_first_frame_of_an_animation_is_shown(decoder: Decoder) -> None:
    animation = cv2.Animation()
    animation.frames = [drawing(), 255 - drawing()]
    animation.durations = numpy.array([100, 100], numpy.int32)
    for kind in (".gif", ".webp"):
        data = cv2.imencodeanimation(kind, animation)[1].tobytes()
        assert is_red(pixel(decoder.decode(data, 60, 40), 0.2, 0.2))


@pytest.mark.parametrize(("width", "height"), [(3000, 2), (2, 3000), (4000, 3000), (1, 1)])
def test_any_shape_fits_the_box(decoder: Decoder, width: int, height: int) -> None:
    picture = decoder.decode(encoded(".jpg", drawing(height, width)), 960, 640)
    assert picture.width <= 960 and picture.height <= 640
    assert picture.width == 960 or picture.height == 640
    assert len(picture.pixels) == 3 * picture.width * picture.height


def test_a_decoder_that_dies_takes_nothing_along(decoder: Decoder) -> None:
    decoder._process.process.kill()
    with pytest.raises(UnreadableImage, match="crashes"):
        decoder.decode(encoded(".png"), 60, 40)
    assert decoder.decode(encoded(".png"), 60, 40).width == 60


def test_half_blocks_fill_the_width_of_the_terminal(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    lines = half_blocks(decoder.decode(encoded(".png"), 30, 90), 30, 90).splitlines()
    assert len(lines) == 10  # 20 rows of pixels
    assert all(line.count("▀") == 30 for line in lines)
    assert lines[0].startswith("\x1b[38;2;200;0;0;48;2;200;0;0m▀")


# ---- upload -----------------------------------------------------------------------------------


def upload(world: World, *paths: Path | str) -> tuple[int, str, str]:
    """Upload; return exit code, output and errors."""
    program = world.start("hotdog.py", "upload", *map(str, paths))
    output, errors = program.communicate(timeout=PATIENCE)
    return program.returncode, output, errors


def names(world: World) -> list[str]:
    return [key.removeprefix("underbase/") for key in world.objects("underbase/")]


def test_bad_files_are_left_out_with_their_reasons_and_the_others_go_on(world: World) -> None:
    folder = world.home / "pictures"
    (folder / "holidays").mkdir(parents=True)
    good = encoded(".jpg")
    bad = {
        "empty.jpg": (b"", "it is empty"),
        "notes.txt": (b"hello", "it is not an image"),
        "cut.jpg": (good[: len(good) // 2], "it is damaged or cut short"),
        "cut.png": (encoded(".png")[:-20], "it is damaged or cut short"),
        "cut.webp": (encoded(".webp")[:-8], "it is damaged or cut short"),
        "phone.heic": (b"\0\0\0\x18ftypheic" + bytes(100), "HEIC"),
        "bomb.png": (bomb(), "more than 100 megapixels"),
    }
    for name, (data, _) in bad.items():
        (folder / name).write_bytes(data)
    (folder / "good.jpg").write_bytes(good)
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    os.mkfifo(folder / "pipe.jpg")
    with (folder / "huge.jpg").open("wb") as huge:
        huge.truncate(200 * 2**20)
    code, output, errors = upload(world, folder)
    assert code == 1
    assert output == "1 uploaded, 0 already there, 11 left out.\n"
    for name, (_, reason) in bad.items():
        assert re.search(rf"{name} is left out: .*{reason}", errors), errors
    for name, reason in (("gone", "can't be read"), ("pipe", "not a file"), ("huge", "100 MB"), ("holidays", "folder")):
        assert re.search(rf"{name}.* is left out: .*{reason}", errors), errors
    assert len(errors.splitlines()) == 11
    assert list(world.objects("underbase/").values()) == [good]


def test_the_same_picture_is_stored_once_and_two_of_one_name_both_survive(world: World) -> None:
    one, two = turned(".jpg", 6), encoded(".jpg", drawing(80, 80))
    for folder, data in (("a", one), ("b", two)):
        (world.home / folder).mkdir()
        (world.home / folder / "IMG_0001.jpg").write_bytes(data)
    for copy in range(5):
        (world.home / "a" / f"copy {copy}.jpg").write_bytes(one)
    code, output, errors = upload(world, world.home / "a", world.home / "b")
    assert (code, output, errors) == (0, "2 uploaded, 5 already there, 0 left out.\n", "")
    assert sorted(world.objects("underbase/").values()) == sorted([one, two])
    assert upload(world, world.home / "b")[1] == "0 uploaded, 1 already there, 0 left out.\n"


def test_the_samples_have_the_names_that_upload_gives(world: World) -> None:
    samples = {path.name: path.read_bytes() for path in (ROOT / "underbase").iterdir()}
    assert {name: stored_name(name, digest(data)) for name, data in samples.items()} == {name: name for name in samples}
    assert upload(world, ROOT / "underbase")[1] == f"{len(samples)} uploaded, 0 already there, 0 left out.\n"
    assert names(world) == sorted(samples)


def test_names_are_made_harmless_and_stay_readable() -> None:
    hash = digest(b"x")
    start = f"{hash}-"
    assert stored_name("été à la plage (2).jpg", hash) == f"{start}été à la plage (2).jpg"
    assert stored_name('=cmd|"a",b\n;.jpg', hash) == f"{start}_cmd__a__b__.jpg"
    assert stored_name(os.fsdecode(b"\xff.jpg"), hash) == f"{start}_.jpg"
    assert len(stored_name("x" * 300 + ".jpg", hash)) == 113 and stored_name("x" * 300 + ".jpg", hash).endswith(".jpg")


def test_paths_are_taken_as_people_and_terminals_write_them(world: World) -> None:
    folder = world.home / "fotos d'été"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.png").write_bytes(encoded(".png", drawing(40 + number)))
    quoted = str(folder / "1.png").replace("'", "'\\''")
    typed = [
        str(folder / "0.png"),
        f"'{quoted}'",
        str(folder / "2.png").replace(" ", "\\ ").replace("'", "\\'"),
        f'"{folder}/3.png" "{folder}/0.png"',
        "~/fotos d'été/4.png",
    ]
    program = world.start("hotdog.py")
    output, errors = program.communicate("".join(f"u\n{path}\n" for path in typed) + "q\n", timeout=PATIENCE)
    assert errors == ""
    assert output.count("1 uploaded") == 5 and output.count("1 already there") == 1
    assert program.returncode == 0


@pytest.mark.parametrize("typed", ["/nowhere", "~nobody/x.jpg", "'", "a\0b", "\udcff"])
def test_a_path_that_is_not_there_gets_one_sentence_and_the_menu(world: World, typed: str) -> None:
    program = world.start("hotdog.py", errors="surrogateescape")
    output, errors = program.communicate(f"1\n{typed}\n3\n", timeout=PATIENCE)
    assert len(errors.splitlines()) == 1 and "can't be read" in errors
    assert output.count("1 upload   2 label   3 quit") == 2
    assert program.returncode == 1


def test_an_interrupted_upload_says_what_is_done_and_can_be_started_again(proxied: World, proxy: Proxy) -> None:
    folder = proxied.home / "many"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}.png").write_bytes(encoded(".png", drawing(40 + number)))
    network = threading.Event()
    stall = proxy.on("PutObject", Fault(before=lambda: network.wait(PATIENCE)), nth=8, times=10**9)
    child = pexpect.spawn(sys.executable, [str(ROOT / "hotdog.py")], env=proxied.env, timeout=PATIENCE, encoding="utf8")
    child.sendline("upload")
    child.expect("File or folder: ")
    child.sendline(str(folder))
    child.expect("of 30")  # the bar
    child.sendintr()
    network.set()
    child.expect(r"(\d+) uploaded, 0 already there, 0 left out; (\d+) not done. Start again to go on.")
    uploaded = int(child.match[1])
    assert uploaded == len(names(proxied)) and uploaded + int(child.match[2]) == 30
    proxy.forget(stall)
    child.expect("3 quit")
    child.sendline("u")
    child.sendline(str(folder))
    child.expect(f"{30 - uploaded} uploaded, {uploaded} already there, 0 left out")
    child.sendline("q")
    child.expect(pexpect.EOF)
    assert len(names(proxied)) == 30


def test_an_upload_that_aws_refuses_ends_with_one_sentence(proxied: World, proxy: Proxy) -> None:
    (proxied.home / "a.png").write_bytes(encoded(".png"))
    proxy.on("PutObject", Fault(refuse=(403, "AccessDenied")), times=10**9)
    program = proxied.start("hotdog.py", "upload", "a.png")
    output, errors = program.communicate(timeout=PATIENCE)
    assert "1 not done" in output and "denied" in errors and "Traceback" not in errors
    assert program.returncode == 2


# ---- at random --------------------------------------------------------------------------------


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
