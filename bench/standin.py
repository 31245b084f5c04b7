"""A stand-in for SQS, S3 and STS on 127.0.0.1: fast, at a distance, counting. `python -m bench.standin DELAY_MS`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import struct
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
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
ACCOUNT = "123456789012"
LEASE = 60.0  # seconds, where a receive names none
TICK = 0.05  # seconds between looks at leases and polls that have run out

Reply = tuple[int, dict[str, str], bytes]


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


# ---- SQS --------------------------------------------------------------------------------------


@dataclass
class Message:
    """A message and the part of a reply that tells of it."""

    shown: dict[str, Any]
    receives: int = 0


@dataclass
class Queue:
    """The visible messages, the hidden ones by receipt, and those who wait for one."""

    ready: deque[Message] = field(default_factory=deque)
    held: dict[str, tuple[float, Message]] = field(default_factory=dict)
    leases: list[tuple[float, str]] = field(default_factory=list)
    waiting: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    sent: int = 0
    deleted: int = 0
    last_sent: float = 0.0


class MissingQueue(KeyError):
    """There is no queue of that name."""


class Sqs:
    """The operations of SQS that the programs use, each a method that takes and returns the JSON fields."""

    def __init__(self) -> None:
        self.queues = {name: Queue() for name in ("lab2", "lab2_1", "lab2_dead")}
        self._numbers = count(1)

    def queue(self, fields: dict[str, Any]) -> tuple[str, Queue]:
        name = fields.get("QueueName") or fields["QueueUrl"].rpartition("/")[2]
        if name not in self.queues:
            raise MissingQueue(name)
        return name, self.queues[name]

    def send(self, queue: Queue, entry: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        now = time.time()
        reply = {
            "MessageId": f"{number:08x}-0000-4000-8000-{int(now * 1000):012x}",
            "MD5OfMessageBody": md5(entry["MessageBody"].encode()),
        }
        shown = {
            "MessageId": reply["MessageId"],
            "MD5OfBody": reply["MD5OfMessageBody"],
            "Body": entry["MessageBody"],
            "Attributes": {"SentTimestamp": str(int(now * 1000))},
        }
        if attributes := entry.get("MessageAttributes"):
            shown["MessageAttributes"] = attributes
            shown["MD5OfMessageAttributes"] = reply["MD5OfMessageAttributes"] = md5_of_attributes(attributes)
        queue.ready.append(Message(shown))
        queue.sent += 1
        queue.last_sent = time.monotonic()
        return reply

    def receive(self, queue: Queue, most: int, lease: float) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        expiry = time.monotonic() + lease
        while queue.ready and len(messages) < most:
            message = queue.ready.popleft()
            message.receives += 1
            receipt = f"{next(self._numbers):0180x}"  # as long as real ones are
            queue.held[receipt] = expiry, message
            heappush(queue.leases, (expiry, receipt))
            system = message.shown["Attributes"] | {"ApproximateReceiveCount": str(message.receives)}
            messages.append(message.shown | {"ReceiptHandle": receipt, "Attributes": system})
        return messages

    def delete(self, queue: Queue, receipt: str) -> None:
        if queue.held.pop(receipt, None):
            queue.deleted += 1

    def hide(self, queue: Queue, receipt: str, seconds: float) -> None:
        if receipt in queue.held:
            expiry = time.monotonic() + seconds
            queue.held[receipt] = expiry, queue.held[receipt][1]
            heappush(queue.leases, (expiry, receipt))

    def release(self, queue: Queue) -> None:
        """Make visible again what has been hidden long enough."""
        now = time.monotonic()
        while queue.leases and queue.leases[0][0] <= now:
            expiry, receipt = heappop(queue.leases)
            if receipt in queue.held and queue.held[receipt][0] == expiry:
                queue.ready.append(queue.held.pop(receipt)[1])


def md5_of_attributes(attributes: dict[str, Any]) -> str:
    """Return the digest of message attributes as SQS defines it; all of ours are strings."""
    parts = []
    for name in sorted(attributes):
        kind, value = attributes[name]["DataType"], attributes[name]["StringValue"]
        for text in (name, kind):
            parts += [struct.pack(">I", len(text)), text.encode()]
        parts += [b"\x01", struct.pack(">I", len(value.encode())), value.encode()]
    return md5(b"".join(parts))


# ---- S3 ---------------------------------------------------------------------------------------


@dataclass
class Stored:
    body: bytes
    etag: str
    time: float


class InvalidInput(Exception):
    """An error of S3: status and code."""


class S3:
    """Objects of one bucket in memory, with conditional writes and multipart uploads."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self._numbers = count(1)

    def put(self, key: str, body: bytes, headers: dict[str, str], etag: str = "") -> str:
        self._check(key, headers.get("if-match"), headers.get("if-none-match"))
        stored = self.objects[key] = Stored(body, etag or f'"{md5(body)}"', time.time())
        return stored.etag

    def get(self, key: str, headers: dict[str, str]) -> tuple[int, Stored, bytes]:
        """Return the status, the object and the bytes asked for."""
        if not (stored := self.objects.get(key)):
            raise InvalidInput(404, "NoSuchKey")
        if headers.get("if-none-match") == stored.etag:
            raise InvalidInput(304, "NotModified")
        if not (span := re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))):
            return 200, stored, stored.body
        if int(span[1]) >= len(stored.body):
            raise InvalidInput(416, "InvalidRange")
        return 206, stored, stored.body[int(span[1]) : int(span[2]) + 1 if span[2] else None]

    def list(self, query: dict[str, str]) -> bytes:
        prefix, most = query.get("prefix", ""), int(query.get("max-keys", "1000"))
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        after = query.get("continuation-token") or query.get("start-after", "")
        keys = keys[bisect_right(keys, after) :]
        page = keys[:most]
        entries = "".join(
            f"<Contents><Key>{quote(key)}</Key><LastModified>{stamp(self.objects[key].time)}</LastModified>"
            f"<ETag>{self.objects[key].etag}</ETag><Size>{len(self.objects[key].body)}</Size></Contents>"
            for key in page
        )
        more = f"<NextContinuationToken>{quote(page[-1])}</NextContinuationToken>" if len(keys) > most else ""
        return (
            f"<ListBucketResult><EncodingType>url</EncodingType><KeyCount>{len(page)}</KeyCount>{more}"
            f"<IsTruncated>{str(len(keys) > most).lower()}</IsTruncated>{entries}</ListBucketResult>"
        ).encode()

    def start_upload(self) -> str:
        upload = f"upload{next(self._numbers)}"
        self.uploads[upload] = {}
        return upload

    def put_part(self, upload: str, number: int, body: bytes, headers: dict[str, str]) -> str:
        if source := headers.get("x-amz-copy-source"):
            stored = self.get(unquote(source).lstrip("/").partition("/")[2], {})[1]
            if headers.get("x-amz-copy-source-if-match", stored.etag) != stored.etag:
                raise InvalidInput(412, "PreconditionFailed")
            body = stored.body
        self.uploads[upload][number] = body
        return f'"{md5(body)}"'

    def complete(self, key: str, upload: str, headers: dict[str, str]) -> str:
        parts = [body for _, body in sorted(self.uploads[upload].items())]
        digest = md5(b"".join(bytes.fromhex(md5(part)) for part in parts))
        etag = self.put(key, b"".join(parts), headers, f'"{digest}-{len(parts)}"')
        del self.uploads[upload]
        return etag

    def _check(self, key: str, match: str | None, none_match: str | None) -> None:
        stored = self.objects.get(key)
        if match and not stored:
            raise InvalidInput(404, "NoSuchKey")
        if (match and stored and match.strip('"') != stored.etag.strip('"')) or (none_match and stored):
            raise InvalidInput(412, "PreconditionFailed")


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def xml(name: str, **fields: str) -> bytes:
    return f"<{name}>{''.join(f'<{key}>{value}</{key}>' for key, value in fields.items())}</{name}>".encode()


