"""--profile, --region and --endpoint-url choose what they choose in the AWS CLI, whatever else is set."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.world import PATIENCE, World

from lab2.aws.session import AwsSession
from lab2.cli import server
from lab2.cli.flags import apply_aws_options
from lab2.errors import UserError

CONFIG = """
[default]
region = eu-north-1
[profile ada]
region = eu-west-3
aws_access_key_id = of-ada
aws_secret_access_key = secret
services = hers
[services hers]
sqs =
  endpoint_url = http://127.0.0.1:3
"""


def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, **variables: str) -> AwsSession:
    """Return the AWS session of a server that was started with these flags and variables."""
    (tmp_path / "config").write_text(CONFIG)
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    environment = {"AWS_ACCESS_KEY_ID": "of-the-variable", "AWS_SECRET_ACCESS_KEY": "x"} | variables
    apply_aws_options(server.program("server.py").parse(flags.split()), environment)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return AwsSession()


@pytest.mark.parametrize(
    ("flags", "variables", "key", "region"),
    [
        ("", {}, "of-the-variable", "eu-north-1"),
        ("--profile ada", {}, "of-ada", "eu-west-3"),
        ("--profile ada", {"AWS_DEFAULT_PROFILE": "default", "AWS_PROFILE": "default"}, "of-ada", "eu-west-3"),
        ("--profile ada", {"AWS_REGION": "us-west-2"}, "of-ada", "us-west-2"),  # as in the AWS CLI
        ("--profile ada --region sa-east-1", {"AWS_REGION": "us-west-2"}, "of-ada", "sa-east-1"),
        ("--region sa-east-1", {"AWS_DEFAULT_REGION": "us-west-2"}, "of-the-variable", "sa-east-1"),
        ("", {"AWS_PROFILE": "ada"}, "of-the-variable", "eu-west-3"),
    ],
)
def test_profile_and_region_win_over_variables_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, variables: dict[str, str], key: str, region: str
) -> None:
    aws = session(tmp_path, monkeypatch, flags, **variables)
    assert (aws.credentials.access_key, aws.region) == (key, region)


def test_the_endpoint_of_the_flag_wins_over_those_of_variables_and_of_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:2",
              "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}  # fmt: skip
    aws = session(tmp_path, monkeypatch, "--profile ada --endpoint-url http://127.0.0.1:9", **others)
    assert {client.meta.endpoint_url for client in (aws.sqs, aws.s3, aws.cloudwatch)} == {"http://127.0.0.1:9"}


def test_local_takes_no_aws_settings() -> None:
    options = server.program("server.py").parse(["--local", "--region", "eu-west-3", "--endpoint-url", "http://x"])
    with pytest.raises(UserError, match="--local can't be combined with --endpoint-url, --region"):
        apply_aws_options(options, {})


def test_a_program_finds_aws_by_flags_alone_and_names_a_missing_profile(world: World) -> None:
    (world.home / "config").write_text(
        f"[profile ada]\naws_access_key_id = {world.env['AWS_ACCESS_KEY_ID']}\naws_secret_access_key = x\n"
    )
    flags = ["--endpoint-url", world.env["AWS_ENDPOINT_URL"], "--region", world.env["AWS_REGION"]]
    bare = {"AWS_CONFIG_FILE": str(world.home / "config"), "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_REGION": "", "LAB2_BUCKET": ""}  # fmt: skip
    right, wrong = [world.start("server.py", "status", *flags, "--profile", name, env=bare) for name in ("ada", "eve")]
    output, errors = right.communicate(timeout=PATIENCE)
    assert (right.returncode, errors) == (0, "") and "lab2_dead" in output
    assert "There is no AWS profile eve. Check --profile" in wrong.communicate(timeout=PATIENCE)[1]
