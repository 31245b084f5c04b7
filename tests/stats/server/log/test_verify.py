"""`server.py verify`, on a log that is right and on one that is not."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone

import pytest
from support.world import PATIENCE, World

from lab2.aws.sqs.message_queue import Outgoing
from lab2.stats.protocol import answer_request, encode_answer, new_id
from lab2.stats.server.log.request_log import RequestLog
from lab2.stats.server.log.row import LogRow, encode_row
from lab2.stats.server.log.verify import verify


def server(world: World, *args: str) -> tuple[int, str, str]:
    process = world.start("server.py", *args)
    output, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, output, errors


def answered(world: World, *bodies: str) -> tuple[str, list[bytes]]:
    """Have requests answered; return the key of the log's object and its rows."""
    world.queue("lab2").send([Outgoing(body, {"id": new_id()}) for body in bodies])
    assert server(world, "--drain")[0] == 0
    ((key, body),) = world.objects("log/2").items()
    return key, body.splitlines()


def test_verify_finds_a_log_right(world: World) -> None:
    key, _ = answered(world, "[1, 2]", "[3", "x" * 20_000)
    assert server(world, "verify") == (0, "3 rows: 3 correct, 0 wrong, 0 duplicate, 0 truncated, 0 missing\n", "")
    assert server(world, "verify", key[4:14])[0] == 0


def test_verify_names_rows_that_are_wrong_twice_or_torn(world: World) -> None:
    key, rows = answered(world, "[1, 2]", "[3]", "[4]")
    wrong = json.loads(rows[0])
    wrong["answer"]["mean"] = 7
    rows = [json.dumps(wrong).encode(), rows[1], rows[1], rows[2][:30]]
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=key, Body=b"\n".join(rows))
    code, output, _ = server(world, "verify")
    assert code == 1
    assert output.splitlines() == [
        f"{key}:1: wrong",
        f"{key}:3: duplicate",
        f"{key}:4: truncated",
        "4 rows: 1 correct, 1 wrong, 1 duplicate, 1 truncated, 0 missing",
    ]


def test_verify_counts_the_rows_that_each_server_wrote_and_names_those_that_the_store_lost(world: World) -> None:
    key, rows = answered(world, *[f"[{number}]" for number in range(8)])
    erased = re.sub(rb'.*"run": ', b'{"erased": true, "run": ', rows[5])

    def put(*some: bytes) -> tuple[int, str]:
        world.aws.s3.put_object(Bucket=world.aws.bucket, Key=key, Body=b"".join(row + b"\n" for row in some))
        return server(world, "verify")[:2]

    assert put(*rows[:5], erased, *rows[6:])[0] == 0
    code, output = put(*rows[3:5], erased, rows[7])
    assert code == 1 and "4 rows that a server wrote" in output
    assert output.endswith("3 rows: 3 correct, 0 wrong, 0 duplicate, 0 truncated, 4 missing\n")
    code, output, _ = server(world, "verify", key[4:14])
    assert code == 1 and output.endswith(" 1 missing\n")  # what was before the day's first row may be of another day


def long_row(id: str, now: datetime) -> LogRow:
    request = "[1]" + " " * 9_000  # two such rows seal a segment
    return encode_row(id, "me", request, encode_answer(answer_request(id, request)), now)


def test_verify_names_a_segment_that_was_changed_after_it_was_sealed(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
    now = [noon]
    servers = [RequestLog(world.aws.whole_objects, lambda: now[0].timestamp()) for _ in range(2)]
    for turn in range(6):  # in turn, over a midnight, and one that starts after it
        now[0] = noon + timedelta(hours=4 * turn)
        servers[turn % len(servers)].append([long_row(f"{turn} {n}", now[0]) for n in range(2)], noon.timestamp())
        if turn == 3:
            servers.append(RequestLog(world.aws.whole_objects, lambda: now[0].timestamp()))
    segments = world.objects("log/2")
    days = {key[4:14] for key in segments}
    assert len(segments) == 7 and len(days) == 2  # the day's last has its closing row only
    assert [verify(world.aws, day) for day in ("", *days)] == [0, 0, 0]
    capsys.readouterr()

    def put(key: str, body: bytes) -> tuple[int, str]:
        world.aws.s3.put_object(Bucket=world.aws.bucket, Key=key, Body=body)
        return verify(world.aws), capsys.readouterr().out

    right = (0, "12 rows: 12 correct, 0 wrong, 0 duplicate, 0 truncated, 0 missing\n")

    for key, body in list(segments.items())[:-1]:  # nobody has sealed the last one
        code, output = put(key, body.replace(b'"client": "me"', b'"client": "you"').replace(b'"next"', b' "next"'))
        assert code == 1 and output.splitlines()[-1] == "1 segment not as sealed by a server"
        assert f"{key}: changed since" in output
        assert put(key, body) == right
    key, body = next(iter(segments.items()))
    erased = re.sub(rb'.*"run": ', b'{"erased": true, "run": ', body, count=1)  # as docs/how-to/erase-data.md does
    assert put(key, erased) == (0, right[1].replace("12", "11"))
    put(key, body)
    world.aws.s3.delete_object(Bucket=world.aws.bucket, Key=list(segments)[1])
    assert verify(world.aws) == 1 + 2  # and the two rows that it had


def test_verify_of_a_day_without_a_log_says_so(world: World) -> None:
    code, output, errors = server(world, "verify", "2020-01-01")
    assert (code, output) == (2, "")
    assert "2020-01-01" in errors
