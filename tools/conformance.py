"""Run tests/conformance against others' AWS: `make conformance`, or `make conformance ENDPOINT=...`.

Without ENDPOINT, against the emulator of the tests, and against a second implementation that shares no line with it: S3
by SeaweedFS, over TLS with an authority of its own, and SQS by moto, both in `.conformance/`. ENDPOINT is a URL, or the
word `aws` for AWS itself; whoever calls is asked for by the ordinary variables. With the word `stores`, each server of
tools/stores.py is tried, and docs/reference/stores.md written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
import trustme
from botocore.config import Config
from botocore.exceptions import ClientError
from support.guards import Guards
from support.world import PATIENCE, ROOT, start_emulator, until

from tools.stores import HERE, MOTO, QUEUES, SEAWEEDFS_PACKAGE, STORES, Other, running

REGION = "us-east-1"
ALL_RIGHTS = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
NO_LACKS = {"LAB2_CONFORMANCE": "1", "LAB2_CONFORMANCE_LACKS": ""}
# Two to four writers that complete an upload on the same ETag within some milliseconds are all told that they did.
SEAWEEDFS = NO_LACKS | {"LAB2_CONFORMANCE_LACKS": "races of uploads in parts"}
BUCKET = "conformance"
ROUNDS = 200
ALL_WON = "one winner"
PAGE = ROOT / "docs" / "reference" / "stores.md"
PAGE_TEXT = """\
# Other stores

From `make conformance ENDPOINT=stores`: eight writers race {rounds} times. Stores that ignore a condition are refused.
On others each write is read back; label files are put whole, up to 32 MiB. Try yours:
`make conformance ENDPOINT=URL`.

|store|ignores|PUTs|uploads|writers|
|---|---|---|---|---|
{stores}

|queue server|sent time, asked by|MD5|receipt named twice|
|---|---|---|---|
{queues}
"""


def main() -> int:
    if sys.argv[1:] == ["stores"]:
        return write_table()
    if len(sys.argv) > 1:
        endpoint = {} if sys.argv[1] == "aws" else {"AWS_ENDPOINT_URL": sys.argv[1]}
        return run(sys.argv[1], endpoint | NO_LACKS | {"LAB2_CONFORMANCE_ROUNDS": str(ROUNDS)})
    with tempfile.TemporaryDirectory() as folder, second(Path(folder)) as elsewhere:
        return run("ministack", {}) or run(f"S3 by {SEAWEEDFS_PACKAGE}, SQS by {MOTO}", elsewhere | SEAWEEDFS)


def run(name: str, environment: dict[str, str]) -> int:
    """Run the suite in an environment; return pytest's exit code."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "-rxX", "--timeout", "600", "tests/conformance"]
    code = subprocess.run(command, cwd=ROOT, env=os.environ | environment).returncode
    print(f"conformance of {name}: {'failed' if code else 'passed'}", flush=True)
    return code


