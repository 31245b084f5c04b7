"""The log as its readers see it: `server.py log`, its three forms, and what it follows."""

from __future__ import annotations

import csv
import io
import json
import signal
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from support.logs import log_rows
from support.proxy import Fault, Proxy
from support.world import PATIENCE, World

from lab2.aws.session import AwsSession
from lab2.errors import UserError
from lab2.stats.protocol import answer_request, encode_answer
from lab2.stats.server.log.output import print_log
from lab2.stats.server.log.reader import LOOK_INTERVAL_S, LogLine, check_day, follow_log, read_log
from lab2.stats.server.log.row import LogRow, encode_row
from lab2.stats.server.log.segments import SEALED_BYTES
from lab2.stats.server.log.verify import verify

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
TODAY, YESTERDAY, TOMORROW = "2026-11-23", "2026-11-22", "2026-11-24"


def row(id: str, request: str = "[3, 5.5, 8]", client: str = "ada@lab") -> LogRow:
    return encode_row(id, client, request, encode_answer(answer_request(id, request)), NOON)


def log(world: World, *ids: str, day: str = TODAY) -> None:
    """Have a server that was just started log these requests, in one write."""
    log_rows(world, day, [row(id) for id in ids])


class Over(Exception):
    """The end of a test that follows the log."""


def followed(
    aws: AwsSession, day: str = "", *, events: dict[int, Callable[[], object]], looks: int, start: datetime = NOON
) -> list[str]:
    """Return the ids that are told by a follower for whom each event happens after so many looks (1, 2, ...)."""
    told: list[str] = []
    slept = 0

    def sleep(seconds: float) -> None:
        nonlocal slept
        slept += 1
        if slept > looks:
            raise Over
        events.get(slept, lambda: None)()

    lines = follow_log(aws, day, lambda: start + timedelta(seconds=slept * LOOK_INTERVAL_S), sleep)
    with pytest.raises(Over):
        for line in lines:
            told.append(line.fields["id"] if line.fields else "torn")
    return told


def test_a_day_is_read_in_the_order_in_which_it_was_logged(world: World) -> None:
    ids = [f"{number:03}" for number in range(300)]
    for start in range(0, 300, 60):
        log(world, *ids[start : start + 60])
    assert len(world.objects(f"log/{TODAY}/")) > 2
    assert [line.fields["id"] for line in read_log(world.aws, TODAY) if line.fields] == ids


def test_the_rows_that_close_days_are_nobody_s_request(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    log(world, "1", day="2026-11-20")
    log(world, "2", day=YESTERDAY)
    log(world, "3")
    closed = [body.count(b'"closed"') for body in world.objects("log/2").values()]
    assert closed == [1, 1, 0] and list(world.objects("log/start")) == ["log/start.jsonl"]
    assert [line.fields and line.fields["id"] for line in read_log(world.aws)] == ["1", "2", "3"]
    assert verify(world.aws) == 0 and capsys.readouterr().out.startswith("3 rows: 3 correct")


def test_following_tells_each_row_once_from_the_start_of_the_day_and_over_midnight(world: World) -> None:
    log(world, "before", day=YESTERDAY)
    log(world, "1", "2")
    many = [f"many {number}" for number in range(200)]  # several segments
    events = {
        2: lambda: log(world, "3"),
        3: lambda: (log(world, *many[:100]), log(world, *many[100:])),
        4: lambda: log(world, "4"),
        6: lambda: log(world, "5", day=TOMORROW),
        7: lambda: log(world, "6", day=TOMORROW),
    }
    late = datetime(2026, 11, 23, 23, 59, 33, tzinfo=timezone.utc)  # the 6th look is on the next day
    assert followed(world.aws, events=events, looks=8, start=late) == ["1", "2", "3", *many, "4", "5", "6"]


def test_following_from_an_earlier_day_tells_all_days_since(world: World) -> None:
    for day, id in (("2026-11-19", "old"), ("2026-11-20", "1"), (YESTERDAY, "2"), (TODAY, "3")):
        log(world, id, day=day)
    events = {1: lambda: log(world, "4")}
    assert followed(world.aws, "2026-11-20", events=events, looks=2) == ["1", "2", "3", "4"]


def test_rows_that_a_server_adds_to_the_day_before_are_told_within_a_minute(world: World) -> None:
    """Until a server closes the day, whose clock may be late."""
    log(world, "before", day=YESTERDAY)
    events = {1: lambda: log(world, "late", day=YESTERDAY), 2: lambda: log(world, "new")}
    assert followed(world.aws, events=events, looks=12) == ["new", "late"]


def test_a_minute_of_following_costs_14_calls_while_nothing_comes_and_one_for_what_a_look_finds(
    proxied: World, proxy: Proxy
) -> None:
    log(proxied, *map(str, range(300)))
    log(proxied, "last")
    assert len(proxied.objects(f"log/{TODAY}/")) > 1

    def counted() -> None:
        proxy.calls.clear()

    followed(proxied.aws, events={1: counted}, looks=12)
    assert proxy.calls == {"ListObjectsV2": 14}
    followed(proxied.aws, events={1: counted, 3: lambda: (log(proxied, "new"), proxy.calls.clear())}, looks=12)
    assert proxy.calls == {"ListObjectsV2": 12, "GetObject": 1}


def test_a_row_is_told_when_it_is_whole_and_what_was_removed_is_no_error(world: World) -> None:
    key, bucket = f"log/{TODAY}/00000001.jsonl", world.aws.bucket
    first, second, third = (row(id).line("run", int(id)) for id in "123")

    def put(body: bytes) -> None:
        world.aws.s3.put_object(Bucket=bucket, Key=key, Body=body)

    put(first + second[:20])
    events = {
        1: lambda: put(first + second),
        2: lambda: put(second),  # an administrator removed the first
        3: lambda: put(second + third),
        4: lambda: world.aws.s3.delete_object(Bucket=bucket, Key=key),
    }
    assert followed(world.aws, events=events, looks=5) == ["1", "2", "3"]


def test_following_waits_through_an_outage_and_misses_nothing(
    proxied: World, proxy: Proxy, capfd: pytest.CaptureFixture[str]
) -> None:
    log(proxied, "1")

    def outage() -> None:
        log(proxied, "2")
        proxy.on("ListObjectsV2", Fault(cut=True), times=3)
        proxy.on("GetObject", Fault(refuse=(503, "SlowDown")), times=3)

    assert followed(proxied.aws, events={1: outage}, looks=2) == ["1", "2"]
    said = capfd.readouterr().err.splitlines()
    assert [line.partition(" log ")[2][:5] for line in said] == ["fails", "works"] * 2


def test_a_sealed_segment_is_read_to_its_end_though_that_is_torn(world: World) -> None:
    log(world, *map(str, range(100)))
    ((key, body),) = world.objects(f"log/{TODAY}/").items()
    assert len(body) >= SEALED_BYTES
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=key, Body=body + b'{"torn')
    assert followed(world.aws, events={}, looks=2) == [*map(str, range(100)), "torn"]


