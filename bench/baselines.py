"""What people write first: servers that answer the same requests with plain boto3. `python -m bench.baselines NAME`."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import count
from typing import Any

from lab2.stats.protocol import answer_request, encode_answer
from lab2.stats.server.log.row import encode_row

BUCKET = "lab2"
KEY = "log/all.jsonl"
OVERLAPPED = 16  # receives of the aiobotocore version that are under way at once
GATHER = 0.05  # seconds between its log writes


def row_and_answer(message: dict[str, Any]) -> tuple[bytes, str]:
    """Return the row to log and the answer: the same for all, so that only their ways with AWS differ."""
    id = message["MessageAttributes"]["id"]["StringValue"]
    client = message["MessageAttributes"]["client"]["StringValue"]
    answer = encode_answer(answer_request(id, message["Body"]))
    return encode_row(id, client, message["Body"], answer, datetime.now(timezone.utc)) + b"\n", answer


def entries(messages: Sequence[dict[str, Any]], answers: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"Id": str(at), "MessageBody": answer, "MessageAttributes": message["MessageAttributes"]}
        for at, (message, answer) in enumerate(zip(messages, answers, strict=True))
    ]


def receipts(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(messages)]


def clients() -> tuple[Any, Any, str, str]:
    import boto3
    from botocore.config import Config

    sqs, s3 = (boto3.client(name, config=Config(max_pool_connections=16)) for name in ("sqs", "s3"))
    requests, answers = (sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in ("lab2", "lab2_1"))
    return sqs, s3, requests, answers


def naive() -> None:
    """One message a call; the log is one object, read and written whole for each."""
    sqs, s3, requests, answers = clients()
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"")
    while True:
        received = sqs.receive_message(QueueUrl=requests, WaitTimeSeconds=20, MessageAttributeNames=["All"])
        for message in received.get("Messages", ()):
            row, answer = row_and_answer(message)
            log = s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
            s3.put_object(Bucket=BUCKET, Key=KEY, Body=log + row)
            sqs.send_message(QueueUrl=answers, MessageBody=answer, MessageAttributes=message["MessageAttributes"])
            sqs.delete_message(QueueUrl=requests, ReceiptHandle=message["ReceiptHandle"])


def batches(threads: int) -> None:
    """Batches of ten, each with a log object of its own, in so many threads."""
    sqs, s3, requests, answers = clients()

    def loop() -> None:
        while True:
            received = sqs.receive_message(
                QueueUrl=requests, MaxNumberOfMessages=10, WaitTimeSeconds=20, MessageAttributeNames=["All"]
            ).get("Messages")
            if received:
                rows, texts = zip(*map(row_and_answer, received), strict=True)
                s3.put_object(Bucket=BUCKET, Key=f"log/{received[0]['MessageId']}.jsonl", Body=b"".join(rows))
                sqs.send_message_batch(QueueUrl=answers, Entries=entries(received, texts))
                sqs.delete_message_batch(QueueUrl=requests, Entries=receipts(received))

    for _ in range(threads - 1):
        threading.Thread(target=loop, daemon=True).start()
    loop()


async def overlapped() -> None:
    """The same with aiobotocore: many batches under way at once in one thread, their rows logged together."""
    # It needs another botocore than boto3 does, so it is installed elsewhere.
    from aiobotocore.config import AioConfig  # type: ignore[import-not-found]
    from aiobotocore.session import get_session  # type: ignore[import-not-found]

    config = AioConfig(max_pool_connections=3 * OVERLAPPED)
    session = get_session()
    async with session.create_client("sqs", config=config) as sqs, session.create_client("s3", config=config) as s3:
        requests = (await sqs.get_queue_url(QueueName="lab2"))["QueueUrl"]
        answers = (await sqs.get_queue_url(QueueName="lab2_1"))["QueueUrl"]
        room = asyncio.Semaphore(4 * OVERLAPPED)
        tasks: set[asyncio.Task[None]] = set()
        unlogged: list[tuple[bytes, asyncio.Future[None]]] = []

        async def log() -> None:
            for number in count():
                await asyncio.sleep(GATHER)
                group, unlogged[:] = unlogged[:], []
                if group:
                    body = b"".join(row for row, _ in group)
                    await s3.put_object(Bucket=BUCKET, Key=f"log/{number}.jsonl", Body=body)
                    for _, logged in group:
                        logged.set_result(None)

        async def work(received: list[dict[str, Any]]) -> None:
            rows, texts = zip(*map(row_and_answer, received), strict=True)
            unlogged.append((b"".join(rows), asyncio.get_running_loop().create_future()))
            await unlogged[-1][1]
            await sqs.send_message_batch(QueueUrl=answers, Entries=entries(received, texts))
            await sqs.delete_message_batch(QueueUrl=requests, Entries=receipts(received))
            room.release()

        async def poll() -> None:
            while True:
                await room.acquire()
                reply = await sqs.receive_message(
                    QueueUrl=requests, MaxNumberOfMessages=10, WaitTimeSeconds=20, MessageAttributeNames=["All"]
                )
                if received := reply.get("Messages"):
                    tasks.add(task := asyncio.create_task(work(received)))
                    task.add_done_callback(tasks.discard)
                else:
                    room.release()

        await asyncio.gather(log(), *(poll() for _ in range(OVERLAPPED)))


if __name__ == "__main__":
    match sys.argv[1]:
        case "naive":
            naive()
        case "batch":
            batches(1)
        case "threads":
            batches(8)
        case "aiobotocore":
            asyncio.run(overlapped())
