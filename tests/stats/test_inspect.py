"""`server.py verify` and `server.py status`, on a log that is right and on one that is not."""

from __future__ import annotations

import json

from support.proxy import Proxy
from support.world import PATIENCE, World

from lab2.aws.sqs import Outgoing, batches
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


def test_status_shows_queues_dead_letters_and_the_log(world: World) -> None:
    answered(world, "[1, 2]", "[3]")
    world.queue("lab2_dead").send([Outgoing("\x09the body of a dead letter")])
    world.queue("lab2").send([Outgoing("[5]")])
    code, output, errors = server(world, "status")
    assert (code, errors) == (0, "")
    depths = dict(line.split()[:2] for line in output.splitlines()[1:4])
    assert depths == {"lab2": "1", "lab2_1": "2", "lab2_dead": "1"}
    assert r"\tthe body of a dead letter" in output
    assert "2 requests" in output and '"[3]"' in output
    assert world.depth("lab2_dead") == (1, 0)  # it looked, no more


def test_status_finds_every_dead_letter_though_receives_are_short_and_leaves_them_visible(
    world: World, proxy: Proxy
) -> None:
    bodies = [f"letter {number}" for number in range(25)]
    for batch in batches([Outgoing(body) for body in bodies]):
        assert world.queue("lab2_dead").send(batch) == []
    proxy.habits.names |= {"short-receives", "empty-polls", "stale-attributes"}
    for _ in range(2):
        status = world.start("server.py", "status", env={"AWS_ENDPOINT_URL": proxy.url})
        output, errors = status.communicate(timeout=PATIENCE)
        assert status.returncode == 0, errors
        assert sorted(line.rpartition(": ")[2] for line in output.splitlines() if "letter " in line and ": " in line
                      and line.startswith("Dead letter")) == sorted(bodies)  # fmt: skip
