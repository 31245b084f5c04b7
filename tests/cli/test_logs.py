"""Events as text or JSON, on which stream, and more or fewer of them."""

from __future__ import annotations

import io
import json
import logging
import re
import sys

import pytest
from support.client import client
from support.world import PATIENCE, World

from lab2.aws.sqs.message_queue import Outgoing
from lab2.cli import logs
from lab2.events import LOGGER, log_event, log_outage

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def drained(world: World, *flags: str, **env: str) -> tuple[int, list[str], list[str]]:
    """Run a server until it has answered one request; return exit code and the lines of stdout and stderr."""
    assert world.queue("lab2").send([Outgoing("[3, 5.5]")]) == []
    server = world.start("server.py", "--drain", *flags, env=env)
    output, errors = server.communicate(timeout=PATIENCE)
    return server.returncode, output.splitlines(), errors.splitlines()


def test_a_server_logs_a_line_per_event_as_text(world: World) -> None:
    code, (serving, stopped), errors = drained(world)
    assert (code, errors) == (0, [])
    assert re.fullmatch(f"{STAMP} Serving lab2, answering on lab2_1, logging to s3://lab2-.*/log/ in .*", serving)
    assert re.fullmatch(f"{STAMP} Stopped: 1 request, 1 answer, 1 log write, 0 in hand; .*", stopped)


def test_a_server_logs_a_json_object_per_event(world: World) -> None:
    code, output, errors = drained(world, "--log-format", "json")
    assert (code, errors) == (0, [])
    serving, stopped = map(json.loads, output)
    assert [event["event"] for event in (serving, stopped)] == ["serving", "stopped"]
    assert list(serving)[:4] == ["time", "level", "event", "message"] and serving["level"] == "info"
    assert re.fullmatch(STAMP.replace("Z", r"\\.\\d{3}Z").replace("\\\\", "\\"), serving["time"])
    assert serving["bucket"] == world.aws.bucket and serving["message"].startswith("Serving lab2")
    assert (stopped["requests"], stopped["answers"], stopped["in_hand"]) == (1, 1, 0)


def test_why_a_server_ends_is_an_event_too(world: World) -> None:
    server = world.start("server.py", "--log-format", "json", env={"AWS_REGION": ""})
    output, errors = server.communicate(timeout=PATIENCE)
    fatal = json.loads(errors)
    assert (server.returncode, output) == (2, "")
    assert (fatal["event"], fatal["level"]) == ("fatal", "critical") and "No AWS region" in fatal["message"]


@pytest.mark.long
def test_a_quiet_server_says_nothing_and_a_verbose_one_names_each_request_id(world: World) -> None:
    assert drained(world, "--quiet") == (0, [], [])
    code, output, errors = drained(world, "--verbose")
    assert code == 0 and len(output) == 2
    for call in ("sqs GetQueueUrl", "s3 PutObject", "sqs ReceiveMessage", "sqs DeleteMessageBatch"):
        assert any(re.fullmatch(f"{STAMP} {call}: HTTP 200, request id [\\w-]+", line) for line in errors), call
    code, _, errors = drained(world, "--verbose", "--log-format", "json")
    replies = [json.loads(line) for line in errors]
    assert {reply["event"] for reply in replies} == {"aws_reply"} and all(reply["request_id"] for reply in replies)


def test_warnings_go_to_stderr_in_one_piece_and_quiet_keeps_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOGGER, "handlers", [])
    monkeypatch.setattr(LOGGER, "propagate", True)
    monkeypatch.setattr(LOGGER, "level", logging.NOTSET)
    logs.set_up(quiet=True, form="json")
    log_event("heartbeat", "still here")
    log_outage("Logging fails; \u202e")
    log_event("request_failed", "Request x failed", logging.ERROR, id="x", receives=2)
    told = capsys.readouterr()
    outage, failed = map(json.loads, told.err.splitlines())
    assert told.out == "" and outage["level"] == "warning" and outage["message"] == "Logging fails; \u202e"
    assert failed.items() >= {"event": "request_failed", "id": "x", "receives": 2}.items()
    assert "\u202e" not in told.err


def test_an_event_that_nobody_can_read_is_an_error_as_with_print(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(LOGGER, "handlers", [])
    logs.set_up()
    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(BrokenPipeError):
        log_event("heartbeat", "still here")


# ---- the client -------------------------------------------------------------------------------


@pytest.mark.long
def test_a_quiet_client_prints_answers_and_questions_only(world: World, server: object) -> None:
    assert client(world, "file", "-", "--quiet", "--output", "csv", typed="3 5\n")[::2] == (0, "")
    code, output, errors = client(world, "--quiet", typed="4\n\nn\n")
    assert (code, errors) == (0, "") and output.startswith("Number 1 of 10")


def test_a_verbose_client_names_request_ids_on_stderr(world: World, server: object) -> None:
    code, output, errors = client(world, "--verbose", "3", "--output", "json")
    assert code == 0 and json.loads(output)["mean"] == 3
    assert re.search(r"sqs SendMessageBatch: HTTP 200, request id [\w-]+\n", errors)
