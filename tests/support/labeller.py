"""The labeller as tests use it: through a pipe, at a terminal, with its network cut; and what it wrote."""

from __future__ import annotations

import csv
import io
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any

from support.proxy import ALWAYS, Fault, Proxy
from support.terminal import Terminal
from support.world import PATIENCE, ROOT, World

from lab2.aws.resources import LABEL_KEY
from lab2.labelling.labels.csv_dialect import HEADER
from lab2.labelling.labels.label_row import Label

HELP = "1 hot dog, 0 not, u back, s skip, b brighter, q end: "


def rows(world: World) -> list[dict[str, str]]:
    text = world.objects(LABEL_KEY).get(LABEL_KEY, b"").decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def waiting(world: World) -> list[str]:
    """Return the timestamps of all labels that wait on disk in the outbox."""
    state = world.home / ".local/state/lab2"
    stamps: list[str] = []
    for path in state.glob("*/outbox.sqlite3"):
        with closing(sqlite3.connect(path)) as db:
            stamps += [stamp for (stamp,) in db.execute("SELECT timestamp FROM waiting")]
    return stamps


def piped(world: World, *args: str, typed: str) -> tuple[int, str, str]:
    program = world.start("hotdog.py", *args)
    output, errors = program.communicate(typed, timeout=PATIENCE)
    return program.returncode, output, errors


def terminal(world: World, *args: str, program: str = "hotdog.py", **env: str) -> Any:
    """Start the labeller at a terminal of 60 columns that shows colours."""
    environment = {"TERM": "xterm-256color"} | world.env | env
    environment.pop("DISPLAY", None)
    child = Terminal(sys.executable, [str(ROOT / program), *args], env=environment | env, cwd=world.home,
                     timeout=PATIENCE, encoding="utf8", dimensions=(24, 60))  # fmt: skip
    child.delaybeforesend = 0
    return child


def cut(proxy: Proxy) -> Callable[[], None]:
    """Cut the network; return what mends it."""
    rules = [proxy.on(operation, Fault(cut=True), times=ALWAYS)
             for operation in ("ListObjectsV2", "GetObject", "PutObject")]  # fmt: skip
    return lambda: proxy.forget(*rules)


def votes(**images: str) -> dict[str, dict[str, Label]]:
    """Return votes: for each image a digit an annotator, who are called a, b, c ..."""
    return {
        image: {name: Label(image, label, name, "", "2.0") for name, label in zip("abcdef", labels, strict=False)}
        for image, labels in images.items()
    }


def put_labels(world: World, rows: str) -> None:
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=LABEL_KEY, Body=f"{HEADER}\n{rows}".encode())


def image_names(world: World) -> list[str]:
    return [key.removeprefix("underbase/") for key in world.objects("underbase/")]
