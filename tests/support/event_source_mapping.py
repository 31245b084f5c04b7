"""What AWS does between the queue lab2 and the function: receives, invokes, deletes what succeeded; and its faults.

Unlike AWS's it hides a message for a few seconds only, so that what a process that died had is soon received again.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError
from support.world import ROOT, World

VISIBILITY_S = 3
TIMEOUT_S = 20.0  # of the function: more than AWS gives it, for this machine may be busy
NAMES: Any = ["All"]


class Sandbox:
    """A process that runs the handler for one batch after the other."""

    def __init__(self, env: dict[str, str]) -> None:
        self.is_imported = False
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/support/sandbox.py")],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def invoke(self, event: dict[str, Any], timeout_s: float) -> dict[str, Any] | None:
        """Return the reply; None if the process died, or was killed because it was late."""
        assert self.process.stdin and self.process.stdout
        with suppress(OSError):
            if not self.is_imported:
                self.is_imported = bool(self.process.stdout.readline())
            self.process.stdin.write(json.dumps([timeout_s, event]).encode() + b"\n")
            self.process.stdin.flush()
            if select.select([self.process.stdout], [], [], timeout_s)[0]:
                reply = self.process.stdout.readline()
                if reply:
                    return dict(json.loads(reply))
        self.end()
        return None

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class EventSourceMapping:
    """Up to `concurrency` invocations at a time, each of up to `batch` messages."""

    def __init__(self, world: World, concurrency: int = 2, batch: int = 100) -> None:
        self.world = world
        self.batch = batch
        self.timeout_s = TIMEOUT_S
        self.requests = world.queue("lab2")
        self.sandboxes: list[Sandbox] = []
        self.disturbed = 0  # times that a process was killed or frozen
        self.came_back = 0  # messages that the function named in its replies
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(concurrency)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for sandbox in self.sandboxes:
            sandbox.end()
        for thread in self._threads:
            thread.join()

    def kill(self) -> None:
        """Kill a process that was started last."""
        self.sandboxes[-1].process.kill()

    def disturb(self, chance: random.Random, kills: int, freezes: int) -> None:
        """Kill and freeze processes while requests are answered; a freeze may be longer than a message is hidden."""
        faults = ["kill"] * kills + ["freeze"] * freezes
        chance.shuffle(faults)
        for fault in faults:
            time.sleep(chance.uniform(0.0, 0.4))
            with suppress(IndexError, ProcessLookupError):
                process = chance.choice([each.process for each in self.sandboxes if each.process.poll() is None])
                self.disturbed += 1
                if fault == "kill":
                    process.kill()
                else:
                    os.kill(process.pid, signal.SIGSTOP)
                    resume = threading.Timer(chance.uniform(1, 6), self._resume, [process])
                    resume.daemon = True
                    resume.start()

    @staticmethod
    def _resume(process: subprocess.Popen[bytes]) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)

    def _run(self) -> None:
        sandbox: Sandbox | None = None
        while not self._stopped.is_set():
            messages = self._receive()
            if not messages:
                continue
            if not sandbox or sandbox.process.poll() is not None:
                sandbox = Sandbox(self.world.env)
                self.sandboxes.append(sandbox)
            reply = sandbox.invoke({"Records": [record(message) for message in messages]}, self.timeout_s)
            if reply is None:
                continue
            failed = {failure["itemIdentifier"] for failure in reply["batchItemFailures"]}
            self.came_back += len(failed)
            for message in messages:
                if message["MessageId"] not in failed:
                    with suppress(ClientError):  # it was received again meanwhile
                        self.world.aws.sqs.delete_message(
                            QueueUrl=self.requests.url, ReceiptHandle=message["ReceiptHandle"]
                        )

    def _receive(self) -> list[Any]:
        messages: list[Any] = []
        while len(messages) < self.batch:
            reply = self.world.aws.sqs.receive_message(
                QueueUrl=self.requests.url, MaxNumberOfMessages=10, VisibilityTimeout=VISIBILITY_S,
                MessageAttributeNames=NAMES, MessageSystemAttributeNames=NAMES, WaitTimeSeconds=0 if messages else 1,
            )  # fmt: skip
            if not reply.get("Messages"):
                break
            messages += reply["Messages"]
        return messages


def record(message: Any) -> dict[str, Any]:
    """Return a message as it stands in an event."""
    attributes = message.get("MessageAttributes", {})
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {"stringValue": value.get("StringValue"), "dataType": value["DataType"]}
            for name, value in attributes.items()
        },
        "eventSource": "aws:sqs",
    }
