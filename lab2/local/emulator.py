"""AWS on this machine: an emulator on 127.0.0.1 with `aws.yaml` deployed to it, kept in `.local/`.

Programs that use it share a lock, `users`. The first one starts what is missing, the last one stops what was started. A
lock ends with its process, so a program that was killed does not count.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from lab2.aws.failures import speak_of_the_emulator, user_errors
from lab2.aws.resources import ANSWER_QUEUE, DEAD_LETTER_QUEUE, REQUEST_QUEUE, ROOT, bundled
from lab2.aws.s3.free_space import lack_of_space
from lab2.aws.session import AwsSession, Endpoint
from lab2.aws.stack import DEPLOYED, STACK, Stack
from lab2.errors import UserError
from lab2.system.daemon import Daemon
from lab2.system.file_lock import lock, locked
from lab2.system.machine import data_folder


def _home() -> Path:
    """Return the folder of all data: beside the programs of a checkout, else the user's data folder."""
    beside = ROOT / ".local"
    in_checkout = bundled("aws.yaml").parent == ROOT and (beside.exists() or os.access(ROOT, os.W_OK))
    return beside if in_checkout else data_folder()


HOME = _home()
STATE = HOME / "state"  # all but the objects: written when the emulator ends, unless it is killed
REQUIREMENT = "ministack==1.5.33"  # the extra `local` in pyproject.toml
HOST = "127.0.0.1"
REGION = "us-east-1"
ACCOUNT = "000000000000"
BESIDE = "LAB2_BESIDE_EMULATOR"  # set for the process that runs beside the emulator only
JOIN_TIMEOUT_S = 5  # for an emulator that runs already to answer, if its port is the right one
START_TIMEOUT_S = 60  # for the emulator to start or to stop; on a quiet machine it takes about a second


@contextmanager
def running(service: str | None = None) -> Iterator[Endpoint]:
    """Context in which the local emulator runs, and beside it the module `service` with --local, if there is one.

    The endpoint is all that a program needs: it reads nothing from the environment, which is left as it is.
    """
    port = _port()
    speak_of_the_emulator()
    endpoint = Endpoint(f"http://{HOST}:{port}", REGION, ACCOUNT, "local", HOME)
    if os.environ.get(BESIDE):
        yield endpoint  # the program that started this process also runs the emulator, and stops both
        return
    with _folder_errors():
        HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
        HOME.chmod(0o700)
        if problem := lack_of_space(HOME):
            raise UserError(problem)
        stack = ExitStack()
        users = stack.enter_context(locked(HOME / "users.lock", shared=True))
    emulator, server = Daemon(HOME, "emulator"), Daemon(HOME, "server")
    with stack:
        try:
            with _folder_errors(), locked(HOME / "starting.lock"):
                _bring_up(emulator, port, AwsSession(endpoint=endpoint))
                if service and not server.is_running():
                    server.start(service, "--local", **{BESIDE: "1"})
            yield endpoint
        finally:
            with _folder_errors(), locked(HOME / "starting.lock"):
                if lock(users.fileno()):  # alone, so we are the last
                    server.stop(START_TIMEOUT_S)
                    emulator.stop(START_TIMEOUT_S)


@contextmanager
def serving() -> Iterator[None]:
    """Context in which this process serves the emulator's queues, so that clients start no server."""
    with locked(Daemon(HOME, "server").lock, shared=True):
        yield


def _port() -> int:
    text = os.environ.get("GATEWAY_PORT", "4566")  # the emulator's own variable and default
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise UserError(f"GATEWAY_PORT is {text}, which is not a port number. Try: unset GATEWAY_PORT")


@contextmanager
def _folder_errors() -> Iterator[None]:
    """Context that turns errors of the emulator's folder into a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"The local emulator can't use {error.filename or HOME}: {error.strerror or error}. What is in it is "
            f"untouched. {_remedy(error)}"
        ) from error


def _remedy(error: OSError) -> str:
    if error.errno not in (errno.EACCES, errno.EPERM):
        return _REMEDIES.get(error.errno or 0, "Put it right, then try again.")
    if HOME.exists():
        return f"Make it yours, with all in it: sudo chown -R $(id -un) {HOME}"
    return "Name a folder in which you may write: export HOME=/path"


_REMEDIES = {
    errno.EROFS: "Copy the folder of the project to where you may write.",
    errno.ENOSPC: "Make room on the disk, then try again.",
}


def _bring_up(emulator: Daemon, port: int, aws: AwsSession) -> None:
    """Start the emulator unless it runs, and deploy aws.yaml to it.

    An emulator that was killed has kept every object, but the state it last wrote may be missing or damaged. If it does
    not start with that, it starts without, and the stack is created again around the bucket.
    """
    if emulator.is_running():
        if not _becomes_healthy(emulator, port, JOIN_TIMEOUT_S):
            raise UserError(
                f"The emulator of this folder runs, but not on port {port}. Set GATEWAY_PORT as for the programs that "
                "use it, or stop them."
            )
        _deploy(aws)
        return
    _check_port_and_package(port)
    try:
        _start_and_deploy(emulator, port, aws)
    except UserError:
        if not any(STATE.glob("*.json")):
            raise
        with _without_state():
            _start_and_deploy(emulator, port, aws)


@contextmanager
def _without_state() -> Iterator[None]:
    """Context in which the emulator's state is set aside, as `state.1` or so; it is put back if the context fails."""
    aside = next(path for number in count(1) if not (path := HOME / f"state.{number}").exists())
    STATE.rename(aside)
    try:
        yield
    except BaseException:
        shutil.rmtree(STATE, ignore_errors=True)  # made in this context
        aside.rename(STATE)
        raise