@pytest.mark.parametrize("day", ["2026-11-31", "2026-1-3", "today", "../ids", "", "2026-11-23 "])
def test_a_day_that_is_none_is_refused_with_an_example(day: str) -> None:
    assert check_day(TODAY) == TODAY
    with pytest.raises(UserError, match="like 2026-11-23"):
        check_day(day)


LINES = [
    LogLine("1", json.loads(row("a").line("run", 1))),
    LogLine("2", json.loads(row("b", "[-1]", "=1+1").line("run", 2))),
    LogLine("3", None),
    LogLine("4", {"id": "c", "request": "\x1b[2J", "client": "", "answer": "of a stranger"}),
]


def printed(form: str, capsys: pytest.CaptureFixture[str], client: str | None = None) -> tuple[int, str, str]:
    count = print_log(LINES, form, client)
    told = capsys.readouterr()
    return count, told.out, told.err


def test_json_has_each_row_as_it_was_logged(capsys: pytest.CaptureFixture[str]) -> None:
    count, out, err = printed("json", capsys)
    assert [json.loads(line) for line in out.splitlines()] == [line.fields for line in LINES if line.fields]
    assert count == 3 and err == "3 has a truncated line, which is left out.\n"
    assert "\x1b" not in out


def test_csv_has_a_column_for_each_field_and_no_formula(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = printed("csv", capsys)
    first, second, third = csv.DictReader(io.StringIO(out))
    assert first == {"time": "2026-11-23T12:00:00.000Z", "id": "a", "client": "ada@lab", "request": "[3, 5.5, 8]",
                     "mean": "5.5", "median": "5.5", "max": "8", "min": "3", "error": ""}  # fmt: skip
    assert second["client"] == "'=1+1" and second["error"].startswith("the number is negative") and not second["mean"]
    assert third["request"] == r"\x1b[2J" and third["time"] == ""


def test_text_has_a_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = printed("text", capsys)
    first, second, third = out.splitlines()
    assert first == "2026-11-23T12:00:00.000Z  ada@lab  [3, 5.5, 8]  mean 5.5  median 5.5  max 8  min 3"
    assert second.endswith("=1+1  [-1]  rejected: the number is negative; only 0 and above count")
    assert r"(no name)  \x1b[2J" in third


def test_the_rows_of_one_client_are_told_from_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    count, out, _ = printed("json", capsys, "ada@lab")
    assert count == 1 and json.loads(out)["id"] == "a"
    assert printed("json", capsys, "ada")[0] == 0


def test_the_program_prints_a_day_and_follows_it_into_a_pipe_until_it_is_interrupted(world: World) -> None:
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    log(world, "1", "2", day=today)
    follower = world.start("server.py", "log", "--follow", "--output", "json")
    assert follower.stdout
    assert [json.loads(follower.stdout.readline())["id"] for _ in range(2)] == ["1", "2"]
    follower.send_signal(signal.SIGINT)
    out, err = follower.communicate(timeout=PATIENCE)
    assert (follower.returncode, out, err) == (130, "", "")

    none = world.start("server.py", "log", "2020-01-01", "--client", "ada@lab", "--output", "csv")
    out, err = none.communicate(timeout=PATIENCE)
    assert (none.returncode, len(out.splitlines())) == (0, 1)
    assert err == "No requests of ada@lab were logged on 2020-01-01 (UTC).\n"


def test_a_reader_that_leaves_as_head_does_ends_it_without_a_word(world: World) -> None:
    log(world, *map(str, range(500)))
    process = world.start("server.py", "log", TODAY, "--output", "json")
    assert process.stdout and process.stderr
    assert json.loads(process.stdout.readline())["id"] == "0"
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait(PATIENCE) == 1
