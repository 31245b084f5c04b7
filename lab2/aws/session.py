"""Names on AWS, the flags that every program has, and the boto3 clients made from them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import cached_property

from lab2 import __version__
from lab2.terminal import printable

TYPE_CHECKING = False  # as typing has it, which takes a tenth of the client's start
if TYPE_CHECKING:
    from typing import Any, NoReturn

    import boto3

REQUESTS = "lab2"
ANSWERS = "lab2_1"
DEAD_LETTERS = "lab2_dead"
LOG = "log/"
IMAGES = "underbase/"
LABELS = "underbase.csv"

DEPLOY = "aws cloudformation deploy --stack-name lab2 --template-file aws.yaml --capabilities CAPABILITY_NAMED_IAM"


class Problem(Exception):
    """Something the user can put right: the message says what happened and what to do."""

    def __str__(self) -> str:
        return "\n".join(map(printable, super().__str__().split("\n")))


class Parser(argparse.ArgumentParser):
    """A parser that does not print raw what looks like an option and is the name of a file."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that all three programs share."""
    parser.add_argument("--local", action="store_true", help="use AWS emulated on this machine; no account needed")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")


def add_bucket_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bucket", default=os.environ.get("LAB2_BUCKET"),
                        help="S3 bucket (default: $LAB2_BUCKET, else lab2-<account>-<region>)")  # fmt: skip


class Cloud:
    """One AWS account and region: the queues and the bucket in it, as boto3 clients.

    `connections` is how many requests one client may have under way at once.
    """

    def __init__(self, bucket_name: str | None = None, connections: int = 10) -> None:
        self.bucket_name, self.connections = bucket_name, connections

    @cached_property
    def session(self) -> boto3.Session:
        import boto3  # takes 0.2 s: not before somebody needs it

        with explained():
            return boto3.Session(region_name=os.environ.get("AWS_REGION"))

    @cached_property
    def region(self) -> str:
        if region := self.session.region_name:
            return str(region)
        raise Problem("No AWS region is set. Try: export AWS_REGION=eu-west-3, or --local for no AWS at all.")

    @cached_property
    def sqs(self) -> Any:
        return self._client("sqs")

    @cached_property
    def s3(self) -> Any:
        return self._client("s3")

    @cached_property
    def cloudwatch(self) -> Any:
        return self._client("cloudwatch")

    @cached_property
    def bucket(self) -> str:
        if self.bucket_name:
            return self.bucket_name
        with explained():
            account = self._client("sts").get_caller_identity()["Account"]
        return f"lab2-{account}-{self.region}"

    def queue_url(self, name: str) -> str:
        """Return the URL of the queue; Problem where it is missing or closed to us."""
        with explained(f"queue {name}"):
            return str(self.sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def check_bucket(self, prefix: str) -> None:
        """Problem unless the bucket is there and `prefix` in it can be listed by us."""
        with explained(f"bucket {self.bucket}"):
            self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=1)

    def _client(self, service: str) -> Any:
        try:
            with explained():
                return self._new_client(service)
        except ValueError as error:  # so botocore says that an endpoint is no URL
            raise Problem(f"AWS can't be asked: {error}. Check AWS_ENDPOINT_URL.") from None

    def _new_client(self, service: str) -> Any:
        from botocore.config import Config

        from lab2.aws.sqs_transport import shorten

        client = self.session.client(
            service,
            region_name=self.region,
            config=Config(
                connect_timeout=5,
                # Above a long poll, below the queue's visibility time-out: a request that hangs is
                # given up while the messages in it are still ours.
                read_timeout=30,
                retries={"mode": "standard", "total_max_attempts": 3},
                max_pool_connections=self.connections,
                s3={"addressing_style": "path"} if os.environ.get("AWS_ENDPOINT_URL") else None,
                parameter_validation=False,  # AWS validates too; a twentieth of the CPU time of a call
            ),
        )
        _freeze_user_agent(client)
        if service == "sqs":
            shorten(client, self.session.get_credentials())
        return client


def _freeze_user_agent(client: Any) -> None:
    """Build the User-Agent header once and not twice a call: a fifth of a call's CPU time (botocore 1.43)."""
    if creator := getattr(client, "_user_agent_creator", None):
        agent = creator.to_string()
        event = f"request-created.{client.meta.service_model.service_id.hyphenize()}"
        client.meta.events.unregister(event, creator.rebuild_and_replace_user_agent_handler)
        creator.to_string = lambda: agent


class explained:
    """Context in which what botocore raises comes out as a Problem: one sentence for the user."""

    def __init__(self, what: str = "AWS") -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and (sentence := explain(error, self.what)):
            raise Problem(sentence) from error


def explain(error: BaseException, what: str = "AWS") -> str | None:
    """Say in one sentence what went wrong with `what` and what to do; None if it is not AWS's doing."""
    from botocore import exceptions as aws

    if isinstance(error, aws.ClientError):
        code = error_code(error)
        if code in ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "NoSuchBucket"):
            return f"There is no {what} in this account and region. Deploy it with: {DEPLOY}"
        if code in ("AccessDenied", "AccessDeniedException", "403"):
            return f"Access to {what} is denied. Attach this program's policy: aws.yaml makes it, its Outputs name it."
        if code in ("ExpiredToken", "ExpiredTokenException", "RequestExpired"):
            return "The AWS credentials have expired. Sign in again, for example: aws sso login"
        if code in ("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId",
                    "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure"):  # fmt: skip
            return "AWS does not know these credentials. Check with: aws sts get-caller-identity"
        message = error.response.get("Error", {}).get("Message", "")
        return f"AWS refused {what}: {code}: {message}".rstrip(": ")
    if isinstance(error, (aws.NoCredentialsError, aws.PartialCredentialsError, aws.ProfileNotFound,
                          aws.CredentialRetrievalError, aws.TokenRetrievalError)):  # fmt: skip
        return f"No usable AWS credentials ({error}). Try: aws configure, or --local for no AWS at all."
    if isinstance(error, aws.NoRegionError):
        return "No AWS region is set. Try: export AWS_REGION=eu-west-3, or --local for no AWS at all."
    if isinstance(error, (aws.HTTPClientError, aws.ConnectionError)):
        return f"AWS can't be reached for {what}. Check the network and AWS_ENDPOINT_URL, then try again."
    if isinstance(error, aws.BotoCoreError):
        return f"AWS could not be asked for {what}: {error}"
    return None


def error_code(error: BaseException) -> str:
    """Return AWS's code of a botocore ClientError, '' for anything else."""
    response = getattr(error, "response", None)  # which errors of the connection have too, and it is None
    return str(response.get("Error", {}).get("Code", "")) if response else ""


def run(main: Callable[[], int]) -> NoReturn:
    """Run a program: exit code from main, one sentence on stderr for a Problem, 130 for Ctrl-C."""
    try:
        code = main()
        sys.stdout.flush()
    except Problem as problem:
        print(problem, file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # whoever read our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)
