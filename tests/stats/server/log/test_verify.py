"""`server.py verify`, on a log that is right and on one that is not."""

from __future__ import annotations

import json

from support.world import PATIENCE, World

from lab2.aws.sqs.message_queue import Outgoing
from lab2.stats.protocol import new_id


def server(world: World, *args: str) -> tuple[int, str, str]:
    process = world.start("server.py", *args)
    output, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, output, errors


def answered(world: World, *bodies: str) -> tuple[str, list[bytes]]:
    """Have requests answered; return the key of the log's object and its rows."""
    world.queue("lab2").send([Outgoing(body, {"id": new_id()}) for body in bodies])
    assert server(world, "--drain")[0] == 0
    ((key, body),) = world.objects("log/").items()
    return key, body.splitlines()


def test_verify_finds_a_log_right(world: World) -> None:
    key, _ = answered(world, "[1, 2]", "[3", "x" * 20_000)
    assert server(world, "verify") == (0, "3 rows: 3 right, 0 wrong, 0 twice, 0 torn\n", "")
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
        f"{key}:1: wrong", f"{key}:3: twice", f"{key}:4: torn", "4 rows: 1 right, 1 wrong, 1 twice, 1 torn"
    ]  # fmt: skip


def test_verify_of_a_day_without_a_log_says_so(world: World) -> None:
    code, output, errors = server(world, "verify", "2020-01-01")
    assert (code, output) == (2, "")
    assert "2020-01-01" in errors
