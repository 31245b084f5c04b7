"""Bad input: whatever strangers send, people type and disks hold, thousands of cases a run, from a seed.

Each test prints its seed (pytest shows it where a test fails, and with -rP); LAB2_SEED repeats a run.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import signal
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import numpy
import pytest
from support.pictures import bomb, chunk, drawing, encoded
from support.world import PATIENCE, World, until

from lab2.aws.resources import LABEL_KEY
from lab2.aws.sqs import batches
from lab2.errors import InvalidInput, UserError
from lab2.labelling.csv_dialect import COLUMNS, HEADER, CsvDialect
from lab2.labelling.display.decoder import Decoder
from lab2.labelling.image_store import stored_name
from lab2.labelling.label import Label, clean_name
from lab2.labelling.outbox import Outbox
from lab2.labelling.outbox_file import left_behind
from lab2.labelling.picture import UnreadableImage
from lab2.stats.client.output import printer, table
from lab2.stats.client.series_file import parse_line
from lab2.stats.protocol import (
    Answer,
    answer_request,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
    new_id,
)
from lab2.stats.series import parse_number
from lab2.stats.server.log_index import LogIndex
from lab2.stats.server.log_row import day_of, decode_row, encode_row

SEED = os.environ.get("LAB2_SEED") or str(random.SystemRandom().randrange(2**32))

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


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Chance that is another in each run and test, and the same again with LAB2_SEED."""
    print(f"LAB2_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


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
    assert code in codes, (code, errors[-1000:])
    assert_harmless(output)
    assert_harmless(errors)
    return code, output, errors


def assert_harmless(text: str) -> None:
    """Fail where a terminal that gets this text does more than to show it."""
    found = _CONTROL.search(text)
    assert not found, f"raw {found[0]!r} in {text[max(0, found.start() - 60) : found.end() + 60]!r}, LAB2_SEED={SEED}"


# ---- messages -----------------------------------------------------------------------------------


def test_any_text_is_a_message_or_refused_with_the_reason(chance: random.Random) -> None:
    for _ in range(3_000):
        body = any_request(chance) + chance.choice(("", "", "\ud800"))
        answer = answer_request(junk(chance), body)
        assert bool(answer.error) != bool(answer.numbers), body
        assert decode_answer(encode_answer(answer)) == answer, body
        assert_harmless(answer.error or "")
        for decode in (decode_request, decode_answer, parse_line, parse_number):
            with suppress(InvalidInput):
                decode(body if chance.random() < 0.5 else any_answer(chance))


def test_any_answer_is_printed_in_harmless_characters(
    chance: random.Random, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = [printer(form, [("1", [3.0])]) for form in (None, "csv", "json")]
    for _ in range(1_000):
        with suppress(InvalidInput):
            answer = decode_answer(any_answer(chance))
            assert_harmless(table([(junk(chance), answer)], chance.randint(20, 120)))
            for show in shown:
                show("1", answer)
    assert_harmless(capsys.readouterr().out)


def test_any_row_of_the_log_is_known_or_passed_over(chance: random.Random) -> None:
    logged, now = LogIndex(), datetime.now(timezone.utc)
    for _ in range(1_000):
        id, body = junk(chance), any_request(chance)
        answer = encode_answer(answer_request(id, body))
        row = encode_row(id, junk(chance), body, answer, now)
        assert len(row.splitlines()) == 1
        assert (found := decode_row(bytes(row))) and (found.id, json.loads(found.answer)) == (id, json.loads(answer))
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", day_of(id, now.timestamp()))
        spoilt = [
            mutated(chance, row),
            any_answer(chance).encode(),
            f'{{"id": {json_ish(chance)}, "answer": 1}}'.encode(),
        ]
        logged.add(spoilt)
        logged.missing(spoilt)


def test_anything_on_the_request_queue_is_answered_and_gone_and_nobody_else_waits(
    world: World, chance: random.Random
) -> None:
    server = world.start("server.py")
    assert server.stdout and "Serving" in server.stdout.readline()
    good = {new_id(): [chance.uniform(0, 1e6) for _ in range(chance.randint(1, 10))] for _ in range(100)}
    bad = [(any_request(chance), any_attributes(chance, "id", "client", "reply_to")) for _ in range(500)]
    asked = [
        (encode_request(numbers), {"id": {"DataType": "String", "StringValue": id}}) for id, numbers in good.items()
    ]
    mixed = chance.sample(bad + asked, k=600)
    assert send_any(world, "lab2", mixed) > 500
    found: dict[str, str] = {}

    def all_answered() -> bool:
        for message in world.drain("lab2_1"):
            found[decode_answer(message.body).id] = message.body
        return good.keys() <= found.keys() and world.depth("lab2") == (0, 0)

    until(all_answered)
    assert server.poll() is None
    for id, numbers in good.items():
        assert found[id] == encode_answer(answer_request(id, encode_request(numbers)))
    server.send_signal(signal.SIGTERM)
    output, errors = server.communicate(timeout=PATIENCE)
    assert (server.returncode, errors) == (0, "")
    assert_harmless(output)
    assert world.depth("lab2_dead") == (0, 0)
    _, output, _ = run(world, "server.py", "verify", codes=(0,))
    assert " 0 wrong, 0 twice, 0 torn" in output


def test_anything_on_the_answer_queue_leaves_a_client_its_own_answer(
    world: World, server: object, chance: random.Random
) -> None:
    ways = [
        (["7", "8.5"], r"^ +1 +7 8\.5 +7\.75 +7\.75 +8\.5 +7$", 1),
        (["--file", "series"], r"^ *\d+ +7 8\.5 +7\.75 +7\.75 +8\.5 +7$", 20),
        (["--file", "series", "--csv"], r"^\d+,7 8\.5,7\.75,7\.75,8\.5,7,$", 20),
        (["--file", "series", "--json"], r'"numbers": \[7, 8\.5\], "mean": 7\.75,', 20),
    ]
    (world.home / "series").write_text("7 8.5\n" * 20)
    for args, own, times in ways:
        strange = [(any_answer(chance), any_attributes(chance, "id")) for _ in range(60)]
        for _, attributes in strange:
            if owner := chance.choice(("", "me", "me", "somebody", "\x1b[2J")):
                attributes["client"] = {"DataType": "String", "StringValue": owner}
        assert send_any(world, "lab2_1", strange) > 30  # SQS takes no control characters, but in JSON
        code, output, errors = run(world, "client.py", "--client", "me", *args)
        assert len(re.findall(own, output, re.MULTILINE)) == times, (output, errors)
        if times > 1:
            assert (code, errors) == (0, "20 sent, 20 answered, 0 refused.\n")


def test_dead_letters_and_logs_of_strangers_are_shown_harmlessly(world: World, chance: random.Random) -> None:
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key="log/\x1b[2J/00000001.jsonl", Body=b"{}\n")
    rows = b"\n".join(any_answer(chance).encode() for _ in range(200))
    key = f"log/{datetime.now(timezone.utc):%Y-%m-%d}/00000001.jsonl"
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=key, Body=rows)
    send_any(world, "lab2_dead", [(any_request(chance)[:99_000], any_attributes(chance, "id")) for _ in range(20)])
    run(world, "server.py", "status", codes=(0,))
    run(world, "server.py", "verify", codes=(1,))


