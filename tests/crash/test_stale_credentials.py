"""A credential provider that hands out expired credentials for some seconds: all three programs go through it."""

from __future__ import annotations

import json
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.labeller import piped, rows
from support.world import PATIENCE, World, until


@pytest.fixture
def provider(world: World) -> Path:
    """The file of a `credential_process` by which the programs of this world sign in; it says how long they hold."""
    answer = world.home / "answer.json"
    config = world.home / "config"
    process = f"{sys.executable} -c \"print(open('{answer}').read())\""
    config.write_text(f"[default]\ncredential_process = {process}\n")
    keys = {name: world.env.pop(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    world.env |= {"AWS_CONFIG_FILE": str(config), "LAB2_BUCKET": world.aws.bucket}
    (world.home / "keys").write_text(json.dumps(keys))
    return answer


def hand_out(world: World, provider: Path, hours: float) -> None:
    keys = json.loads((world.home / "keys").read_text())
    expiration = (datetime.now(timezone.utc) + timedelta(hours=hours)).isoformat()
    answer = {"Version": 1, "AccessKeyId": keys["AWS_ACCESS_KEY_ID"], "SecretAccessKey": keys["AWS_SECRET_ACCESS_KEY"]}
    provider.write_text(json.dumps(answer | {"SessionToken": "t", "Expiration": expiration}))


def test_server_and_client_wait_for_fresh_credentials(world: World, provider: Path) -> None:
    hand_out(world, provider, -1)
    server = world.start("server.py")
    client = world.start("client.py", "--client", "me@here", "3", "5.5", "8")
    assert server.stderr and client.stderr
    for program in (server, client):
        line = program.stderr.readline()
        assert "Connecting fails" in line and "credentials can't be fetched" in line
    hand_out(world, provider, 1)
    output, errors = client.communicate(timeout=PATIENCE)
    assert client.returncode == 0 and "Traceback" not in errors
    assert output.splitlines()[-1].split() == ["1", "3", "5.5", "8", "5.5", "5.5", "8", "3"]
    assert server.poll() is None
    assert "Connecting works again" in server.stderr.readline()


def test_a_labeller_waits_for_fresh_credentials_and_saves_every_label(samples: World, provider: Path) -> None:
    hand_out(samples, provider, -1)
    threading.Timer(3, hand_out, (samples, provider, 1)).start()
    code, output, errors = piped(samples, "label", typed="1\n0\n1\n0\n")
    assert code == 0 and "4 labels safe in S3" in output
    assert "Connecting fails" in errors and "credentials can't be fetched" in errors and "Traceback" not in errors
    until(lambda: len(rows(samples)) == 4)
