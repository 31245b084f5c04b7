"""Where the processor time of a request goes: each part of the server by itself, beside the whole."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from itertools import starmap
from typing import Any
from unittest.mock import Mock

from bench.book import Book
from bench.measure import answered, encode_entries, some_series
from bench.server import SERVER
from bench.standin import StandIn, standing_in
from lab2.aws.retry import OutageReporter
from lab2.aws.session import AwsSession, Endpoint
from lab2.aws.sqs.leases import Leases
from lab2.aws.sqs.message_queue import BATCH, Message, Outgoing, Queue, batches
from lab2.events import log_outage
from lab2.stats.protocol import answer_request, encode_answer, encode_request, new_id
from lab2.stats.server.log.idempotency import place_of
from lab2.stats.server.log.index import LogIndex
from lab2.stats.server.log.row import encode_row
from lab2.stats.server.log.segments import RequestLog
from lab2.workers import BatchWorker

SAMPLES = 10_000  # requests
TURNS = 3
WRITTEN = 2_000  # rows that a write of the log takes under load, about


def parts(book: Book) -> None:
    """Each step that a request goes through, timed alone."""
    with standing_in(0) as standin:
        whole = cpu(standin, SERVER)
        pinned = cpu(standin, ["/usr/bin/taskset", "--cpu-list", "0", sys.executable, *SERVER])
        rows = [*computing(standin), *calling(standin), ("three workers, leases", handing_over())]
    rest = pinned - sum(taken for _, taken in rows)
    book.say(
        "## Where the processor time goes",
        f"Milliseconds a request of server.py, AWS 0 ms away. Each part was run by itself, for {SAMPLES:,} requests; "
        "the calls by one thread, one in ten requests each of receive, send and delete; the workers are those of log, "
        "answer and delete, with nothing to do. The rest: messages become requests and answers, are counted, and wait "
        "for each other. Two cores: what the whole takes more than when it may use one core only, and no thread on "
        f"another core waits for Python's lock. The whole, and the whole on one core, are medians of {TURNS}.",
    )
    table = [*rows, ("the rest", rest), ("two cores", whole - pinned), ("the whole", whole)]
    book.table(["", "ms/request", "share"], [[name, f"{took:.4f}", f"{took / whole:.0%}"] for name, took in table])


def cpu(standin: StandIn, command: Sequence[str]) -> float:
    """Return the milliseconds a request of a whole server."""
    return statistics.median(answered(standin, command, 2 * SAMPLES).figures["cpu"] for _ in range(TURNS))


def computing(standin: StandIn) -> list[tuple[str, float]]:
    """Return the parts that compute, and the log that they are for, in milliseconds a request."""
    now, sent = datetime.now(timezone.utc), time.time()
    asked = [(new_id(), encode_request(some_series())) for _ in range(SAMPLES)]
    answer, answers = timed(answer_request, asked)
    encode, bodies = timed(encode_answer, ((each,) for each in answers))
    written = ((id, "somebody@somewhere", body, text, now) for (id, body), text in zip(asked, bodies, strict=True))
    row, rows = timed(encode_row, written)
    place, _ = timed(place_of, ((id, "", sent) for id, _ in asked))
    aws = session(standin)
    log, index = RequestLog(aws.s3, aws.bucket, "2026-11-24"), LogIndex()

    def deduplicate(some: list[Any]) -> None:
        index.missing(some)
        index.wrote(some)
        index.earlier(some)

    def write(some: list[Any]) -> None:
        log.append(some, since=sent)
        log.logged.earlier(some)

    compared, _ = timed(deduplicate, ((some,) for some in batches(rows, WRITTEN)))
    logged, _ = timed(write, ((some,) for some in batches(rows, WRITTEN)))
    return [
        ("decode the request, summarise", answer),
        ("encode the answer", encode),
        ("encode the row of the log", row),
        ("find the log's day", place),
        ("deduplicate (SQLite)", compared),
        ("write the log", logged - compared),
    ]


def handing_over() -> float:
    """Return the milliseconds a request of the workers that it goes through, without what they do, and its lease."""
    leases = Leases(Queue(Mock(), ""), 60)

    def reporter() -> OutageReporter:
        return OutageReporter("Working", log_outage, lambda reason: None)

    delete = BatchWorker(reporter(), leases.release, size=BATCH, threads=8, linger=1.0)
    answer = BatchWorker(reporter(), delete.put, size=BATCH, threads=16)
    log = BatchWorker(reporter(), answer.put, size=WRITTEN, unit=BATCH)

    messages = [Message(str(number), "", "", {}, 0.0, 1) for number in range(SAMPLES)]
    started = time.process_time()
    for some in batches(messages):
        leases.hold(some)
        log.put(some)
    for worker in (log, answer, delete):
        worker.flush()
    return (time.process_time() - started) / SAMPLES * 1000


def calling(standin: StandIn) -> list[tuple[str, float]]:
    """Return the parts of the calls of SQS, in milliseconds a request."""
    standin.ask("reset")
    standin.ask("fill", encode_entries(SAMPLES))
    aws = session(standin)
    requests, answers = aws.queue("lab2"), aws.queue("lab2_1")
    transport = aws.sqs_transport
    answer = Outgoing(300 * "x", {"id": new_id(), "client": "somebody@somewhere"})
    receive, received = timed(Queue.receive, [(requests,)] * (SAMPLES // BATCH))
    send, _ = timed(Queue.send, [(answers, [answer] * BATCH)] * (SAMPLES // BATCH))
    delete, _ = timed(Queue.delete, ((requests, messages) for messages in received))
    entries = {
        "ReceiveMessage": {"MaxNumberOfMessages": BATCH, "WaitTimeSeconds": 4, "MessageAttributeNames": ["All"]},
        "SendMessageBatch": {"Entries": [{"Id": "0", "MessageBody": 300 * "x", "MessageAttributes": {}}] * BATCH},
        "DeleteMessageBatch": {"Entries": [{"Id": "0", "ReceiptHandle": received[0][0].receipt}] * BATCH},
    }
    sign = {
        operation: timed(transport.signed, [(operation, {"QueueUrl": requests.url, **fields})] * (SAMPLES // BATCH))[0]
        for operation, fields in entries.items()
    }
    return [
        ("encode and sign the calls", sum(sign.values())),
        ("receive, without that", receive - sign["ReceiveMessage"]),
        ("send, without that", send - sign["SendMessageBatch"]),
        ("delete, without that", delete - sign["DeleteMessageBatch"]),
    ]


def session(standin: StandIn) -> AwsSession:
    return AwsSession(endpoint=Endpoint(standin.url, "us-east-1", "bench", "bench"))


def timed(work: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> tuple[float, list[Any]]:
    """Return the milliseconds of CPU time that the work on all arguments takes of a request, and its results."""
    given = list(arguments)
    started = time.process_time()
    results = list(starmap(work, given))
    return (time.process_time() - started) / SAMPLES * 1000, results
