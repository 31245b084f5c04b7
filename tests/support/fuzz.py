"""Bad input from a seed: what strangers send, people type and disks hold; and that no program passes it on raw.

LAB2_SEED is the seed. It is 1 where nobody sets it, so `make test` tries the same input each time; `make fuzz` tries
other input each time, and says which seed repeats it.
"""

from __future__ import annotations

import json
import os
import random
import re
from typing import Any

import pytest
from support.world import PATIENCE, World

from lab2.aws.sqs.message_queue import batches
from lab2.stats.protocol import (
    Answer,
    answer_request,
    encode_answer,
    encode_request,
)

SEED = os.environ.get("LAB2_SEED") or "1"

# What a terminal obeys but for line feed and tab, and what turns the direction of writing.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

HOSTILE = [
    "\x1b[2J", "\x1b]0;owned\x07", "\x1b]52;c;cm0gLXJm\x07", "\x9b31m", "\x1bc", "\r", "\b", "\t", "\0", "\x7f", "\x85",
    "\u202e", "\u2066", "\u200f", "\u2028", "\ufeff", "\ufffd", "../../x", "'", '"', "`id`", "$(id)", "%s%n", "{0}",
    "=1+1", "-1", "+", "@", ",", ";", "|", "é", "٣", "😀", "e\u0301" * 9, "x" * 200, " ", "\\", "\\u0000", "\\ud800",
]  # fmt: skip

NUMBERS = [
    "0", "-0", "3", "5.5", "1e308", "1e400", "-1", "5e-324", "1e-999", "NaN", "Infinity", "-Infinity", "0x10", "1_0",
    "01", "1.", ".5", "+2", "9" * 400, "9" * 5000, "true", "null", '"3"', "3,5", "[]", "{}", '"\\ud800"',
]  # fmt: skip


def few_and_many(few: int, many: int) -> pytest.MarkDecorator:
    """Run a test with a few `cases` always, and with many as a long test."""
    return pytest.mark.parametrize("cases", [few, pytest.param(many, marks=pytest.mark.long)])


def junk(chance: random.Random, most: int = 6) -> str:
    """Return text of hostile pieces, control characters and letters of any script; no surrogates, no line feed."""

    def piece() -> str:
        kind = chance.randrange(4)
        if kind == 0:
            return chance.choice(HOSTILE)
        if kind == 1:
            return chance.choice(NUMBERS)
        if kind == 2:
            return "".join(chr(chance.randrange(32, 127)) for _ in range(chance.randrange(8)))
        return chr(
            chance.choice((chance.randrange(0x100), chance.randrange(0xD800), chance.randrange(0xE000, 0x110000)))
        )

    return "".join(piece() for _ in range(chance.randint(1, most))).replace("\n", "")


def json_ish(chance: random.Random, depth: int = 4) -> str:
    """Return JSON, or what looks like it."""
    kind = chance.randrange(5 if depth else 3)
    if kind < 2:
        return chance.choice(NUMBERS)
    if kind == 2:
        return json.dumps(junk(chance))
    inner = [json_ish(chance, depth - 1) for _ in range(chance.randrange(12))]
    if kind == 3:
        return f"[{', '.join(inner)}]"
    names = ("id", "numbers", "mean", "median", "max", "min", "error", junk(chance, 2))
    return "{" + ", ".join(f"{json.dumps(chance.choice(names))}: {value}" for value in inner) + "}"


