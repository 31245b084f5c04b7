"""The function of AWS Lambda: deployed and answering on the emulator; what a start of it reads of the log."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from support.logs import begin_log
from support.proxy import Proxy
from support.requests import ask
from support.world import PATIENCE, ROOT, World, start_emulator, until

from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Message
from lab2.aws.stack import Stack
from lab2.stats.protocol import decode_answer
from lab2.stats.server.function import Function

ACCOUNT = "123456789012"


def deploy(parameters: dict[str, str]) -> None:
    stack = Stack(AwsSession(), poll_s=0.05)
    change_set, _ = stack.plan((ROOT / "aws.yaml").read_text(), parameters)
    list(stack.execute(change_set))


def test_the_stack_answers_without_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process, url = start_emulator(tmp_path, SERVICES="")  # all that it has
    try:
        settings = {"AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": ACCOUNT,
                    "AWS_SECRET_ACCESS_KEY": "test", "HOME": str(tmp_path), "LAB2_STORE": "aws"}  # fmt: skip
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        deploy({})
        world = World(dict(os.environ), tmp_path)
        with zipfile.ZipFile(tmp_path / "lab2.zip", "w") as archive:  # boto3 is in the emulator's Python
            for path in (ROOT / "lab2").rglob("*.py"):
                archive.write(path, path.relative_to(ROOT))
        world.aws.s3.upload_file(str(tmp_path / "lab2.zip"), world.aws.bucket, "deploy/lab2.zip")
        deploy({"Serverless": "yes"})
        function = world.aws.client("lambda").get_function_configuration(FunctionName="lab2-server")
        assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
        ids = set(ask(world, 12))
        answered: set[str] = set()

        def done() -> bool:
            answered.update(decode_answer(message.body).id for message in world.drain("lab2_1"))
            return answered == ids and world.depth("lab2") == (0, 0)

        until(done)
        verified = world.start("server.py", "verify").communicate(timeout=PATIENCE)
        assert "12 rows: 12 correct" in verified[0], verified[1]
    finally:
        process.terminate()
        process.wait(PATIENCE)


def test_a_start_reads_only_what_may_hold_its_requests(proxied: World, proxy: Proxy) -> None:
    begin_log(proxied)
    first = Function(proxied.aws)
    now = time.time()

    def message(number: int, sent: float) -> Message:
        return Message(f"id-{number}", f"receipt-{number}", f"[{number}]", {}, sent, 1)

    for number in range(6):  # a segment each
        bodies = [message(1_000 * number + each, now) for each in range(100)]
        assert first.handle(bodies, PATIENCE) == []
    segments = len(proxied.objects("log/2"))
    assert segments > 5
    proxy.calls.clear()
    assert Function(proxied.aws).handle([message(10_000, now + 3_600)], PATIENCE) == []
    assert proxy.calls["GetObject"] <= 2 and proxy.calls["ListObjectsV2"] <= 5


@pytest.mark.long  # pip takes its time
@pytest.mark.timeout(600)
def test_the_zip_of_the_documented_command_has_the_handler_and_boto3(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/deploy.md").read_text()
    (command,) = [line.strip() for line in page.splitlines() if "python -m zipfile" in line]
    command = command.replace("--target build .", f"--quiet --target build '{ROOT}'")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(["sh", "-c", command], cwd=tmp_path, env=os.environ | {"PATH": path}, check=True, timeout=500)
    program = "import boto3, sys; from lab2.cli.function import handler; print(boto3.__file__, handler.__module__)"
    told = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "lab2.zip")},
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert told.stdout.split() == [str(tmp_path / "lab2.zip/boto3/__init__.py"), "lab2.cli.function"], told.stderr
