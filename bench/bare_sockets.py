"""The least that a server in Python costs: signed requests over bare sockets. `python -m bench.bare_sockets`.

No SDK, no retries, no check of any reply; each batch has a log object of its own. Below, the job without AWS.
"""

from __future__ import annotations

import hmac
import json
import os
import socket
import threading
from collections.abc import Sequence
from datetime import datetime, timezone
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from lab2.stats.protocol import answer_request, encode_answer
from lab2.stats.server.log.row import encode_row

BUCKET = "lab2"
RECEIVE = {"MaxNumberOfMessages": 10, "WaitTimeSeconds": 20, "MessageAttributeNames": ["All"]}
THREADS = 16
REGION = os.environ.get("AWS_REGION", "us-east-1")
ENDPOINT = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))


def signing_key(service: str) -> bytes:
    key = f"AWS4{os.environ['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in (f"{datetime.now(timezone.utc):%Y%m%d}", REGION, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


class Connection:
    """One keep-alive connection to SQS and S3."""

    def __init__(self) -> None:
        self.socket = socket.create_connection((ENDPOINT.hostname, ENDPOINT.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")
        self.keys = {service: signing_key(service) for service in ("sqs", "s3")}

    def sqs(self, operation: str, **fields: Any) -> Any:
        return json.loads(self.call("sqs", "POST", "/", json.dumps(fields).encode(), f"AmazonSQS.{operation}"))

    def call(self, service: str, method: str, path: str, body: bytes, target: str = "") -> bytes:
        now, digest = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}", sha256(body).hexdigest()
        headers = {"host": ENDPOINT.netloc, "x-amz-content-sha256": digest, "x-amz-date": now}
        if target:
            headers |= {"x-amz-target": target}
        lines, names = "".join(f"{name}:{value}\n" for name, value in headers.items()), ";".join(headers)
        canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{digest}"
        scope = f"{now[:8]}/{REGION}/{service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self.keys[service], text.encode(), "sha256").hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}"
        )
        headers |= {"content-type": "application/x-amz-json-1.0", "content-length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        size = 0
        while (line := self.reader.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                size = int(line[15:])
        return self.reader.read(size)


def rows_and_answers(messages: Sequence[dict[str, Any]]) -> tuple[bytes, list[str]]:
    """Return rows to log and answers: the same for all, so that only their ways with AWS differ."""
    rows, answers = b"", []
    for message in messages:
        id, client = (message["MessageAttributes"][name]["StringValue"] for name in ("id", "client"))
        answers.append(encode_answer(answer_request(id, message["Body"])))
        rows += encode_row(id, client, message["Body"], answers[-1], datetime.now(timezone.utc)).line("bench", 1)
    return rows, answers


def entries(messages: Sequence[dict[str, Any]], answers: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"Id": str(at), "MessageBody": answer, "MessageAttributes": message["MessageAttributes"]}
        for at, (message, answer) in enumerate(zip(messages, answers, strict=True))
    ]


def receipts(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(messages)]


def work(requests: str, answers: str) -> None:
    aws = Connection()
    while True:
        if received := aws.sqs("ReceiveMessage", QueueUrl=requests, **RECEIVE).get("Messages"):
            rows, texts = rows_and_answers(received)
            aws.call("s3", "PUT", f"/{BUCKET}/log/{received[0]['MessageId']}.jsonl", rows)
            aws.sqs("SendMessageBatch", QueueUrl=answers, Entries=entries(received, texts))
            aws.sqs("DeleteMessageBatch", QueueUrl=requests, Entries=receipts(received))


def main() -> None:
    first = Connection()
    requests, answers = (first.sqs("GetQueueUrl", QueueName=name)["QueueUrl"] for name in ("lab2", "lab2_1"))
    for _ in range(THREADS - 1):
        threading.Thread(target=work, args=(requests, answers), daemon=True).start()
    work(requests, answers)


if __name__ == "__main__":
    main()