# ---- HTTP -------------------------------------------------------------------------------------


class Aws:
    """Both services; counts calls and bytes of bodies by operation and queue."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.url = ""
        self.reset()

    def reset(self) -> None:
        self.sqs, self.s3 = Sqs(), S3()
        self.forget()

    def forget(self) -> None:
        """Count from nought."""
        self.calls: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.receives: list[float] = []
        self.started, self.cpu = time.monotonic(), time.process_time()

    def note(self, operation: str, queue: str, size: int) -> None:
        name = f"{operation} {queue}".rstrip()
        self.calls[name] += 1
        self.sent[name] += size

    def stats(self) -> dict[str, Any]:
        queues = self.sqs.queues.items()
        return {
            "calls": self.calls,
            "sent": self.sent,
            "receives": self.receives,
            "started": self.started,
            "seconds": time.monotonic() - self.started,
            "cpu": time.process_time() - self.cpu,
            "last_sent": {name: queue.last_sent for name, queue in queues},
            "queue_sent": {name: queue.sent for name, queue in queues},
            "deleted": {name: queue.deleted for name, queue in queues},
        }

    def control(self, path: str, body: bytes) -> Reply:
        """Do what the bench asks for; no call of AWS's."""
        command = path.rpartition("/")[2]
        if command == "reset":
            self.reset()
        elif command == "forget":
            self.forget()
        elif command == "delay":
            self.delay = float(body)
        elif command in ("fill", "fill-further"):
            if command == "fill":
                self.forget()
            for entry in json.loads(body):
                self.sqs.send(self.sqs.queues["lab2"], entry)
            self.wake("lab2")
        return 200, {}, json.dumps(self.stats()).encode()

    def wake(self, name: str) -> None:
        """Answer the polls for which there is a message now, and those that have waited long enough."""
        queue, now = self.sqs.queues[name], time.monotonic()
        self.sqs.release(queue)
        random.shuffle(queue.waiting)  # whoever asked first is not served first
        waiting, queue.waiting = queue.waiting, []
        for deadline, again in waiting:
            if queue.ready or now >= deadline:
                again()
            else:
                queue.waiting.append((deadline, again))

    def answer_sqs(self, operation: str, body: bytes, answer: Callable[[Reply], None]) -> None:
        fields = json.loads(body)
        if operation == "CreateQueue":
            self.note(operation, "", len(body))
            self.sqs.queues[fields["QueueName"]] = Queue()
            return answer(json_reply({"QueueUrl": f"{self.url}/{ACCOUNT}/{fields['QueueName']}"}))
        if operation == "ListQueues":
            self.note(operation, "", len(body))
            names = [name for name in self.sqs.queues if name.startswith(fields.get("QueueNamePrefix", ""))]
            return answer(json_reply({"QueueUrls": [f"{self.url}/{ACCOUNT}/{name}" for name in names]}))
        name, queue = self.sqs.queue(fields)
        self.note(operation, name, len(body))
        if operation != "ReceiveMessage":
            return answer(json_reply(self._reply(operation, name, queue, fields)))
        if name == "lab2":
            self.receives.append(time.monotonic())
        deadline = time.monotonic() + fields.get("WaitTimeSeconds", 0)

        def again() -> None:
            lease = fields.get("VisibilityTimeout", LEASE)
            if queue.ready or time.monotonic() >= deadline:
                messages = self.sqs.receive(queue, fields.get("MaxNumberOfMessages", 1), lease)
                answer(json_reply({"Messages": messages} if messages else {}))
            else:
                queue.waiting.append((deadline, again))

        return again()

    def _reply(self, operation: str, name: str, queue: Queue, fields: dict[str, Any]) -> dict[str, Any]:
        entries = fields.get("Entries", ())
        if operation == "SendMessage":
            reply = self.sqs.send(queue, fields)
            self.wake(name)
            return reply
        if operation == "SendMessageBatch":
            done = [{"Id": entry["Id"]} | self.sqs.send(queue, entry) for entry in entries]
            self.wake(name)
            return {"Successful": done}
        if operation == "DeleteMessage":
            self.sqs.delete(queue, fields["ReceiptHandle"])
            return {}
        if operation == "DeleteMessageBatch":
            for entry in entries:
                self.sqs.delete(queue, entry["ReceiptHandle"])
            return {"Successful": [{"Id": entry["Id"]} for entry in entries]}
        if operation == "ChangeMessageVisibilityBatch":
            for entry in entries:
                self.sqs.hide(queue, entry["ReceiptHandle"], entry["VisibilityTimeout"])
            return {"Successful": [{"Id": entry["Id"]} for entry in entries]}
        if operation == "GetQueueUrl":
            return {"QueueUrl": f"{self.url}/{ACCOUNT}/{name}"}
        if operation == "DeleteQueue":
            del self.sqs.queues[name]
        waiting, hidden = str(len(queue.ready)), str(len(queue.held))
        return {
            "Attributes": {
                "ApproximateNumberOfMessages": waiting,
                "ApproximateNumberOfMessagesNotVisible": hidden,
                "ApproximateNumberOfMessagesDelayed": "0",
            }
        }

    def answer_s3(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        key = unquote(parts.path).lstrip("/").partition("/")[2]
        upload = query.get("uploadId", "")
        operation = s3_operation(method, query, headers)
        self.note(operation, "", len(body))
        if operation == "ListObjectsV2":
            return 200, {}, self.s3.list(query)
        if operation in ("GetObject", "HeadObject"):
            status, stored, data = self.s3.get(key, headers)
            shown = {"ETag": stored.etag, "Last-Modified": formatdate(stored.time, usegmt=True)}
            return status, shown, data
        if operation == "PutObject":
            return 200, {"ETag": self.s3.put(key, body, headers)}, b""
        if operation == "CreateMultipartUpload":
            return 200, {}, xml("InitiateMultipartUploadResult", UploadId=self.s3.start_upload())
        if operation in ("UploadPart", "UploadPartCopy"):
            etag = self.s3.put_part(upload, int(query["partNumber"]), body, headers)
            return 200, {"ETag": etag}, xml("CopyPartResult", ETag=etag) if operation == "UploadPartCopy" else b""
        if operation == "CompleteMultipartUpload":
            etag = self.s3.complete(key, upload, headers)
            return 200, {}, xml("CompleteMultipartUploadResult", ETag=etag)
        if operation == "AbortMultipartUpload":
            self.s3.uploads.pop(upload, None)
        else:
            self.s3.objects.pop(key, None)
        return 204, {}, b""


def s3_operation(method: str, query: dict[str, str], headers: dict[str, str]) -> str:
    if "partNumber" in query:
        return "UploadPartCopy" if "x-amz-copy-source" in headers else "UploadPart"
    if "uploads" in query:
        return "CreateMultipartUpload"
    if "uploadId" in query:
        return "CompleteMultipartUpload" if method == "POST" else "AbortMultipartUpload"
    if "list-type" in query:
        return "ListObjectsV2"
    return f"{method.capitalize()}Object"


def json_reply(fields: dict[str, Any]) -> Reply:
    return 200, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(fields).encode()


class Connection(asyncio.Protocol):
    """One connection: parses a request at a time, answers it after the delay."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.loop = asyncio.get_running_loop()
        self.buffer = bytearray()
        self.head: tuple[str, str, dict[str, str]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
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
            self.write(method, self.aws.control(target, body))
        else:
            self.later(self.handle, method, target, headers, body)

    def later(self, do: Callable[..., None], *arguments: Any) -> None:
        """Do it when half the way to AWS and back is gone."""
        if self.aws.delay:
            self.loop.call_later(self.aws.delay / 2, do, *arguments)
        else:
            do(*arguments)

    def handle(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        def answer(reply: Reply) -> None:
            self.later(self.write, method, reply)

        try:
            if operation := headers.get("x-amz-target"):
                self.aws.answer_sqs(operation.rpartition(".")[2], body, answer)
            elif target == "/":
                self.aws.note("GetCallerIdentity", "", len(body))
                result = f"<GetCallerIdentityResult><Account>{ACCOUNT}</Account></GetCallerIdentityResult>"
                answer((200, {}, f"<GetCallerIdentityResponse>{result}</GetCallerIdentityResponse>".encode()))
            else:
                answer(self.aws.answer_s3(method, target, headers, body))
        except MissingQueue:
            error = {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "missing"}
            answer((400, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(error).encode()))
        except InvalidInput as refused:
            status, code = refused.args
            answer((status, {}, b"" if status == 304 else xml("Error", Code=code, Message=code)))

    def write(self, method: str, reply: Reply) -> None:
        status, headers, body = reply
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode()
        self.transport.write(head if method == "HEAD" else head + body)


async def serve(delay: float) -> None:
    aws = Aws(delay)
    listener = await asyncio.get_running_loop().create_server(lambda: Connection(aws), "127.0.0.1", 0, backlog=500)
    aws.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    print(aws.url, flush=True)
    while True:
        await asyncio.sleep(TICK)
        for name in list(aws.sqs.queues):
            aws.wake(name)


# ---- for whoever uses it ----------------------------------------------------------------------


@dataclass
class StandIn:
    """A stand-in that runs in a process of its own."""

    url: str

    def ask(self, command: str, body: bytes = b"") -> dict[str, Any]:
        """Tell it to reset, forget (its counts), fill (the requests), delay (seconds) or stats; return its counts."""
        with urllib.request.urlopen(f"{self.url}/_bench/{command}", data=body, timeout=30) as reply:
            counts: dict[str, Any] = json.load(reply)
        return counts


@contextmanager
def standing_in(delay: float) -> Iterator[StandIn]:
    """A stand-in for AWS at `delay` seconds (there and back)."""
    command = [sys.executable, "-m", "bench.standin", str(delay * 1000)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield StandIn(process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]) / 1000))