# ---- typed --------------------------------------------------------------------------------------


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

    return b"\n".join(line() for _ in range(chance.randrange(120)))


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


def test_anything_typed_is_taken_or_refused_and_what_is_taken_is_sent(
    world: World, server: object, chance: random.Random
) -> None:
    world.env["PYTHONIOENCODING"] = "utf-8:strict"  # as most terminals have it, and not the C locale of a test
    for number in range(10):
        typed = any_typing(chance)
        expected = series_in(typed)
        code, output, errors = run(world, "client.py", "--client", f"typist-{number}", typed=typed)
        rows = [json.loads(line) for body in world.objects("log/").values() for line in body.splitlines()]
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
            lines = path.read_text().splitlines() and path.open(encoding="utf-8").readlines()
        except UnicodeDecodeError:
            code, _, errors = run(world, "client.py", "--file", str(path), codes=(2,))
            assert "can't be read" in errors and errors.count("\n") == 1
            continue
        taken, refused = 0, 0
        for line in filter(str.strip, lines):
            try:
                parse_line(line)
                taken += 1
            except InvalidInput:
                refused += 1
        code, _, errors = run(world, "client.py", "--file", str(path))
        assert f"{taken} sent, {taken} answered, {refused} refused.\n" in errors, content
        assert code == bool(refused)


