"""A stand-in for SQS and S3 on 127.0.0.1: fast, at a distance, counting. It has one bucket, `lab2`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import subprocess
import sys
import time
import urllib.request
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
ACCOUNT = "123456789012"
LEASE_S = 60.0  # if a receive names none
TICK_S = 0.05  # between looks at leases and polls that have run out
PACKET_BYTES = 65_536  # of one call on a shared line before it is another's turn
SETUP_TRIPS = 2  # before the first call on a new connection from far away: TCP and TLS 1.3
NUMBERS = count(1)
ANY_MD5 = "0" * 32  # of attributes, which no SDK for Python checks

Message = dict[str, Any]  # what a reply tells of it
Reply = tuple[int, dict[str, str], bytes]


class Refused(Exception):
    """What AWS refuses: status and code."""


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@dataclass
class Queue:
    """The visible messages, the hidden ones by receipt, and those who wait for one."""

    ready: deque[Message] = field(default_factory=deque)
    held: dict[str, tuple[float, Message]] = field(default_factory=dict)  # with the ends of their leases
    leases: list[tuple[float, str]] = field(default_factory=list)
    waiting: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    queue_sent: int = 0
    deleted: int = 0
    last_sent: float = 0.0

    def send(self, entry: dict[str, Any]) -> dict[str, Any]:
        now, body = time.time(), entry["MessageBody"]
        id = f"{next(NUMBERS):08x}-0000-4000-8000-{int(now * 1000):012x}"
        shown = {"MessageId": id, "MD5OfBody": md5(body.encode()), "Body": body}
        shown["Attributes"] = {"SentTimestamp": str(int(now * 1000))}
        reply = {"MessageId": id, "MD5OfMessageBody": shown["MD5OfBody"]}
        if attributes := entry.get("MessageAttributes"):
            shown["MessageAttributes"] = attributes
            shown["MD5OfMessageAttributes"] = reply["MD5OfMessageAttributes"] = ANY_MD5
        self.ready.append(shown)
        self.queue_sent += 1
        self.last_sent = time.monotonic()
        return reply

    def receive(self, fields: dict[str, Any]) -> dict[str, Any]:
        messages: list[dict[str, Any]] = []
        expiry = time.monotonic() + fields.get("VisibilityTimeout", LEASE_S)
        while self.ready and len(messages) < fields.get("MaxNumberOfMessages", 1):
            message, receipt = self.ready.popleft(), f"{next(NUMBERS):0180x}"  # as long as real ones are
            system = message["Attributes"]
            system["ApproximateReceiveCount"] = str(int(system.get("ApproximateReceiveCount", 0)) + 1)
            self.hold(receipt, message, expiry)
            messages.append(message | {"ReceiptHandle": receipt})
        return {"Messages": messages} if messages else {}

    def hold(self, receipt: str, message: Message, expiry: float) -> None:
        self.held[receipt] = expiry, message
        heappush(self.leases, (expiry, receipt))

    def hide(self, entry: dict[str, Any]) -> None:
        if held := self.held.get(entry["ReceiptHandle"]):
            self.hold(entry["ReceiptHandle"], held[1], time.monotonic() + entry["VisibilityTimeout"])

    def delete(self, entry: dict[str, Any]) -> None:
        self.deleted += self.held.pop(entry["ReceiptHandle"], None) is not None

    def wake(self) -> None:
        """Show again what was hidden long enough; answer polls that have a message, or have waited long enough."""
        now = time.monotonic()
        while self.leases and self.leases[0][0] <= now:
            expiry, receipt = heappop(self.leases)
            if receipt in self.held and self.held[receipt][0] == expiry:
                self.ready.append(self.held.pop(receipt)[1])
        random.shuffle(self.waiting)  # whoever asked first is not served first
        waiting, self.waiting = self.waiting, []
        for deadline, again in waiting:
            if self.ready or now >= deadline:
                again()
            else:
                self.waiting.append((deadline, again))


@dataclass
class Stored:
    body: bytes
    etag: str
    time: float


class S3:
    """Objects of one bucket in memory, with conditional writes."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}

    def answer(self, operation: str, key: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Reply:
        if operation == "ListObjectsV2":
            return 200, {}, self.list(query)
        if operation in ("GetObject", "HeadObject"):
            status, stored, data = self.get(key, headers)
            return status, {"ETag": stored.etag, "Last-Modified": formatdate(stored.time, usegmt=True)}, data
        if operation == "PutObject":
            return 200, {"ETag": self.put(key, body, headers)}, b""
        self.objects.pop(key, None)  # DeleteObject
        return 204, {}, b""

    def put(self, key: str, body: bytes, headers: dict[str, str]) -> str:
        stored, match = self.objects.get(key), headers.get("if-match")
        if match and not stored:
            raise Refused(404, "NoSuchKey")
        if stored and ((match and match.strip('"') != stored.etag.strip('"')) or headers.get("if-none-match") == "*"):
            raise Refused(412, "PreconditionFailed")
        self.objects[key] = Stored(body, f'"{md5(body)}"', time.time())
        return self.objects[key].etag

    def get(self, key: str, headers: dict[str, str]) -> tuple[int, Stored, bytes]:
        """Return the status, the object and the bytes asked for."""
        if not (stored := self.objects.get(key)):
            raise Refused(404, "NoSuchKey")
        if headers.get("if-none-match") == stored.etag:
            raise Refused(304, "NotModified")
        if not (span := re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))):
            return 200, stored, stored.body
        if int(span[1]) >= len(stored.body):
            raise Refused(416, "InvalidRange")
        return 206, stored, stored.body[int(span[1]) : int(span[2]) + 1 if span[2] else None]

    def list(self, query: dict[str, str]) -> bytes:
        prefix, most = query.get("prefix", ""), int(query.get("max-keys", "1000"))
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        folders = ""
        if query.get("delimiter"):
            inside = {key: key[: key.find("/", len(prefix)) + 1] for key in keys}
            keys = [key for key in keys if not inside[key]]
            found = sorted({*inside.values()} - {""})
            folders = "".join(f"<CommonPrefixes><Prefix>{quote(each)}</Prefix></CommonPrefixes>" for each in found)
        keys = keys[bisect_right(keys, query.get("continuation-token") or query.get("start-after", "")) :]
        page = keys[:most]
        entries = "".join(
            f"<Contents><Key>{quote(key)}</Key><LastModified>{stamp(self.objects[key].time)}</LastModified>"
            f"<ETag>{self.objects[key].etag}</ETag><Size>{len(self.objects[key].body)}</Size></Contents>"
            for key in page
        )
        more = f"<NextContinuationToken>{quote(page[-1])}</NextContinuationToken>" if len(keys) > most else ""
        return (
            f"<ListBucketResult><EncodingType>url</EncodingType><KeyCount>{len(page)}</KeyCount>{more}"
            f"<IsTruncated>{str(len(keys) > most).lower()}</IsTruncated>{entries}{folders}</ListBucketResult>"
        ).encode()


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


