"""AWS on this machine: an emulator on 127.0.0.1 with `aws.yaml` deployed to it, kept in `.local/`.

Programs that use it hold a shared lock, `users`. The first to come starts what is missing; the last to
leave stops what was started. A lock ends with its process, so a program that was killed does not count.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from lab2.aws.failures import user_errors
from lab2.aws.resources import DEAD_LETTER_QUEUE, ROOT, bundled
from lab2.aws.session import AwsSession, Endpoint
from lab2.errors import UserError
from lab2.system.daemon import Daemon
from lab2.system.file_lock import lock, locked
from lab2.system.machine import data_folder

# The data of a checkout is beside the programs; that of an installed package in the user's data folder.
HOME = ROOT / ".local" if bundled("aws.yaml").parent == ROOT else data_folder()
REQUIREMENT = "ministack==1.5.33"  # the extra `local` in pyproject.toml
HOST = "127.0.0.1"
REGION = "us-east-1"
ACCOUNT = "000000000000"
DEPLOYED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
BESIDE = "LAB2_BESIDE_EMULATOR"  # set for the process that runs beside the emulator, and for nobody else
PATIENCE = 30  # seconds for the emulator to start or to stop; it takes about one


@contextmanager
def running(service: str | None = None) -> Iterator[Endpoint]:
    """Context in which the emulator of this machine runs; `service` is a module to run beside it with --local, if any.

    The emulator's endpoint is all that a program needs. The environment is left as it is, and nothing in it counts.
    """
    port = _port()
    endpoint = Endpoint(f"http://{HOST}:{port}", REGION, ACCOUNT, "local")
    if os.environ.get(BESIDE):
        yield endpoint  # it runs already, and the program that started this process stops both
        return
    HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    HOME.chmod(0o700)
    emulator, server = Daemon(HOME, "emulator"), Daemon(HOME, "server")
    with locked(HOME / "users.lock", shared=True) as users:
        try:
            with locked(HOME / "starting.lock"):
                _start(emulator, port)
                _deploy(AwsSession(endpoint=endpoint))
                if service and not server.is_running():
                    server.start(service, "--local", **{BESIDE: "1"})
            yield endpoint
        finally:
            with locked(HOME / "starting.lock"):
                if lock(users.fileno()):  # alone: we are the last
                    server.stop(PATIENCE)
                    emulator.stop(PATIENCE)


@contextmanager
def serving() -> Iterator[None]:
    """Context in which this process is a server of the emulator, so that clients start none."""
    with locked(Daemon(HOME, "server").lock, shared=True):
        yield


def _port() -> int:
    text = os.environ.get("GATEWAY_PORT", "4566")  # the emulator's own variable and default
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise UserError(f"GATEWAY_PORT is {text}, which is not a port number. Try: unset GATEWAY_PORT")


def _start(emulator: Daemon, port: int) -> None:
    if emulator.is_running():
        if _healthy(port):
            return
        raise UserError(
            f"The emulator of this folder runs, but not on port {port}. Set GATEWAY_PORT as for the programs that use "
            "it, or stop them."
        )
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            owner = "the emulator of another folder" if _healthy(port) else "another program"
            raise UserError(
                f"Port {port} is taken by {owner}. Stop it, or choose a port: export GATEWAY_PORT={port % 65535 + 1}"
            )
    try:
        import ministack  # noqa: F401 - only to say so early where it is missing
    except ImportError:
        raise UserError(f"The local emulator is not installed. Try: pip install {REQUIREMENT}") from None
    emulator.start(
        "ministack",
        BIND_HOST=HOST,  # the default is every interface
        # These listen on every interface whatever BIND_HOST says, where the packages that they need are installed.
        IOT_MTLS_ENABLED="0", SFTP_ENABLED="0",
        GATEWAY_PORT=str(port),
        SERVICES="sqs,s3,sts,iam,cloudformation,cloudwatch",
        S3_PERSIST="1", S3_DATA_DIR=str(HOME / "s3"),
        PERSIST_STATE="1", STATE_DIR=str(HOME / "state"),
        TMPDIR=str(HOME), LOG_LEVEL="WARNING",
    )  # fmt: skip
    deadline = time.monotonic() + PATIENCE
    while not _healthy(port):
        if time.monotonic() > deadline or not emulator.is_running():
            emulator.stop(PATIENCE)
            raise UserError(f"The local emulator did not start. The reason is in {emulator.log}")
        time.sleep(0.05)


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)  # which knows of no proxy, as urllib does
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    return False


def _deploy(aws: AwsSession) -> None:
    """Deploy aws.yaml, unless this very text is deployed already."""
    template = bundled("aws.yaml").read_text("utf-8")
    digest = hashlib.sha256(template.encode()).hexdigest()
    deployed = HOME / "deployed"
    if deployed.exists() and deployed.read_text("ascii") == digest and _queues_exist(aws):
        return
    with user_errors("the local emulator"):
        deploy(aws, template)
    deployed.write_text(digest, "ascii")


def deploy(aws: AwsSession, template: str) -> None:
    """Create the stack `lab2` from `template`, or bring it up to date."""
    stacks = aws.cloudformation
    request: dict[str, Any] = {"StackName": "lab2", "TemplateBody": template, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
    try:
        stacks.create_stack(**request)
    except stacks.exceptions.AlreadyExistsException:
        with suppress(stacks.exceptions.ClientError):  # that there is nothing to update
            stacks.update_stack(**request)
    deadline = time.monotonic() + PATIENCE
    while (status := stacks.describe_stacks(StackName="lab2")["Stacks"][0]["StackStatus"]) not in DEPLOYED:
        if time.monotonic() > deadline or not status.endswith("_IN_PROGRESS"):
            raise UserError(f"The local emulator did not deploy aws.yaml. Delete the folder {HOME}, then try again.")
        time.sleep(0.02)


def _queues_exist(aws: AwsSession) -> bool:
    """Tell whether the emulator still has its queues; one that was killed forgets them."""
    with suppress(UserError):
        return bool(aws.queue_url(DEAD_LETTER_QUEUE))
    return False
