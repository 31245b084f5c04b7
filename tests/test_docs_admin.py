"""docs/how-to/erase-data.md: a picture or a client's rows are gone, in all versions."""

from __future__ import annotations

import re
import subprocess
from datetime import datetime, timezone

import pytest
from support.aws_cli import install
from support.labeller import put_labels
from support.logs import log_of
from support.world import PATIENCE, ROOT, World

from lab2.aws.resources import LABEL_KEY
from lab2.stats.protocol import answer_request, encode_answer
from lab2.stats.server.log.row import encode_row

PAGE = (ROOT / "docs" / "how-to" / "erase-data.md").read_text()
pytestmark = pytest.mark.long  # each `aws` starts a Python

FUNCTIONS, PICTURE, CLIENT = (
    re.sub("^    ", "", block, flags=re.MULTILINE) for block in re.findall(r"(?:^    .*\n)+", PAGE, re.MULTILINE)
)


@pytest.fixture
def admin(world: World) -> World:
    """A world whose shell has `aws` and the programs, in the home of an administrator."""
    (world.home / "server.py").symlink_to(ROOT / "server.py")
    world.env = install(world.home / "bin", world.env)
    return world


def shell(world: World, script: str, **variables: str) -> str:
    """Run lines of the page, with other values for the variables that they set; return what they print."""
    for name, value in {"BUCKET": world.aws.bucket, **variables}.items():
        script, count = re.subn(rf"\b{name}=\S+", f"{name}='{value}'", script)
        assert count == 1
    done = subprocess.run(["sh", "-c", FUNCTIONS + script], cwd=world.home, env=world.env, capture_output=True,
                          text=True, timeout=4 * PATIENCE)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def all_versions(world: World, prefix: str) -> list[tuple[str, bytes]]:
    """Return the content of each version of each key, with its key."""
    reply = world.aws.s3.list_object_versions(Bucket=world.aws.bucket, Prefix=prefix)
    return [
        (version["Key"], world.aws.s3.get_object(
            Bucket=world.aws.bucket, Key=version["Key"], VersionId=version["VersionId"])["Body"].read())
        for version in reply.get("Versions", ())
    ]  # fmt: skip


def test_a_picture_and_its_labels_are_gone_in_all_versions_and_nothing_else_is(admin: World) -> None:
    for name in ("0123-a picture.jpg", "0123-a picture.jpg.png", "4567-b.jpg"):
        for _ in range(2):
            admin.aws.s3.put_object(Bucket=admin.aws.bucket, Key=f"underbase/{name}", Body=name.encode())
    rows = ["0123-a picture.jpg.png,1,ada,,", "0123-a picture.jpg,1,ada,,", "4567-b.jpg,0,ada,,"]
    put_labels(admin, "\n".join(rows[:2]) + "\n")
    put_labels(admin, "\n".join(rows) + "\n")
    shell(admin, PICTURE, PICTURE="0123-a picture.jpg")
    assert {key for key, _ in all_versions(admin, "underbase/")} == {
        "underbase/0123-a picture.jpg.png", "underbase/4567-b.jpg"
    }  # fmt: skip
    ((_, labels),) = all_versions(admin, LABEL_KEY)
    assert labels.decode().splitlines()[1:] == [rows[0], rows[2]]


def test_a_client_s_rows_are_gone_in_all_versions_and_the_rest_of_the_log_is_right(admin: World) -> None:
    day = "2026-11-16"
    now = datetime(2026, 11, 16, tzinfo=timezone.utc)
    log = log_of(admin, day)
    for start, end in ((0, 100), (100, 130), (130, 160)):  # two segments, of which one has two versions
        rows = [
            encode_row(id, "ada@lab" if number % 2 else "bob@lab", "[3]", encode_answer(answer_request(id, "[3]")), now)
            for number in range(start, end) for id in [f"{number}"]
        ]  # fmt: skip
        log.append(rows, since=0.0)
    assert len(admin.objects(f"log/{day}/")) == 2 and len(all_versions(admin, f"log/{day}/")) == 3
    told = shell(admin, CLIENT, CLIENT="ada@lab", DAY=day)
    assert told.endswith("80 rows: 80 correct, 0 wrong, 0 duplicate, 0 truncated, 0 missing\n")
    versions = all_versions(admin, f"log/{day}/")
    assert len(versions) == len(admin.objects(f"log/{day}/")) and not any(b"ada@lab" in body for _, body in versions)