@contextmanager
def second(home: Path) -> Iterator[dict[str, str]]:
    """Context in which SeaweedFS and moto run; yields the environment that leads to them."""
    authority = trustme.CA()
    certificate = authority.issue_cert(HERE)
    authority.cert_pem.write_to_path(str(home / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(home / "key.pem"))
    (home / "cert.pem").write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    # After so many calls, of which three are new_user's, moto wants to know who asks, and checks signatures.
    moto = STORES[1]._replace(environment=(("INITIAL_NO_AUTH_ACTION_COUNT", "4"),))
    tls = f" -s3.config={home}/s3.json -s3.cert.file={home}/cert.pem -s3.key.file={home}/key.pem"
    seaweedfs = STORES[0]._replace(command=STORES[0].command + tls)
    with running(moto, home / "moto") as sqs:
        key, secret = new_user(sqs)
        credentials = [{"accessKey": key, "secretKey": secret}]
        user = {"name": "lab2", "actions": ["Admin"], "credentials": credentials}
        (home / "s3.json").write_text(json.dumps({"identities": [user]}))
        with running(seaweedfs, home / "seaweedfs", "https") as s3:
            yield {
                "AWS_REGION": REGION,
                "AWS_ACCESS_KEY_ID": key,
                "AWS_SECRET_ACCESS_KEY": secret,
                "AWS_ENDPOINT_URL": sqs,
                "AWS_ENDPOINT_URL_S3": s3,
                "AWS_CA_BUNDLE": str(home / "ca.pem"),
            }


def new_user(url: str) -> tuple[str, str]:
    """Make a user with all rights; return its access key and secret."""
    anybody = boto3.Session("nobody", "nothing", region_name=REGION)
    iam = anybody.client("iam", endpoint_url=url, config=Config(proxies={}))
    iam.create_user(UserName="lab2")
    iam.put_user_policy(UserName="lab2", PolicyName="all", PolicyDocument=json.dumps(ALL_RIGHTS))
    key = iam.create_access_key(UserName="lab2")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def write_table() -> int:
    """Try every store and queue server of tools/stores.py, and write what each guards to docs/reference/stores.md."""
    stores = [row(name, tried_store(url, keys)) for name, url, keys in served(STORES)]
    queues = [row(name, tried_queues(url, keys)) for name, url, keys in served(QUEUES)]
    PAGE.write_text(PAGE_TEXT.format(rounds=ROUNDS, stores="\n".join(stores), queues="\n".join(queues)))
    return 0


def served(others: Iterable[Other]) -> Iterator[tuple[str, str, tuple[str, str]]]:
    """Yield name, URL and keys of ministack and of each of the others, which runs until the next one is asked for."""
    with tempfile.TemporaryDirectory() as folder:
        process, url = start_emulator(Path(folder))
        yield f"ministack {version('ministack')}", url, ("test", "test")
        process.terminate()
        process.wait(PATIENCE)
    for other in others:
        with tempfile.TemporaryDirectory() as folder, running(other, Path(folder)) as url:
            yield other.name, url, other.keys


def tried_store(url: str, keys: tuple[str, str]) -> list[str]:
    """Return what a store ignores, how its races ended, and how many writers it can be trusted with."""
    s3 = client("s3", url, keys)
    until(lambda: made(s3), 2 * PATIENCE)
    guards = Guards(s3, BUCKET, "key")
    ignored = guards.ignored()
    conditions = [name for name in ignored if name in ("If-None-Match", "If-Match")]
    if conditions:
        return [f"`{conditions[0]}`" if len(conditions) == 1 else "both", "", "", "none"]
    puts = race(guards.race_of_puts)
    uploads = "not guarded" if ignored else race(guards.race_of_uploads)
    return ["nothing", puts, uploads, "many" if puts == ALL_WON else "one"]


def race(of: Callable[[], int]) -> str:
    """Let writers race until a round has not one winner; return how that ended."""
    for number in range(ROUNDS):
        if of() != 1:
            return f"lost in round {number + 1}"
        print(end=".", flush=True)
    return ALL_WON


def tried_queues(url: str, keys: tuple[str, str]) -> list[str]:
    """Return whether a queue server says when a message was sent, its MD5, and takes one receipt twice in a batch."""
    sqs = client("sqs", url, keys)
    queue = {"QueueUrl": sqs.create_queue(QueueName="lab2")["QueueUrl"]}
    sqs.send_message(**queue, MessageBody="[1]")
    asked = {"WaitTimeSeconds": 5, "VisibilityTimeout": 0}
    (message,) = sqs.receive_message(**queue, **asked, MessageSystemAttributeNames=["All"])["Messages"]
    new, md5 = "SentTimestamp" in message.get("Attributes", {}), "MD5OfBody" in message
    (message,) = sqs.receive_message(**queue, **asked, AttributeNames=["All"])["Messages"]
    old = "SentTimestamp" in message.get("Attributes", {})
    try:
        entries = [{"Id": id, "ReceiptHandle": message["ReceiptHandle"]} for id in "ab"]
        sqs.delete_message_batch(**queue, Entries=entries)
        twice = "taken"
    except ClientError as error:
        twice = error.response["Error"]["Code"].rpartition(".")[2]
    names = [name for name, known in (("MessageSystemAttributeNames", new), ("AttributeNames", old)) if known]
    return [", ".join(f"`{name}`" for name in names) or "no", "yes" if md5 else "no", twice]


def client(service: Any, url: str, keys: tuple[str, str]) -> Any:
    config = Config(s3={"addressing_style": "path"}, proxies={}, max_pool_connections=16, parameter_validation=False,
                    request_checksum_calculation="when_required")  # fmt: skip
    return boto3.Session(*keys, region_name=REGION).client(service, endpoint_url=url, config=config)


def made(s3: Any) -> bool:
    """Return whether a bucket could be made: a store may not be ready for that when it answers."""
    with suppress(ClientError):
        s3.create_bucket(Bucket=BUCKET)
        return True
    return False


def row(name: str, values: list[str]) -> str:
    print(name, values, flush=True)
    return f"|{name}|{'|'.join(values)}|"


if __name__ == "__main__":
    sys.exit(main())
