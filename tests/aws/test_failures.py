"""Every way in which AWS, the network or the settings can say no is one sentence that says what to do."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from botocore import exceptions
from support.proxy import Fault, Proxy
from support.world import PATIENCE, ROOT, World

from lab2.aws.failures import BY_NAME, FAILURES, explain
from lab2.aws.session import AwsSession
from lab2.errors import UserError


def said(call: Callable[..., object], *arguments: Any) -> str:
    with pytest.raises(UserError) as raised:
        call(*arguments)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def dated(headers: dict[str, str] | timedelta) -> dict[str, str]:
    """Return these headers, or the Date of an AWS whose clock is so far ahead of ours."""
    if not isinstance(headers, timedelta):
        return headers
    now = datetime.now(timezone.utc) + timedelta(seconds=20)  # so that a slow machine rounds to the same minute
    return {"Date": format_datetime(now + headers, usegmt=True)}


ELSEWHERE = "bucket mine is in another AWS region: eu-west-3. Try: --region eu-west-3, or export AWS_REGION=eu-west-3"
EXPIRED = "Signature expired: 20261125T120000Z is now earlier than 20261125T130000Z (20261125T131500Z - 15 min.)"
EARLY = "Signature not yet current: 20261125T120000Z is still later than 20261125T110000Z (20261125T104500Z + 15 min.)"

Case = tuple[int, str, dict[str, str], dict[str, str] | timedelta, str]
# Status, code, what else is in the answer, its headers or how far its clock is ahead; what the sentence has in it.
OF_S3: dict[str, Case] = {
    "slow clock": (403, "RequestTimeTooSkewed", {}, timedelta(hours=2, minutes=5), "clock is 2 h 5 min behind AWS's"),
    "fast clock": (403, "RequestTimeTooSkewed", {}, timedelta(minutes=-20), "clock is 20 min ahead of AWS's"),
    "no date": (403, "RequestTimeTooSkewed", {}, {}, "clock is wrong"),
    "redirect": (301, "PermanentRedirect", {"Endpoint": "mine.s3.eu-west-3.amazonaws.com"}, {}, ELSEWHERE),
    "redirect, header": (301, "PermanentRedirect", {}, {"x-amz-bucket-region": "eu-west-3"}, ELSEWHERE),
    "location": (400, "IllegalLocationConstraintException", {"Message": "The eu-west-3 location constraint is "
                 "incompatible for the region specific endpoint this request was sent to."}, {}, ELSEWHERE),
    "malformed": (400, "AuthorizationHeaderMalformed", {"Message": "The authorization header is malformed; the region "
                  "'us-east-1' is wrong; expecting 'eu-west-3'", "Region": "eu-west-3"}, {}, ELSEWHERE),
    "someone else's": (403, "AccessDenied", {}, {}, "If it is not your stack's bucket, check --bucket and LAB2_BUCKET"),
    "denied by an organisation": (403, "AccessDenied", {"Message": "User: arn:aws:iam::1:user/x is not authorized to "
                                  "perform: s3:ListBucket with an explicit deny in a service control policy"}, {},
                                  "denied by an explicit deny in a policy"),
    "missing": (404, "NoSuchBucket", {}, {}, "There is no bucket mine. Check --bucket and LAB2_BUCKET"),
    "wrong secret": (403, "SignatureDoesNotMatch", {}, timedelta(), "the secret key does not belong to the access key"),
    "wrong secret, wrong clock": (403, "SignatureDoesNotMatch", {}, timedelta(days=3), "clock is 3 days behind"),
    "wrong key": (403, "InvalidAccessKeyId", {}, {}, "AWS does not know these credentials"),
    "expired": (400, "ExpiredToken", {}, timedelta(), "Sign in again, for example: aws sso login"),
    "region not enabled": (403, "OptInRequired", {"Message": "You are not subscribed."}, {}, "can't use us-east-1 yet"),
    "KMS": (403, "KMS.DisabledException", {}, {}, "KMS key"),
    "overload": (503, "SlowDown", {}, {}, "AWS is busy or has a fault (SlowDown for bucket mine)"),
    "something new": (400, "Strange", {"Message": "A new thing."}, {}, "AWS refused bucket mine: Strange: A new thing"),
}  # fmt: skip
OF_SQS: dict[str, Case] = {
    "slow clock": (
        403,
        "SignatureDoesNotMatch",
        {"Message": EXPIRED},
        timedelta(hours=1),
        "clock is 1 h 0 min behind AWS's",
    ),
    "fast clock": (
        400,
        "InvalidSignatureException",
        {"Message": EARLY},
        timedelta(hours=-1),
        "1 h 0 min ahead of AWS's",
    ),
    "expired": (403, "ExpiredToken", {}, timedelta(), "credentials have expired"),
    "denied": (403, "AccessDeniedException", {}, {}, "Access to queue lab2 is denied. Attach this program's policy"),
    "missing": (400, "QueueDoesNotExist", {}, {}, "There is no queue lab2 in this account and region. Deploy it with:"),
    "unknown": (403, "InvalidClientTokenId", {}, {}, "AWS does not know these credentials"),
}


@pytest.mark.parametrize("case", OF_S3)
def test_what_s3_refuses_is_a_sentence(proxied: World, proxy: Proxy, case: str) -> None:
    status, code, details, headers, expected = OF_S3[case]
    fault = Fault(refuse=(status, code), details=details, headers=dated(headers))
    for operation in ("ListObjectsV2", "HeadObject"):  # botocore asks by HEAD where the bucket is
        proxy.on(operation, fault, times=9)
    assert expected in said(AwsSession("mine").check_bucket, "log/")


@pytest.mark.parametrize("case", OF_SQS)
def test_what_sqs_refuses_is_a_sentence(proxied: World, proxy: Proxy, case: str) -> None:
    status, code, details, headers, expected = OF_SQS[case]
    proxy.on("GetQueueUrl", Fault(refuse=(status, code), details=details, headers=dated(headers)), times=9)
    assert expected in said(proxied.aws.queue_url, "lab2")


KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
SSO = "[profile ada]\nsso_session=s\nsso_account_id=123456789012\nsso_role_name=r\n"
SSO_SESSION = "[sso-session s]\nsso_region=eu-west-3\nsso_start_url=https://x.awsapps.com/start\n"
OLD_SSO = (
    "[profile ada]\nsso_start_url=https://x.awsapps.com/start\nsso_region=eu-west-3\n"
    "sso_account_id=123456789012\nsso_role_name=r\n"
)
ROLE = "[profile ada]\nrole_arn=arn:aws:iam::123456789012:role/x\nsource_profile=b\n"
SOURCE = "[profile b]\naws_access_key_id=a\naws_secret_access_key=b\n"
PROCESS = "[default]\ncredential_process="

# The configuration file, the variables, and what the sentence has in it.
SETTINGS: dict[str, tuple[str, dict[str, str], str]] = {
    "no region": ("", KEYS | {"AWS_REGION": ""}, "No AWS region is set"),
    "no such region": ("", KEYS | {"AWS_REGION": "eu west"}, "eu west is not an AWS region"),
    "nobody": ("", {}, "There are no AWS credentials. Try: aws configure"),
    "no such profile": ("", {"AWS_PROFILE": "ada"}, "There is no AWS profile ada. Check --profile or AWS_PROFILE"),
    "half a key": ("", {"AWS_ACCESS_KEY_ID": "a"}, "missing: AWS_SECRET_ACCESS_KEY"),
    "SSO": (SSO + SSO_SESSION, {"AWS_PROFILE": "ada"}, "Sign in again: aws sso login --profile ada"),
    "old SSO": (OLD_SSO, {"AWS_PROFILE": "ada"}, "Sign in again: aws sso login --profile ada"),
    "no SSO session": (SSO, {"AWS_PROFILE": "ada"}, 'sso-session does not exist: "s". Check the options'),
    "MFA": (ROLE + "mfa_serial=arn:aws:iam::1:mfa/x\n" + SOURCE, {"AWS_PROFILE": "ada"},
            'eval "$(aws configure export-credentials --profile ada --format env)"'),
    "MFA of its source": (ROLE + SOURCE + "role_arn=arn:aws:iam::123456789012:role/y\nsource_profile=b\n"
                          "mfa_serial=arn:aws:iam::1:mfa/x\n", {"AWS_PROFILE": "ada"}, "requires an MFA code"),
    "a role of nobody": (ROLE, {"AWS_PROFILE": "ada"}, 'source_profile "b" referenced in the profile "ada" does not'),
    "not a file": ("[default\n", KEYS, "Unable to parse config file"),
    "no such process": (PROCESS + "/nowhere/x", {}, "No such file or directory: '/nowhere/x'"),
    "a process that talks": (PROCESS + "/bin/echo x", {}, "The AWS credentials can't be fetched"),
    "a process that fails": (PROCESS + "/bin/false", {}, "The AWS credentials can't be fetched"),
    "no token": ("", {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x"},
                 "No such file or directory: '/nowhere'"),
    "no container": ("", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/"}, "credentials can't be fetched"),
    "an endpoint that is none": ("", KEYS | {"AWS_ENDPOINT_URL": "there"}, "Invalid endpoint: there"),
    "nothing there": ("", KEYS, "AWS can't be reached for queue lab2 at 127.0.0.1:9"),
    "no proxy": ("", KEYS | {"AWS_ENDPOINT_URL": "https://sqs.invalid", "HTTPS_PROXY": "http://127.0.0.1:9"},
                 "The proxy http://127.0.0.1:9 can't be reached"),
    "a setting that is none": ("", KEYS | {"AWS_RESPONSE_CHECKSUM_VALIDATION": "x"}, "configuration can't be used"),
}  # fmt: skip


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_that_lead_nowhere_are_a_sentence(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration, variables, expected = SETTINGS[case]
    config = tmp_path / "config"
    config.write_text(configuration)
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", *KEYS):
        monkeypatch.delenv(name, raising=False)
    common = {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "HOME": str(tmp_path),
              "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "eu-west-3",
              "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}  # fmt: skip
    for name, value in (common | variables).items():
        monkeypatch.setenv(name, value)
    assert expected in said(AwsSession().queue_url, "lab2")


def test_a_role_that_may_not_be_assumed_is_a_sentence(
    proxied: World, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(ROLE + SOURCE)
    for name in KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "ada")
    message = "User: arn:aws:iam::1:user/b is not authorized to perform: sts:AssumeRole"
    proxy.on("Query", Fault(refuse=(403, "AccessDenied"), details={"Message": message}), times=9)
    assert said(AwsSession().queue_url, "lab2") == f"The AWS profile ada may not assume its role: {message}"


def test_every_error_that_botocore_knows_is_one_sentence() -> None:
    kinds = [kind for kind in vars(exceptions).values() if isinstance(kind, type)]
    kinds = [kind for kind in kinds if issubclass(kind, exceptions.BotoCoreError)]
    assert len(kinds) > 90
    for kind in kinds:
        names = {name for _, name, _, _ in Formatter().parse(kind.fmt) if name}
        arguments: dict[str, Any] = {name: f"a\n{name}" for name in names | {"error"}}
        error = kind("a", "b", None) if kind is exceptions.WaiterError else kind(**arguments)
        sentence = explain(error, "bucket mine")
        assert sentence and re.fullmatch(r"[ -~]+", sentence) and "{" not in sentence, kind


def test_every_code_s_sentence_can_be_said_of_an_answer_that_has_the_code_alone() -> None:
    assert len(BY_NAME) == sum(len(failure.names.split()) for failure in FAILURES)  # none stands in two rows
    for code in [*BY_NAME, "Unheard"]:
        sentence = explain(exceptions.ClientError({"Error": {"Code": code}}, "ListObjectsV2"), "bucket mine")
        assert sentence and "{" not in sentence


def test_a_program_ends_with_the_sentence_and_nothing_else(world: World) -> None:
    done = subprocess.run([sys.executable, ROOT / "server.py", "status"], env=world.env | {"AWS_PROFILE": "nobody"},
                          capture_output=True, text=True, timeout=PATIENCE)  # fmt: skip
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith("There is no AWS profile nobody.")


@pytest.mark.parametrize(("number", "code"), [("TERM", 143), ("INT", 130)])
def test_a_signal_while_credentials_are_fetched_ends_the_program(world: World, number: str, code: int) -> None:
    config = world.home / "config"
    config.write_text(f'[default]\ncredential_process = sh -c "kill -{number} $PPID; sleep 1"\n')
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del world.env[name]
    program = world.start("server.py", env={"AWS_CONFIG_FILE": str(config)})
    output, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, output, errors) == (code, "", "")