class Aws:
    """The services; counts calls by operation and queue, and the bytes of bodies."""

    def __init__(self, delay_s: float, line_bytes: float) -> None:
        self.delay_s = delay_s  # there and back
        self.line_bytes = line_bytes  # a second, both ways, for all calls; 0: no limit
        self.line_free = 0.0
        self.url = ""
        self.reset()

    def reset(self) -> None:
        self.queues = {name: Queue() for name in ("lab2", "lab2_1", "lab2_dead")}
        self.s3 = S3()
        self.forget()

    def forget(self) -> None:
        """Count from nought."""
        self.calls: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()  # bytes to AWS
        self.received = 0  # bytes from S3
        self.filled = 0.0  # when the first requests had been put on their queue
        self.started, self.cpu = time.monotonic(), time.process_time()

    def note(self, call: str, size: int) -> None:
        self.calls[call] += 1
        self.sent[call] += size

    def stats(self) -> dict[str, Any]:
        found = {name: vars(self)[name] for name in ("calls", "sent", "received", "filled")}
        found |= {"seconds": time.monotonic() - self.started, "cpu": time.process_time() - self.cpu}
        for what in ("last_sent", "queue_sent", "deleted"):
            found[what] = {name: vars(queue)[what] for name, queue in self.queues.items()}
        return found

    def control(self, command: str, body: bytes) -> Reply:
        """Do what the bench asks for; no call of AWS's."""
        if command == "reset":
            self.reset()
        elif command == "forget":
            self.forget()
        elif command == "fill":  # the queue of requests
            for entry in json.loads(body):
                self.queues["lab2"].send(entry)
            self.filled = self.filled or time.monotonic()
            self.queues["lab2"].wake()
        elif command == "segments":  # so many of today, the last one so many seconds old
            *head, segment = body.split(b" ", 2)
            (number, age_s), now = map(int, head), time.time()
            for at in range(1, number + 1):
                written = now - age_s - 86_400 * (1 - at / number)
                self.s3.objects[f"log/{stamp(now)[:10]}/{at:08}.jsonl"] = Stored(segment, f'"{at:032x}"', written)
        return 200, {}, json.dumps(self.stats()).encode()

    def answer_sqs(self, operation: str, body: bytes, answer: Callable[[Reply], None]) -> None:
        fields = json.loads(body)
        name = fields.get("QueueName") or fields.get("QueueUrl", "").rpartition("/")[2]
        if name not in self.queues:
            raise Refused(400, "QueueDoesNotExist")
        self.note(f"{operation} {name}", len(body))
        if operation != "ReceiveMessage":
            return answer(json_reply(self._reply(operation, name, fields)))
        queue, deadline = self.queues[name], time.monotonic() + fields.get("WaitTimeSeconds", 0)

        def again() -> None:
            if queue.ready or time.monotonic() >= deadline:
                answer(json_reply(queue.receive(fields)))
            else:
                queue.waiting.append((deadline, again))

        return again()

    def _reply(self, operation: str, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        queue = self.queues[name]
        if operation == "GetQueueUrl":
            return {"QueueUrl": f"{self.url}/{ACCOUNT}/{name}"}
        verbs = {"Send": queue.send, "Delete": queue.delete, "Change": queue.hide}
        act = next(act for verb, act in verbs.items() if operation.startswith(verb))
        done = [{"Id": entry.get("Id")} | (act(entry) or {}) for entry in fields.get("Entries", [fields])]
        if act == queue.send:
            queue.wake()
        return {"Successful": done} if "Entries" in fields else done[0]

    def answer_s3(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        operation = "ListObjectsV2" if "list-type" in query else f"{method.capitalize()}Object"
        self.note(operation, len(body))
        reply = self.s3.answer(operation, unquote(parts.path).lstrip("/").partition("/")[2], query, headers, body)
        self.received += len(reply[2]) * (method != "HEAD")
        return reply


def json_reply(fields: dict[str, Any], status: int = 200) -> Reply:
    return status, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(fields).encode()


class Connection(asyncio.Protocol):
    """One connection: parses a request at a time, answers it after the delay."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.loop = asyncio.get_running_loop()
        self.buffer = bytearray()
        self.head: tuple[str, str, dict[str, str]] | None = None
        self.setup_s = SETUP_TRIPS * aws.delay_s if aws.line_bytes else 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.head is None:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            first, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ")
            pairs = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            self.head = method, target, headers
            del self.buffer[: end + 4]
            if "expect" in headers:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        method, target, headers = self.head
        size = int(headers.get("content-length", 0))
        if len(self.buffer) < size:
            return
        body = bytes(self.buffer[:size])
        del self.buffer[:size]
        self.head = None
        if target.startswith("/_bench/"):
            self.write(method, self.aws.control(target.rpartition("/")[2], body))
        else:
            self.later(size, partial(self.handle, method, target, headers, body))

    def later(self, size: int, do: Callable[[], None]) -> None:
        """Do it when half of the way to AWS and back is gone, and so many bytes are through the line."""
        if self.aws.line_bytes:
            do = partial(self.carry, size, do)
        wait_s, self.setup_s = self.aws.delay_s / 2 + self.setup_s, 0.0
        if wait_s:
            self.loop.call_later(wait_s, do)
        else:
            do()

    def carry(self, size: int, do: Callable[[], None]) -> None:
        """Do it when so many bytes are through the line; packets of all calls take turns."""
        if size <= 0:
            return do()
        packet_s = min(PACKET_BYTES, size) / self.aws.line_bytes
        self.aws.line_free = max(self.aws.line_free, self.loop.time()) + packet_s
        self.loop.call_at(self.aws.line_free, self.carry, size - PACKET_BYTES, do)
        return None

    def handle(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        def answer(reply: Reply) -> None:
            self.later(len(reply[2]), partial(self.write, method, reply))

        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        try:
            if operation:
                self.aws.answer_sqs(operation, body, answer)
            else:
                answer(self.aws.answer_s3(method, target, headers, body))
        except Refused as refused:
            status, code = refused.args
            if operation:
                answer(json_reply({"__type": f"com.amazonaws.sqs#{code}", "message": code}, status))
            else:
                answer((status, {}, b"" if status == 304 else f"<Error><Code>{code}</Code></Error>".encode()))

    def write(self, method: str, reply: Reply) -> None:
        status, headers, body = reply
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode()
        self.transport.write(head if method == "HEAD" else head + body)


async def serve(delay_s: float, line_bytes: float) -> None:
    aws = Aws(delay_s, line_bytes)
    listener = await asyncio.get_running_loop().create_server(lambda: Connection(aws), "127.0.0.1", 0, backlog=500)
    aws.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    print(aws.url, flush=True)
    while True:
        await asyncio.sleep(TICK_S)
        for queue in aws.queues.values():
            queue.wake()


@dataclass
class StandIn:
    """A stand-in that runs in a process of its own."""

    url: str

    def ask(self, command: str, body: bytes = b"") -> dict[str, Any]:
        """Tell it to reset, forget (its counts), fill (the requests), add segments or stats; return its counts."""
        with urllib.request.urlopen(f"{self.url}/_bench/{command}", data=body, timeout=60) as reply:
            return json.load(reply)


@contextmanager
def standing_in(delay_s: float, line_bits: float = 0) -> Iterator[StandIn]:
    """A stand-in for AWS at `delay_s` (there and back), on a line of so many bits a second if that is given."""
    command = [sys.executable, "-m", "bench.standin", str(delay_s), str(line_bits / 8)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield StandIn(process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asyncio.run(serve(*map(float, sys.argv[1:])))