def mutated(chance: random.Random, data: bytes, most: int = 4) -> bytes:
    """Return the bytes with some cut out, flipped, doubled, put in or replaced by extremes."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, most)):
        at = chance.randrange(len(changed) + 1)
        to = min(len(changed), at + chance.choice((1, 1, 2, 4, 8, 64)))
        kind = chance.randrange(7)
        if kind == 0:
            del changed[at:to]
        elif kind == 1:
            changed[at:to] = chance.randbytes(to - at)
        elif kind == 2:
            changed[at:at] = changed[at:to] * chance.randint(1, 3)
        elif kind == 3:
            changed[at:at] = chance.randbytes(chance.randint(1, 16))
        elif kind == 4:
            changed[at:to] = chance.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * (to - at)
        elif kind == 5 and at < len(changed):
            changed[at] ^= 1 << chance.randrange(8)
        elif chance.random() < 0.2:
            del changed[at:]
    return bytes(changed)


def any_request(chance: random.Random) -> str:
    kind = chance.randrange(5)
    if kind == 0:
        return junk(chance)
    if kind == 1:
        return json_ish(chance)
    if kind == 2:
        return f"[{', '.join(chance.choice(NUMBERS) for _ in range(chance.randrange(12)))}]"
    if kind == 3:
        return chance.choice("[{") * chance.choice((1, 90, 900, 9_000, 20_000)) + junk(chance)
    good = encode_request([chance.uniform(0, 9) for _ in range(chance.randint(1, 10))])
    return mutated(chance, good.encode()).decode(errors="replace")


def any_answer(chance: random.Random) -> str:
    if chance.random() < 0.3:
        return any_request(chance)
    id, error = junk(chance), junk(chance, 60)
    answer = Answer(id, error=error) if chance.random() < 0.5 else answer_request(id, "[3, 5.5]")
    body = encode_answer(answer)
    if chance.random() < 0.3:
        body = json.dumps(json.loads(body), ensure_ascii=False)
    return mutated(chance, body.encode(), 2).decode(errors="replace") if chance.random() < 0.5 else body


def any_attributes(chance: random.Random, *names: str) -> dict[str, dict[str, Any]]:
    """Return attributes of a message, some of them binary or numbers."""
    attributes: dict[str, dict[str, Any]] = {}
    for name in (*names, "Zz-9.x"):
        kind = chance.randrange(6)
        if kind == 0:
            attributes[name] = {"DataType": "Binary", "BinaryValue": chance.randbytes(20)}
        elif kind == 1:
            attributes[name] = {"DataType": "Number", "StringValue": str(chance.randrange(-9, 9**9))}
        elif kind < 5:
            text = chance.choice((junk(chance), junk(chance)[:1], "x" * 201, "lab2_1-\n", f"lab2_1-{'x' * 70}", "lab2"))
            attributes[name] = {"DataType": "String", "StringValue": text}
    return attributes


def send_any(world: World, queue: str, messages: list[tuple[str, dict[str, dict[str, Any]]]]) -> int:
    """Send messages as a stranger would; return how many the queue took."""
    sqs, url, taken = world.aws.sqs, world.aws.queue_url(queue), 0
    for batch in batches(messages):
        entries = [
            {"Id": str(number), "MessageBody": body or " ", "MessageAttributes": attributes}
            for number, (body, attributes) in enumerate(batch)
        ]
        taken += len(sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Successful", ()))
    return taken


def run(
    world: World,
    program: str,
    *args: str,
    typed: bytes = b"",
    codes: tuple[int, ...] = (0, 1),
    patience: int = PATIENCE,
) -> tuple[int, str, str]:
    """Run a program to its end; it must end well and speak to no terminal but in text. Return code, output, errors."""
    streams = {name: world.home / f"{len(world.processes)}.{name}" for name in ("stdin", "stdout", "stderr")}
    streams["stdin"].write_bytes(typed)
    with streams["stdin"].open("rb") as stdin, streams["stdout"].open("wb") as out, streams["stderr"].open("wb") as err:
        process = world.start(program, *args, stdin=stdin, stdout=out, stderr=err)
        code = process.wait(patience)
    output, errors = (streams[name].read_bytes().decode() for name in ("stdout", "stderr"))  # raw: \r is not made \n
    assert "Traceback" not in errors, errors[-3000:]
    assert code in codes, (code, errors[-3000:])
    assert_harmless(output)
    assert_harmless(errors)
    return code, output, errors


def assert_harmless(text: str) -> None:
    """Fail where a terminal that gets this text does more than to show it."""
    found = _CONTROL.search(text)
    assert not found, f"raw {found[0]!r} in {text[max(0, found.start() - 60) : found.end() + 60]!r}, LAB2_SEED={SEED}"
