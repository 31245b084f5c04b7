"""Whatever files, options, settings and buckets are called, no terminal obeys it."""

from __future__ import annotations

import csv
import os
import random
import re

import pytest
from support.bombs import BOMBS
from support.fuzz import (
    assert_harmless,
    junk,
    mutated,
    run,
)
from support.pictures import drawing, encoded
from support.world import World

from lab2.aws.resources import LABEL_KEY
from lab2.labelling.labels.csv_dialect import HEADER, CsvDialect
from lab2.labelling.labels.label_row import Label, clean_name
from lab2.labelling.pictures.image_store import stored_name
from lab2.terminal import printable


def test_names_of_files_reach_no_terminal_raw_and_become_harmless_keys(world: World, chance: random.Random) -> None:
    folder = world.home / "pictures"
    folder.mkdir()
    for number in range(40):
        name = junk(chance).replace("/", "_").replace("\0", "_").encode()[:200] + chance.choice((b"", b"\xff\x9b"))
        data = encoded(".png", drawing(40 + number)) if number % 2 else b"no picture"
        (folder / os.fsdecode(b"%d%b%b" % (number, name, b"" if number % 2 else b".jpg"))).write_bytes(data)
    _, output, errors = run(world, "hotdog.py", "upload", str(folder), codes=(1,))
    assert output == "20 uploaded, 0 already there, 20 left out.\n" and len(errors.splitlines()) == 20
    for key in world.objects("underbase/"):
        assert_harmless(key)
        assert re.fullmatch(r"underbase/[0-9a-f]{12}-.{1,100}", key)
    for _ in range(2_000):
        stored = stored_name(junk(chance) + "\n\udcff", 12 * "0")
        assert re.fullmatch(r"[0-9a-f]{12}-.{0,100}", stored) and printable(stored) == stored
        assert not re.search("[\"',;:/\\\\*?<>|=@]", stored)
        name = clean_name(junk(chance) + "\n\udcff")
        assert printable(name) == name


def test_names_on_the_command_line_are_said_harmlessly(world: World) -> None:
    name = "\x1b[2J\u202e"
    run(world, "client.py", "file", name, codes=(2,))
    run(world, "client.py", "--client", name, "3", codes=(2,))
    run(world, "client.py", name, codes=(2,))
    run(world, "hotdog.py", "upload", name, codes=(2,))
    run(world, "hotdog.py", "report", "--sheet", f"{name}/a.png", codes=(2,))


def test_what_looks_like_an_option_or_a_bucket_is_said_harmlessly(world: World) -> None:
    name = "\x1b[2J\u202e"
    run(world, "hotdog.py", "upload", f"--{name}.jpg", codes=(2,))
    run(world, "client.py", f"-{name}", codes=(2,))
    run(world, "server.py", f"--{name}", codes=(2,))
    run(world, "server.py", "verify", name, codes=(2,))
    run(world, "hotdog.py", "report", "--bucket", name, codes=(2,))


@pytest.mark.parametrize("program", ["server.py", "client.py 3", "client.py", "hotdog.py report"])
def test_a_setting_that_is_wrong_ends_a_program_with_a_sentence(world: World, program: str) -> None:
    right = dict(world.env)
    for name, value in (
        ("AWS_PROFILE", "typo\x1b[2J"), ("AWS_SECRET_ACCESS_KEY", ""), ("AWS_REGION", "us_east\x1b 1"),
        ("AWS_ENDPOINT_URL", "localhost:4566"), ("AWS_ENDPOINT_URL", "http://["),
    ):  # fmt: skip
        world.env = right | {name: value}
        _, _, errors = run(world, *program.split(), typed=b"3\n\n", codes=(2,))
        assert 1 <= len(errors.splitlines()) <= 2, errors


def test_what_is_labelled_and_reported_in_a_bucket_of_strangers_is_kept_and_harmless(
    world: World, chance: random.Random
) -> None:
    put = world.aws.s3.put_object
    good = [encoded(".png", drawing(40 + number)) for number in range(8)]
    for number, data in enumerate(good):
        for name in ("\u202e", "\x1b[2J", "\x9b1m"):
            put(Bucket=world.aws.bucket, Key=f"underbase/{number:x}00-{name}.png", Body=data)
        put(Bucket=world.aws.bucket, Key=f"underbase/{number:x}01-good.png", Body=data)
        put(Bucket=world.aws.bucket, Key=f"underbase/{number:x}02-bad.png", Body=mutated(chance, data, 9))
        put(Bucket=world.aws.bucket, Key=f"underbase/{number:x}03-bomb.png", Body=BOMBS["png"])
    rows = [
        CsvDialect().encode(Label(f"{number % 8:x}01-good.png", "1", junk(chance), "t", "1")) for number in range(100)
    ]
    before = b"\n".join([HEADER.encode(), *rows, *(junk(chance).encode() for _ in range(50))])
    put(Bucket=world.aws.bucket, Key=LABEL_KEY, Body=before)
    _, output, _ = run(
        world, "hotdog.py", "label", "--annotator", "\x1b[2Jeve", typed=b"1\n0\n\x1b[A\n1\n0\n", codes=(0,)
    )
    assert "4 labels safe in S3" in output
    after = world.objects(LABEL_KEY)[LABEL_KEY]
    assert after.startswith(before)
    assert_harmless(after[len(before) :].decode().replace("\u202e", ""))  # an image keeps its name
    assert [row[2] for row in csv.reader(after[len(before) :].decode().split())] == ["[2Jeve"] * 4
    run(world, "hotdog.py", "report", codes=(0,))
    run(world, "hotdog.py", "report", "--output", "json", codes=(0,))
    run(world, "hotdog.py", "report", "--sheet", "sheet.png", codes=(0,))