def test_any_path_typed_gets_an_outcome_or_a_sentence_and_the_menu(world: World, chance: random.Random) -> None:
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
        odd += [chance.choice(("", f"{home}/", "~", "'", '"')) + junk(chance).translate(SAFE) for _ in range(150)]
        typed = [os.fsencode(path) for path in odd] + [b"\xff\xfe", b"~\xff", bytes(home) + b"/\xff\x1b]0;x\x07.png"]
        lines = b"".join(b"u\n" + path + b"\n" for path in typed)
        _, output, errors = run(world, "hotdog.py", typed=lines + b"q\n", patience=60)
    assert output.count("1 upload   2 label   3 quit") == len(typed) + 1
    assert output.count("1 uploaded") == 2 and set(world.objects("underbase/").values()) == {
        encoded(".png"), encoded(".png", drawing(44))
    }  # fmt: skip
    assert all(re.search(r"can't be read|is left out", line) for line in errors.splitlines()), errors


SAFE = {ord(char): "_" for char in "/~.\r\n"}  # else chance finds folders of this machine, or another line's end


def test_names_of_files_reach_no_terminal_raw_and_become_harmless_keys(world: World, chance: random.Random) -> None:
    folder = world.home / "pictures"
    folder.mkdir()
    for number in range(40):
        name = junk(chance).replace("/", "_").replace("\0", "_").encode()[:200] + chance.choice((b"", b"\xff\x9b"))
        data = encoded(".png", drawing(40 + number)) if number % 2 else b"no picture"
        (folder / os.fsdecode(b"%d%b" % (number, name))).write_bytes(data)
    _, output, errors = run(world, "hotdog.py", "upload", str(folder), codes=(1,))
    assert output == "20 uploaded, 0 already there, 20 left out.\n" and len(errors.splitlines()) == 20
    for key in world.objects("underbase/"):
        assert_harmless(key)
        assert re.fullmatch(r"underbase/[0-9a-f]{12}-[\w.()+ -]{1,100}", key)
    for _ in range(2_000):
        assert re.fullmatch(r"[0-9a-f]{12}-[\w.()+ -]{0,100}", stored_name(junk(chance) + "\n\udcff", 12 * "0"))
        assert clean_name(junk(chance) + "\n\udcff").isprintable()


def test_names_on_the_command_line_are_said_harmlessly(world: World) -> None:
    name = "\x1b[2J\u202e"
    run(world, "client.py", "--file", name, codes=(2,))
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
    assert_harmless(after[len(before) :].decode())
    assert [row[2] for row in csv.reader(after[len(before) :].decode().split())] == ["[2Jeve"] * 4
    run(world, "hotdog.py", "report", codes=(0,))
    run(world, "hotdog.py", "report", "--json", codes=(0,))
    run(world, "hotdog.py", "report", "--sheet", "sheet.png", codes=(0,))


# ---- label files --------------------------------------------------------------------------------


