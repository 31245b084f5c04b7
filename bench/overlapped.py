"""A worker that does the server's job with aiobotocore, its log not shared: `python -m bench.overlapped`."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from aiobotocore.config import AioConfig  # type: ignore[import-not-found]
from aiobotocore.session import get_session  # type: ignore[import-not-found]

from bench.job import BUCKET, entries, receipts, row_and_answer

OVERLAPPED = 16  # receives of the aiobotocore version that are under way at once
GATHER = 0.05  # seconds between its log writes


async def overlapped() -> None:
    """Serve with many batches under way at once in one thread, their rows logged together."""
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
    asyncio.run(overlapped())
