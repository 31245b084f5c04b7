"""The log of a day: rows of others, large rows, strangers' objects, and servers that were away for long."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import datetime, timezone
from itertools import count

import pytest
from botocore.exceptions import ClientError
from support.proxy import ALWAYS, Fault, Proxy
from support.world import World, until

from lab2.stats.server.log.request_log import TURN, RequestLog
from lab2.stats.server.log.row import LoggedRow, LogRow, decode_lines, encode_row

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
DAY = "2026-11-23"
SINCE = NOW.timestamp()


def open_log(world: World) -> RequestLog:
    return RequestLog(world.aws.whole_objects, lambda: SINCE)


def row(id: str, request: str = "[1]") -> LogRow:
    return encode_row(id, "me", request, '{"id": "x", "mean": 1}', NOW)


def logged(world: World) -> list[str]:
    """Return the ids in the log, in order."""
    lines = [line for body in world.objects(f"log/{DAY}/").values() for line in decode_lines(body)]
    return [line.id for line in lines if isinstance(line, LoggedRow)]


def test_rows_too_large_for_one_object_are_known_to_other_servers(world: World) -> None:
    """Hundreds of hostile bodies at once are more than five mebibytes: an object must stay small enough to be read."""
    rows = [row(f"{number}", "\0" * 10_001) for number in range(200)]  # 12 MB as JSON
    open_log(world).append(rows, SINCE)
    open_log(world).append([row("0"), row("199"), row("new")], SINCE)
    assert logged(world) == [*(f"{number}" for number in range(200)), "new"]


def test_a_server_that_was_idle_knows_what_others_logged_in_later_objects(world: World) -> None:
    idle, busy = open_log(world), open_log(world)
    idle.append([row("first")], SINCE)
    for number in range(5):
        busy.append([row(f"{number} {part}", "[1]" + " " * 1_000) for part in range(20)], SINCE)
    idle.append([row("3 7"), row("last")], SINCE)
    ids = logged(world)
    assert len(ids) == len(set(ids)) == 102
    assert ids[0] == "first" and ids[-1] == "last"


def test_two_requests_of_one_id_at_once_get_the_answer_of_the_one_that_is_logged(world: World) -> None:
    rows = [encode_row("1", "me", f"[{number}]", f'{{"id": "1", "mean": {number}}}', NOW) for number in (1, 2, 1)]
    log = open_log(world)
    for each in (log, log, open_log(world)):  # the second time they come back
        assert each.append(rows, SINCE) == [rows[0].answer] * 3
    assert log.append(rows[1:2], SINCE) == [rows[0].answer]
    assert logged(world) == ["1"]


def test_neither_long_idleness_nor_a_write_that_hung_makes_a_server_slow(
    proxied: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle, busy = open_log(proxied), open_log(proxied)
    for number in range(30):
        busy.append([row(f"{number} {part}", "[1]" + " " * 9_000) for part in range(2)], SINCE)
    monkeypatch.setattr("lab2.aws.s3.append_object.LONGEST_WRITE_S", 0.2)
    monkeypatch.setattr("lab2.stats.server.log.request_log.LONGEST_S", 0.2)
    proxy.on("PutObject", Fault(before=lambda: threading.Event().wait(0.5)), times=ALWAYS)
    idle.append([row("new")], SINCE)
    assert idle._object.took == 0.2
    assert idle.gather == 0.2
    assert idle.turn <= (1 + 2 * TURN) * 0.2  # it met two conflicts, however many segments it found


@pytest.mark.parametrize("nth", [1, 2, 3], ids=lambda nth: f"from GET {nth} on")
@pytest.mark.parametrize("idle", [True, False], ids=["by one that was idle", "by a new one"])
def test_what_others_logged_and_can_t_be_read_for_a_while_is_not_logged_again(
    proxied: World, proxy: Proxy, idle: bool, nth: int
) -> None:
    one, busy = open_log(proxied), open_log(proxied)
    ids = [f"{number}" for number in range(100)]
    for number in range(0, 100, 20):  # five objects
        busy.append([row(id, "[1]" + " " * 1_000) for id in ids[number : number + 20]], SINCE)
    one = one if idle else open_log(proxied)
    rule = proxy.on("GetObject", Fault(refuse=(503, "SlowDown")), nth=nth, times=ALWAYS)
    with suppress(ClientError):
        one.append([*map(row, ids), row("new")], SINCE)
    proxy.forget(rule)
    one.append([*map(row, ids), row("new")], SINCE)
    assert logged(proxied) == [*ids, "new"]


def test_a_server_gets_its_turn_beside_one_that_never_rests(world: World) -> None:
    """Whoever lost and looks what was written must not come too late every time."""
    loud, quiet, over = open_log(world), open_log(world), threading.Event()
    large = "[1]" + " " * 9_000
    ids = count()

    def write() -> None:
        while not over.wait(max(loud.turn, loud.gather)):
            loud.append([row(f"loud {next(ids)}", large), row(f"loud {next(ids)}", large)], SINCE)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    until(lambda: len(logged(world)) >= 4)
    for number in range(10):
        quiet.append([row(f"quiet {number}", large), row(f"quiet {number} too", large)], SINCE)
        over.wait(quiet.turn)
    over.set()
    writer.join()
    between = max(int(id.split()[1]) for id in logged(world) if id.startswith("loud"))
    assert loud.turn >= 2 * loud._object.took  # it makes room
    assert between < 20 * 6  # a turn for each is 20


@pytest.mark.parametrize("key", ["", "notes.txt", "00000009 (copy).jsonl", "9/00000001.jsonl"])
def test_what_a_stranger_puts_beside_the_log_does_no_harm(world: World, key: str) -> None:
    open_log(world).append([row("1")], SINCE)
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=f"log/{DAY}/{key}", Body=b"")
    open_log(world).append([row("1"), row("2")], SINCE)
    assert logged(world) == ["1", "2"]
    world.aws.s3.delete_object(Bucket=world.aws.bucket, Key=f"log/{DAY}/00000001.jsonl")
    open_log(world).append([row("3")], SINCE)
    assert logged(world) == ["3"]


def test_a_row_that_somebody_damaged_is_logged_again(world: World) -> None:
    open_log(world).append([row("whole"), row("damaged"), row("last")], SINCE)
    key = f"log/{DAY}/00000001.jsonl"
    body = world.objects(f"log/{DAY}/")[key]
    world.aws.s3.put_object(
        Bucket=world.aws.bucket, Key=key, Body=body.replace(b'"damaged", "client": "me"', b'"damaged", "client": me')
    )
    open_log(world).append([row("whole"), row("damaged"), row("last")], SINCE)
    assert logged(world) == ["whole", "last", "damaged"]


def test_a_new_object_that_somebody_else_began_first_is_joined(proxied: World, proxy: Proxy) -> None:
    one, two = open_log(proxied), open_log(proxied)
    proxy.on("PutObject", Fault(before=lambda: two.append([row("two")], SINCE)))
    one.append([row("one"), row("two")], SINCE)
    assert logged(proxied) == ["two", "one"]


def test_on_another_store_rows_that_somebody_overwrote_in_a_race_are_written_again_under_their_numbers(
    proxied: World, proxy: Proxy
) -> None:
    """As a store that looks at the condition of a PUT before it has read its body."""
    log = RequestLog(proxied.aws.whole_objects, lambda: SINCE, in_parts=False)
    log.append([row("before")], SINCE)
    key = f"log/{DAY}/00000001.jsonl"
    (before,) = proxied.objects(key).values()

    def overwrite() -> None:
        proxied.aws.s3.put_object(Bucket=proxied.aws.bucket, Key=key, Body=before + row("rival").line("rival", 1))

    proxy.on("PutObject", Fault(after=overwrite))
    log.append([row("ours"), row("too")], SINCE)
    assert logged(proxied) == ["before", "rival", "ours", "too"]
    lines = [line for line in decode_lines(proxied.objects(key)[key]) if isinstance(line, LoggedRow)]
    assert [line.number for line in lines if line.run == log.run] == [1, 2, 3]


def test_a_row_that_is_lost_later_is_not_forgotten_so_that_verify_finds_it(world: World) -> None:
    log = RequestLog(world.aws.whole_objects, lambda: SINCE, in_parts=False)
    key = f"log/{DAY}/00000001.jsonl"
    log.append([row("first")], SINCE)
    (before,) = world.objects(key).values()
    log.append([row("lost")], SINCE)
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=key, Body=before)
    log.append([row("last")], SINCE)
    lines = [line for line in decode_lines(world.objects(key)[key]) if isinstance(line, LoggedRow)]
    assert [(line.id, line.number) for line in lines] == [("first", 1), ("last", 3)]