def any_label_file(chance: random.Random) -> bytes:
    """Return what somebody may have put in the place of the label file."""
    columns = (
        chance.sample((*COLUMNS, "note", junk(chance, 2)), k=chance.randint(1, 7)) if chance.random() < 0.5 else COLUMNS
    )
    delimiter, end = chance.choice(",,;\t|"), chance.choice(("\n", "\r\n", "\r", "\n\n"))
    lines = [delimiter.join(columns)]
    lines += [delimiter.join(junk(chance, 1) for _ in columns) for _ in range(chance.randrange(4))]
    text = (end.join(lines) + chance.choice(("", end))).encode(chance.choice(("utf-8", "utf-8-sig", "utf-16")))
    kind = chance.randrange(4)
    return chance.randbytes(chance.randrange(200)) if kind == 0 else mutated(chance, text) if kind < 3 else text


def test_any_label_file_has_a_form_that_keeps_a_label_or_is_refused(chance: random.Random) -> None:
    outcomes: Counter[bool] = Counter()
    for _ in range(4_000):
        head = any_label_file(chance)
        name = clean_name(junk(chance)) or "a.jpg"
        label = Label(name, chance.choice("01"), clean_name(junk(chance)), "2026-11-23T12:00:00.000Z", "0.8")
        try:
            form = CsvDialect.of(head)
            row = form.encode(label)
        except UserError as problem:
            outcomes[False] += 1
            assert_harmless(str(problem))
            continue
        outcomes[True] += 1
        assert b"\n" not in row, head
        found = form.decode(row)
        assert found and found.identity == label.identity and found.label == label.label, (head, row)
        header = (
            next((line for line in head.split(b"\n") if line.strip()), HEADER.encode())
            .decode("utf-8-sig", "replace")
            .rstrip("\r")
        )
        names, cells = (
            next(csv.reader([line], delimiter=form.delimiter)) for line in (header, row.decode().strip("\r"))
        )
        assert (label.timestamp, "timestamp") in zip(cells, (name.strip().lower() for name in names), strict=True), head
        for line in head.split(b"\n"):
            form.decode(line)
    assert min(outcomes[True], outcomes[False]) > 200, outcomes


def test_a_label_is_appended_to_any_label_file_or_waits_on_disk(world: World, chance: random.Random) -> None:
    outcomes: Counter[bool] = Counter()
    for number in range(60):
        before = any_label_file(chance)
        world.aws.s3.put_object(Bucket=world.aws.bucket, Key=LABEL_KEY, Body=before)
        said: list[str] = []
        outbox = Outbox(world.aws, world.home / f"journals-{number}", said.append)
        label = Label("a.jpg", "1", "eve", f"2026-11-23T12:00:00.{number:03}Z", "0.8")
        outbox.keep(label)
        saved = outbox.flush(10)
        outbox.close()
        outcomes[saved] += 1
        after = world.objects(LABEL_KEY)[LABEL_KEY]
        assert after.startswith(before)
        if saved:
            assert (
                CsvDialect.of(before).decode(after[len(before) :].splitlines()[-1]) == label
                or b"seconds" not in before.lower()
            )
            assert not list((world.home / f"journals-{number}").iterdir())
        else:
            assert after == before and said
            (journal,) = left_behind(world.home / f"journals-{number}")
            assert list(journal.waiting.values()) == [label]
            journal.close()
            assert_harmless("".join(said))
    assert len(outcomes) == 2, outcomes


# ---- pictures -----------------------------------------------------------------------------------


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder()
    yield decoder
    decoder.close()


def noise(chance: random.Random, kind: str) -> bytes:
    """Return a picture of this kind: large or small, with or without colour and transparency."""
    shape = chance.choice(((40, 60, 3), (1, 1, 3), (33, 7, 3), (64, 64), (20, 30, 4)))
    if kind in (".jpg", ".bmp", ".gif"):
        shape = shape[:2] if len(shape) == 2 and kind != ".gif" else (*shape[:2], 3)
    return encoded(kind, numpy.frombuffer(chance.randbytes(int(numpy.prod(shape))), numpy.uint8).reshape(shape))


