"""A server with aiobotocore: many batches under way at once, its log not shared. `PYTHON -m bench.overlapped`."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from aiobotocore.config import AioConfig  # type: ignore[import-not-found]
from aiobotocore.session import get_session  # type: ignore[import-not-found]

from bench.bare_sockets import BUCKET, RECEIVE, entries, receipts, rows_and_answers

OVERLAPPED = 16  # receives under way at once
GATHER_S = 0.05  # between log writes


async def serve() -> None:
    config = AioConfig(max_pool_connections=3 * OVERLAPPED)
    session = get_session()
    async with session.create_client("sqs", config=config) as sqs, session.create_client("s3", config=config) as s3:
        requests, answers = [(await sqs.get_queue_url(QueueName=name))["QueueUrl"] for name in ("lab2", "lab2_1")]
        room = asyncio.Semaphore(4 * OVERLAPPED)
        tasks: set[asyncio.Task[None]] = set()
        unlogged: list[tuple[bytes, asyncio.Future[None]]] = []

        async def log() -> None:
            for number in count():
                await asyncio.sleep(GATHER_S)
                group, unlogged[:] = unlogged[:], []
                if group:
                    body = b"".join(row for row, _ in group)
                    await s3.put_object(Bucket=BUCKET, Key=f"log/{number}.jsonl", Body=body)
                    for _, logged in group:
                        logged.set_result(None)

        async def work(received: list[dict[str, Any]]) -> None:
            rows, texts = rows_and_answers(received)
            unlogged.append((rows, asyncio.get_running_loop().create_future()))
            await unlogged[-1][1]
            await sqs.send_message_batch(QueueUrl=answers, Entries=entries(received, texts))
            await sqs.delete_message_batch(QueueUrl=requests, Entries=receipts(received))
            room.release()

        async def poll() -> None:
            while True:
                await room.acquire()
                if received := (await sqs.receive_message(QueueUrl=requests, **RECEIVE)).get("Messages"):
                    tasks.add(task := asyncio.create_task(work(received)))
                    task.add_done_callback(tasks.discard)
                else:
                    room.release()

        await asyncio.gather(log(), *(poll() for _ in range(OVERLAPPED)))


if __name__ == "__main__":
    asyncio.run(serve())