def _start_and_deploy(emulator: Daemon, port: int, aws: AwsSession) -> None:
    """Start the emulator and deploy aws.yaml to it; stop it again if that fails."""
    try:
        _start(emulator, port)
        _deploy(aws)
    except UserError:
        emulator.stop(START_TIMEOUT_S)
        raise


def _check_port_and_package(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            owner = "the emulator of another folder" if _healthy(port) else "another program"
            raise UserError(
                f"Port {port} is taken by {owner}. Stop it, or choose a port: export GATEWAY_PORT={port % 65535 + 1}"
            )
    try:
        import ministack  # noqa: F401 - to notice early that it is missing
    except ImportError:
        raise UserError(f"The local emulator is not installed. Try: pip install {REQUIREMENT}") from None


def _start(emulator: Daemon, port: int) -> None:
    emulator.start(
        "ministack",
        BIND_HOST=HOST,  # the default is every interface
        # If the packages that these need are installed, they listen on every interface, whatever BIND_HOST is.
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        GATEWAY_PORT=str(port),
        SERVICES="sqs,s3,sts,iam,cloudformation,cloudwatch",
        S3_PERSIST="1",
        S3_DATA_DIR=str(HOME / "s3"),
        PERSIST_STATE="1",
        STATE_DIR=str(STATE),
        TMPDIR=str(HOME),
        LOG_LEVEL="WARNING",
    )
    if not _becomes_healthy(emulator, port, START_TIMEOUT_S):
        raise UserError(f"The local emulator did not start. The reason is in {emulator.log}")


def _becomes_healthy(emulator: Daemon, port: int, patience: float) -> bool:
    """Return whether the emulator answers within `patience` seconds; False as soon as it has ended."""
    deadline = time.monotonic() + patience
    while not _healthy(port):
        if time.monotonic() > deadline or not emulator.is_running():
            return False
        time.sleep(0.05)
    return True


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)  # unlike urllib, it uses no proxy
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    return False


def _deploy(aws: AwsSession) -> None:
    """Deploy aws.yaml unless this very text is deployed."""
    template = bundled("aws.yaml").read_text("utf-8")
    digest = hashlib.sha256(template.encode()).hexdigest()
    deployed = HOME / "deployed"
    if deployed.exists() and deployed.read_text("ascii") == digest and _is_complete(aws):
        return
    try:
        with user_errors("the local emulator"):
            deploy(aws, template)
    except UserError as problem:
        raise UserError(str(problem)) from None  # without its cause it is a permanent error, and no outage
    if not _is_complete(aws):
        raise UserError(f"The local emulator deployed aws.yaml in part only. Its log is {HOME / 'emulator.log'}")
    deployed.write_text(digest, "ascii")


def deploy(aws: AwsSession, template: str) -> None:
    """Create the stack `lab2` from `template`, around the bucket if there is one, or update it."""
    stacks = aws.cloudformation
    request: dict[str, Any] = {"StackName": STACK, "TemplateBody": template, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
    if Stack(aws).status():
        with suppress(stacks.exceptions.ClientError):  # there is nothing to update
            stacks.update_stack(**request)
    elif aws.has_bucket(aws.bucket):
        _import_bucket(aws)
        stacks.update_stack(**request)
    else:
        stacks.create_stack(**request)
    _wait_for_stack(aws)


def _import_bucket(aws: AwsSession) -> None:
    """Create a stack of the existing bucket alone."""
    bucket = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "Properties": {"BucketName": aws.bucket}}
    aws.cloudformation.create_change_set(
        StackName=STACK,
        ChangeSetName="bucket",
        ChangeSetType="IMPORT",
        TemplateBody=json.dumps({"Resources": {"Bucket": bucket}}),
        ResourcesToImport=[
            {
                "ResourceType": "AWS::S3::Bucket",
                "LogicalResourceId": "Bucket",
                "ResourceIdentifier": {"BucketName": aws.bucket},
            }
        ],
    )
    aws.cloudformation.execute_change_set(StackName=STACK, ChangeSetName="bucket")
    _wait_for_stack(aws)


def _wait_for_stack(aws: AwsSession) -> None:
    """Return as soon as the stack is deployed; UserError if that fails."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while (status := Stack(aws).status()) not in DEPLOYED:
        if time.monotonic() > deadline or not status.endswith("_IN_PROGRESS"):
            raise UserError(
                f"The local emulator did not deploy aws.yaml ({status}). Pictures and labels are kept. Compare "
                f"aws.yaml with the original; the emulator's log is {HOME / 'emulator.log'}"
            )
        time.sleep(0.02)


def _is_complete(aws: AwsSession) -> bool:
    """Return whether the bucket and all queues are there."""
    queues = aws.queue_urls(REQUEST_QUEUE) or ()
    return {REQUEST_QUEUE, ANSWER_QUEUE, DEAD_LETTER_QUEUE} <= set(queues) and bool(aws.has_bucket(aws.bucket))
