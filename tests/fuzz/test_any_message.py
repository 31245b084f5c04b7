"""Whatever strangers send to the queues is answered, passed over or refused, and shown harmlessly."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from contextlib import suppress
from datetime import datetime, timezone

import pytest
from support.fuzz import (
    any_answer,
    any_attributes,
    any_request,
    assert_harmless,
    few_and_many,
    json_ish,
    junk,
    mutated,
    run,
    send_any,
)
from support.world import PATIENCE, World, until

from lab2.errors import InvalidInput
from lab2.stats.client.output import AnswerLines, table
from lab2.stats.client.series_file import parse_series
from lab2.stats.protocol import (
    answer_request,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
    new_id,
)
from lab2.stats.series import parse_number
from lab2.stats.server.log.index import LogIndex
from lab2.stats.server.log.output import print_log
from lab2.stats.server.log.reader import read_log
from lab2.stats.server.log.row import LoggedRow, decode_line, decode_lines, encode_row
from lab2.stats.server.log.segments import Segment, date_of
from lab2.stats.server.log.window import CLOCK_ERROR_S, WINDOW_S, first_logged


@few_and_many(100, 3_000)
def test_any_text_is_a_message_or_refused_with_the_reason(chance: random.Random, cases: int) -> None:
    for _ in range(cases):
        body = any_request(chance) + chance.choice(("", "", "\ud800"))
        answer = answer_request(junk(chance), body)
        assert bool(answer.error) != bool(answer.numbers), body
        assert decode_answer(encode_answer(answer)) == answer, body
        assert_harmless(answer.error or "")
        for decode in (decode_request, decode_answer, parse_number):
            with suppress(InvalidInput):
                decode(body if chance.random() < 0.5 else any_answer(chance))
        for reason in parse_series(any_answer(chance).splitlines()).refused.values():
            assert_harmless(str(reason))


@few_and_many(100, 1_000)
def test_any_answer_is_printed_in_harmless_characters(
    chance: random.Random, capsys: pytest.CaptureFixture[str], cases: int
) -> None:
    shown = [AnswerLines(form, [("1", [3.0])]) for form in ("text", "csv", "json")]
    for _ in range(cases):
        with suppress(InvalidInput):
            answer = decode_answer(any_answer(chance))
            assert_harmless(table([(junk(chance), answer)], chance.randint(20, 120)))
            for lines in shown:
                lines.write("1", answer)
    assert_harmless(capsys.readouterr().out)


@few_and_many(100, 1_000)
def test_any_row_of_the_log_is_known_or_passed_over(chance: random.Random, cases: int) -> None:
    logged, now, segment = LogIndex(), datetime.now(timezone.utc), Segment(date_of(time.time()), 1)
    for _ in range(cases):
        id, body = junk(chance), any_request(chance)
        answer = encode_answer(answer_request(id, body))
        row = encode_row(id, junk(chance), body, answer, now)
        line = row.line("run", 7)
        assert line.count(b"\n") == 1
        assert decode_line(line) == LoggedRow(id, json.dumps(json.loads(answer)), "run", 7)
        since = first_logged(id, now.timestamp(), own=False)
        assert 0 < now.timestamp() - since <= WINDOW_S + CLOCK_ERROR_S
        spoilt = [
            mutated(chance, line),
            any_answer(chance).encode(),
            f'{{"id": {json_ish(chance)}, "answer": 1}}'.encode(),
        ]
        ids = [each.id for each in decode_lines(b"\n".join(spoilt)) if isinstance(each, LoggedRow)]
        logged.add(segment, ids)
        assert set(logged.find(ids, since)[segment]) == set(ids)


@few_and_many(60, 600)
def test_anything_on_the_request_queue_is_answered_and_gone_and_nobody_else_waits(
    world: World, chance: random.Random, cases: int
) -> None:
    server = world.start("server.py")
    assert server.stdout and "Serving" in server.stdout.readline()
    good = {new_id(): [chance.uniform(0, 1e6) for _ in range(chance.randint(1, 10))] for _ in range(cases // 6)}
    bad = [(any_request(chance), any_attributes(chance, "id", "client", "reply_to")) for _ in range(cases - len(good))]
    asked = [
        (encode_request(numbers), {"id": {"DataType": "String", "StringValue": id}}) for id, numbers in good.items()
    ]
    mixed = chance.sample(bad + asked, k=cases)
    assert send_any(world, "lab2", mixed) > 0.6 * cases
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
    assert " 0 wrong, 0 duplicate, 0 truncated" in output


@pytest.mark.long
def test_anything_on_the_answer_queue_leaves_a_client_its_own_answer(
    world: World, server: object, chance: random.Random
) -> None:
    ways = [
        (["7", "8.5"], r"^ +1 +7 8\.5 +7\.75 +7\.75 +8\.5 +7$", 1),
        (["file", "series"], r"^ *\d+ +7 8\.5 +7\.75 +7\.75 +8\.5 +7$", 20),
        (["file", "series", "--output", "csv"], r"^\d+,7 8\.5,7\.75,7\.75,8\.5,7,$", 20),
        (["file", "series", "--output", "json"], r'"numbers": \[7, 8\.5\], "mean": 7\.75,', 20),
    ]
    (world.home / "series").write_text("7 8.5\n" * 20)
    for args, own, times in ways:
        strange = [(any_answer(chance), any_attributes(chance, "id")) for _ in range(60)]
        for _, attributes in strange:
            if owner := chance.choice(("", "me", "me", "somebody", "\x1b[2J")):
                attributes["client"] = {"DataType": "String", "StringValue": owner}
        assert send_any(world, "lab2_1", strange) > 30  # SQS takes no control characters, but in JSON
        code, output, errors = run(world, "client.py", *args, "--client", "me")
        assert len(re.findall(own, output, re.MULTILINE)) == times, (output, errors)
        if times > 1:
            assert code == 0 and errors.endswith("20 sent, 20 answered, 0 rejected.\n"), errors  # after earlier answers


@few_and_many(50, 500)
def test_dead_letters_and_logs_of_strangers_are_shown_harmlessly(
    world: World, chance: random.Random, cases: int, capsys: pytest.CaptureFixture[str]
) -> None:
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key="log/\x1b[2J/00000001.jsonl", Body=b"{}\n")
    rows = b"\n".join(any_answer(chance).encode() for _ in range(cases))
    key = f"log/{datetime.now(timezone.utc):%Y-%m-%d}/00000001.jsonl"
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=key, Body=rows)
    send_any(
        world, "lab2_dead", [(any_request(chance)[:99_000], any_attributes(chance, "id")) for _ in range(cases // 10)]
    )
    run(world, "server.py", "status", codes=(1,))
    run(world, "server.py", "verify", codes=(1,))
    for form in ("text", "json", "csv"):
        print_log(read_log(world.aws), form)
        told = capsys.readouterr()
        assert_harmless(told.out + told.err)
