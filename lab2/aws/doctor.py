"""Whether this machine can use lab2 on AWS, checked piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from lab2.aws.failures import user_errors
from lab2.aws.network import check_subnets
from lab2.aws.resources import ANSWER_QUEUE, DEAD_LETTER_QUEUE, DEPLOY, IMAGE_PREFIX, LOG_PREFIX, REQUEST_QUEUE
from lab2.aws.session import AwsSession
from lab2.aws.stack import Stack
from lab2.errors import UserError


@dataclass(frozen=True, slots=True)
class Finding:
    """What was checked, whether it is all right, and what was found: a value, or a sentence with the remedy."""

    what: str
    well: bool
    found: str


def examine(aws: AwsSession) -> Iterator[Finding]:
    """Yield a finding for each thing that lab2 needs, changing nothing; without credentials, only that."""
    caller = _look("credentials", partial(_caller, aws))
    yield caller
    if not caller.well:
        return
    yield _look("region", lambda: aws.region)
    stack = _look("stack", partial(_stack, aws))
    yield stack
    if stack.well and (subnets := Stack(aws).parameters().get("Subnets")):
        yield _look("network of the machines", partial(check_subnets, aws, subnets.split(",")))
    for name in (REQUEST_QUEUE, ANSWER_QUEUE, DEAD_LETTER_QUEUE):
        yield _look(f"queue {name}", partial(aws.queue_url, name))
    yield _look("bucket", partial(_bucket, aws))
    yield _look("log, as the server", partial(_listed, aws, LOG_PREFIX))
    yield _look("pictures, as a labeller", partial(_listed, aws, IMAGE_PREFIX))


def _look(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except UserError as problem:
        return Finding(what, False, str(problem))


def _caller(aws: AwsSession) -> str:
    with user_errors():
        return str(aws.client("sts").get_caller_identity()["Arn"])


def _stack(aws: AwsSession) -> str:
    status = Stack(aws).status()
    if not status.endswith("_COMPLETE") or "ROLLBACK" in status or status.startswith("DELETE"):
        raise UserError(f"{status or 'There is none'}. Deploy it with: {DEPLOY}")
    return status


def _bucket(aws: AwsSession) -> str:
    """Return the bucket's name and owner; S3 refuses the call if that is another account."""
    with user_errors(f"bucket {aws.bucket}"):
        aws.s3.get_bucket_location(Bucket=aws.bucket, ExpectedBucketOwner=aws.account)
    return f"{aws.bucket}, of this account"


def _listed(aws: AwsSession, prefix: str) -> str:
    aws.check_bucket(prefix)
    return f"{prefix} can be listed"