@pytest.mark.parametrize("kind", [".jpg", ".png", ".webp", ".gif", ".tiff", ".bmp"])
def test_any_picture_is_decoded_into_its_box_or_unreadable(decoder: Decoder, kind: str, chance: random.Random) -> None:
    good, shown = encoded(kind, drawing()), 0
    for number in range(400):
        data = mutated(chance, noise(chance, kind), 3)
        if kind == ".png" and chance.random() < 0.5:
            data = with_checksums(data)
        width, height = chance.choice(((60, 40), (1, 1), (300, 7), (960, 640)))
        try:
            picture = decoder.decode(data, width, height)
        except UnreadableImage as reason:
            assert_harmless(str(reason))
        else:
            shown += 1
            assert 0 < picture.width <= width and 0 < picture.height <= height, data
            assert len(picture.pixels) == 3 * picture.width * picture.height, data
        if number % 50 == 49:
            assert decoder.decode(good, 60, 40).width == 60
    print(f"{shown} of 400 shown")
    assert shown < 400


def with_checksums(data: bytes) -> bytes:
    """Return the PNG with checksums that are right, so that a decoder looks at what is in its chunks."""
    whole, at = data[:8], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        whole += chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length])
        at += 12 + length
    return whole


def png(width: int, height: int, depth: int = 8, colour: int = 6) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x\x9c\3\0\0\0\0\1") + chunk(b"IEND", b"")


def patched(kind: str, *patches: tuple[bytes, bytes]) -> bytes:
    """Return a drawing of 40 x 60 pixels whose header says otherwise."""
    data = encoded(kind, drawing())
    for old, new in patches:
        assert old in data
        data = data.replace(old, new, 1)
    return data


BOMBS: dict[str, bytes] = {
    "png": bomb(),
    "png of 2^31": png(2**31 - 1, 2**31 - 1),
    "png of no width": png(0, 10),
    "png of 16 bits, one line": png(2**31 - 1, 1, 16),
    "jpg": patched(".jpg", (b"\0\x28\0\x3c", b"\xff\xff\xff\xff")),
    "gif": patched(".gif", (b"\x3c\0\x28\0", b"\xff\xff\xff\xff")),
    "gif with frame": patched(".gif", (b"\x3c\0\x28\0", b"\xff\xff\xff\xff"), (b"\x3c\0\x28\0", b"\xff\xff\xff\xff")),
    "bmp": patched(".bmp", (struct.pack("<ii", 60, 40), struct.pack("<ii", 2**31 - 1, -(2**31)))),
    "bmp of 10^10": patched(".bmp", (struct.pack("<ii", 60, 40), struct.pack("<ii", 10**5, -(10**5)))),
    "tiff": patched(".tiff", (b"\0\1\3\0\1\0\0\0\x3c\0\0\0", b"\0\1\4\0\1\0\0\0\xff\xff\xff\x7f")),
    "tiff of 4 Gpixels": patched(
        ".tiff", (b"\0\1\3\0\1\0\0\0\x3c\0\0\0", b"\0\1\3\0\1\0\0\0\xff\xff\0\0"),
        (b"\1\1\3\0\1\0\0\0\x28\0\0\0", b"\1\1\3\0\1\0\0\0\xff\xff\0\0"),
    ),
    "webp": b"RIFF\x1a\0\0\0WEBPVP8L\x0e\0\0\0/\xff\xff\xff\x0f" + bytes(9),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_unreadable_and_the_next_picture_is_shown(decoder: Decoder, name: str) -> None:
    with pytest.raises(UnreadableImage):
        decoder.decode(BOMBS[name], 960, 640)
    assert decoder.decode(encoded(".png"), 60, 40).width == 60
