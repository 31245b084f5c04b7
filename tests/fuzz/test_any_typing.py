"""Whatever people type, or put into a file, is taken or refused with a sentence."""

from __future__ import annotations

import io
import json
import os
import random
import re
import socket
from collections import Counter
from contextlib import suppress

from support.client import WAITING
from support.fuzz import (
    NUMBERS,
    few_and_many,
    junk,
    mutated,
    run,
)
from support.pictures import drawing, encoded
from support.world import World

from lab2.errors import InvalidInput, UserError
from lab2.stats.client.series_file import read_series
from lab2.stats.protocol import (
    encode_request,
)
from lab2.stats.series import parse_number


def any_typing(chance: random.Random) -> bytes:
    """Return lines as somebody, or some file, may type them at the client's prompts."""

    def line() -> bytes:
        kind = chance.randrange(8)
        if kind < 2:
            return chance.choice(NUMBERS).encode()
        if kind == 2:
            return b""
        if kind == 3:
            return chance.choice((b"y", b"Y", b"yes", b"n", b" y "))
        if kind == 4:
            return chance.randbytes(chance.randrange(40))
        if kind == 5:
            return f"{chance.uniform(0, 1e3):.3}".encode()
        return junk(chance).encode()

    return chance.choice((b"\n", b"\n", b"\r\n", b"\r")).join(line() for _ in range(chance.randrange(120)))


def series_in(typed: bytes) -> list[str]:
    """Return the requests that a client makes of what is typed: the rules of its prompts once more."""
    lines = iter(io.TextIOWrapper(io.BytesIO(typed), encoding="utf-8", errors="backslashreplace"))
    requests, more = [], True
    while more:
        numbers, more = [], False
        for _ in range(10):
            if not (line := next(lines, "")).strip():
                more = bool(line)
                break
            with suppress(InvalidInput):
                numbers.append(parse_number(line))
        else:
            more = True
        if numbers:
            requests.append(encode_request(numbers))
        more = more and next(lines, "").strip() in ("y", "Y")
    return requests


@few_and_many(3, 10)
def test_anything_typed_is_taken_or_refused_and_what_is_taken_is_sent(
    world: World, server: object, chance: random.Random, cases: int
) -> None:
    world.env["PYTHONIOENCODING"] = "utf-8:strict"  # as most terminals have it, and not the C locale of a test
    for number in range(cases):
        typed = any_typing(chance)
        expected = series_in(typed)
        code, output, errors = run(world, *WAITING, "--client", f"typist-{number}", typed=typed)
        rows = [json.loads(line) for body in world.objects("log/2").values() for line in body.splitlines()]
        sent = [row["request"] for row in rows if row["client"] == f"typist-{number}"]
        assert Counter(sent) == Counter(expected), (typed, output, errors)
        assert code == 0
        assert len(re.findall(r"^ *message +numbers|^message \d+:", output, re.MULTILINE)) == len(expected)


def test_any_bytes_in_a_file_are_sent_or_refused_line_by_line(
    world: World, server: object, chance: random.Random
) -> None:
    path = world.home / "series"
    good = "\n".join(f"{chance.uniform(0, 9):.3}; {chance.randrange(9)}\t1e3" for _ in range(30)).encode()
    for number in range(5):
        content = any_typing(chance) if number % 2 else mutated(chance, good, 30)
        path.write_bytes(content if number == 4 else content.decode(errors="replace").encode())
        try:
            file = read_series(str(path))
        except UserError:
            code, _, errors = run(world, "client.py", "file", str(path), codes=(2,))
            assert "can't be read" in errors and errors.count("\n") == 1
            continue
        taken, refused = len(file.series), len(file.refused)
        code, _, errors = run(world, "client.py", "file", str(path))
        assert f"{taken} sent, {taken} answered, {refused} rejected.\n" in errors, content
        assert code == bool(refused)


@few_and_many(30, 150)
def test_any_path_typed_gets_an_outcome_or_a_sentence_and_the_menu(
    world: World, chance: random.Random, cases: int
) -> None:
    home = world.home / "p"
    home.mkdir()
    os.mkfifo(home / "fifo")
    (home / "loop").symlink_to("loop")
    (home / "folder" / "inner").mkdir(parents=True)
    (home / "picture \x1b[2J 'q'.png").write_bytes(encoded(".png"))
    (home / os.fsdecode(b"\xff\x1b]0;x\x07.png")).write_bytes(encoded(".png", drawing(44)))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(home / "socket"))
        odd = [
            "/dev/null", "/dev/zero", "/dev/tty", "/dev/stdin", "/dev/full", "/proc/self/mem", "/proc/version",
            f"{home}/fifo", f"{home}/loop", f"{home}/socket", f"{home}/folder", "~nobody-like-that/x.jpg", "~a\0b", "~",
            "x" * 5_000, f"{home}/{'y/' * 3_000}", "'", '"', "\\", "a\0b", "\x1b[2J", f"{home}/picture \x1b[2J 'q'.png",
            f"'{home}/fifo' /dev/null", "é\u202e", "~\x1b[2J/a",
        ]  # fmt: skip
        odd += [chance.choice(("", f"{home}/", "~", "'", '"')) + junk(chance).translate(SAFE) for _ in range(cases)]
        typed = [os.fsencode(path) for path in odd] + [b"\xff\xfe", b"~\xff", bytes(home) + b"/\xff\x1b]0;x\x07.png"]
        lines = b"".join(b"u\n" + path + b"\n" for path in typed)
        _, output, errors = run(world, "hotdog.py", typed=lines + b"q\n", patience=60)
    assert output.count("1 upload   2 label   3 quit") == len(typed) + 1
    assert output.count("1 uploaded") == 2 and set(world.objects("underbase/").values()) == {
        encoded(".png"), encoded(".png", drawing(44))
    }  # fmt: skip
    assert all(re.search(r"can't be read|is left out", line) for line in errors.splitlines()), errors


SAFE = {ord(char): "_" for char in "/~.\r\n"}  # else chance finds folders of this machine, or another line's end
