"""One AWS account and region: boto3 clients by the usual AWS settings, or for a fixed endpoint and nothing else."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from lab2.aws import call_log
from lab2.aws.border import Border
from lab2.aws.failures import (
    BAD_CONFIGURATION,
    DENIED_CODES,
    MFA,
    MISSING_BUCKET_CODES,
    NO_CREDENTIALS,
    NO_REGION,
    error_code,
    sentence,
    user_errors,
)
from lab2.aws.once import once
from lab2.aws.s3.conditional_writes import check_conditional_writes
from lab2.aws.s3.free_space import lack_of_space
from lab2.aws.s3.stored_object import StoredObject
from lab2.aws.sqs.message_queue import Queue
from lab2.aws.timeouts import CONNECT_TIMEOUT_S, READ_TIMEOUT_S
from lab2.errors import TryLater, UserError

# boto3, and what our transport needs of botocore, take 0.2 s to import. A session does that when it needs them: by then
# the first prompt or the menu is on the screen.
if TYPE_CHECKING:
    from pathlib import Path

    import boto3
    from botocore.credentials import Credentials
    from botocore.session import Session
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient

    from lab2.aws.s3.whole_objects import WholeObjects
    from lab2.aws.sqs.event_loop import EventLoopQueue, EventLoopTransport
    from lab2.aws.sqs.transport import SqsTransport
    from lab2.aws.sqs.wire import Wire

OWN_NAMESPACE = "-an"  # the end of bucket names that only one account can have
OLDEST_BOTO3 = (1, 36)  # as in pyproject.toml: older ones lack a setting of S3's checksums


class Endpoint(NamedTuple):
    """Where AWS is, and as whom: no variable, profile, configuration file or proxy changes it."""

    url: str
    region: str
    access_key: str
    secret_key: str
    folder: Path  # on this machine, of what is stored there


class AwsSession:
    """One AWS account and region: the queues and the bucket in it, as boto3 clients.

    `connections` is how many requests one client may have under way at once. Without an `endpoint`, the usual AWS
    variables and configuration files apply.
    """

    def __init__(self, bucket_name: str | None = None, connections: int = 10, endpoint: Endpoint | None = None) -> None:
        self.bucket_name = bucket_name or (None if endpoint else os.environ.get("LAB2_BUCKET"))
        self.connections = connections
        self.endpoint = endpoint
        self._store_is_checked = False
        self._distrust: UserError | None = None  # why nothing is written to the bucket

    @once
    def botocore_session(self) -> Session:
        """The session below the boto3 session; UserError if the AWS settings can't be used."""
        from botocore.session import Session

        if self.endpoint:
            return _isolated_session()
        with user_errors():
            core = Session()
            if _asks_for_mfa(core) and getattr(core.get_credentials(), "method", "") == "assume-role":
                raise UserError(sentence(MFA))  # botocore would ask while the program reads from the terminal
            return core

    @once
    def boto3_session(self) -> boto3.Session:
        """The boto3 session; UserError if the AWS settings can't be used."""
        import boto3

        if tuple(map(int, boto3.__version__.split(".")[:2])) < OLDEST_BOTO3:
            oldest = ".".join(map(str, OLDEST_BOTO3))
            raise UserError(f"boto3 {boto3.__version__} is too old. Try: pip install --upgrade 'boto3>={oldest}'")
        core = self.botocore_session
        core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=time_of_reply)
        if self.endpoint:
            endpoint = self.endpoint
            return boto3.Session(endpoint.access_key, endpoint.secret_key, None, endpoint.region, core)
        with user_errors():
            return boto3.Session(region_name=os.environ.get("AWS_REGION"), botocore_session=core)

    @once
    def credentials(self) -> Credentials:
        """The credentials, which refresh themselves; UserError if there are none or they can't be fetched."""
        credentials = self.boto3_session.get_credentials()
        if credentials is None:
            raise UserError(NO_CREDENTIALS)
        credentials.get_frozen_credentials()  # assumes a role now, so that a failure is explained in a sentence
        return credentials

    @once
    def region(self) -> str:
        if region := self.boto3_session.region_name:
            return str(region)
        raise UserError(NO_REGION)

    @once
    def sqs(self) -> SQSClient:
        client: SQSClient = self.client("sqs")
        return client

    @once
    def sqs_transport(self) -> SqsTransport:
        """The hot SQS calls, faster than through the boto3 client."""
        from lab2.aws.sqs.transport import SqsTransport

        return SqsTransport(self._sqs_wire, self.credentials, self._is_direct(self.sqs))

    @once
    def event_loop_transport(self) -> EventLoopTransport:
        """The hot SQS calls in an event loop."""
        from lab2.aws.sqs.event_loop import EventLoopTransport

        return EventLoopTransport(self._sqs_wire, self.credentials, self._is_direct(self.sqs))

    @once
    def _sqs_wire(self) -> Wire:
        from lab2.aws.sqs.wire import Wire

        return Wire(self.sqs, self.botocore_session.user_agent(), self._ca_bundle)

    @property
    def _ca_bundle(self) -> str | None:
        return self.botocore_session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")

    def _is_direct(self, client: Any) -> bool:
        """Return whether calls may go over connections of our own."""
        from lab2.aws.connections import is_proxied

        proxied = not self.endpoint and is_proxied(client.meta.endpoint_url)
        return not proxied and os.environ.get("LAB2_TRANSPORT") != "boto3"

    @once
    def s3(self) -> S3Client:
        client: S3Client = self.client("s3")
        return client

    @once
    def cloudwatch(self) -> CloudWatchClient:
        client: CloudWatchClient = self.client("cloudwatch")
        return client

    @once
    def cloudformation(self) -> CloudFormationClient:
        client: CloudFormationClient = self.client("cloudformation")
        return client

    @once
    def bucket(self) -> str:
        """The name of the bucket: on AWS, the one in the account's own namespace if that exists."""
        if self.bucket_name:
            return self.bucket_name
        with user_errors():
            name = f"lab2-{self.account}-{self.region}"
            if self.endpoint or not self.store_is_aws:
                return name
            own = name + OWN_NAMESPACE
            there = self.has_bucket(own)
            if there is None:  # denied: the policy may name one bucket only, which is then the one that exists
                there = self.has_bucket(name) is False
            return own if there else name

    def has_bucket(self, name: str) -> bool | None:
        """Return whether the account has a bucket of this name; None if we may not know."""
        try:
            with user_errors(f"bucket {name}"):
                self.s3.head_bucket(Bucket=name, ExpectedBucketOwner=self.account)
        except UserError as problem:
            code = error_code(problem.__cause__)
            if code in DENIED_CODES:
                return None
            if code not in MISSING_BUCKET_CODES:
                raise
            return False
        return True

    @once
    def account(self) -> str:
        """The number of the account that the credentials belong to."""
        return str(self.client("sts").get_caller_identity()["Account"])

    def queue(self, name: str) -> Queue:
        """Return the queue of this name; UserError if it is missing or we may not use it."""
        return self.queue_at(self.queue_url(name))

    def queue_at(self, url: str) -> Queue:
        return Queue(self.sqs_transport, url)

    def event_loop_queue(self, url: str) -> EventLoopQueue:
        from lab2.aws.sqs.event_loop import EventLoopQueue

        return EventLoopQueue(self.event_loop_transport, url)

    def queue_url(self, name: str) -> str:
        """Return the URL of the queue; UserError if it is missing or we may not use it."""
        with user_errors(f"queue {name}"):
            return str(self.sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def queue_urls(self, prefix: str) -> dict[str, str] | None:
        """Return up to 1,000 queues whose names start so, as name → URL; None if we may not list them."""
        try:
            with user_errors(f"queues {prefix}*"):
                urls = self.sqs.list_queues(QueueNamePrefix=prefix).get("QueueUrls") or ()
        except UserError as problem:
            if error_code(problem.__cause__) in DENIED_CODES:
                return None
            raise
        return {url.rpartition("/")[2]: url for url in urls}

    @once
    def store_is_aws(self) -> bool:
        """Whether S3 is that of AWS, or behaves the same, like the local emulator."""
        return bool(self.endpoint) or self._is_aws(self.s3)

    def _is_aws(self, client: Any) -> bool:
        if os.environ.get("LAB2_STORE") == "aws":
            return True
        host = urlsplit(client.meta.endpoint_url).hostname or ""
        suffixes = [partition["outputs"] for partition in self.botocore_session.get_data("partitions")["partitions"]]
        return any(host.endswith((f".{each['dnsSuffix']}", f".{each['dualStackDnsSuffix']}")) for each in suffixes)

    @once
    def whole_objects(self) -> WholeObjects:
        """The objects of the bucket, to be read as a whole, faster than through the boto3 client."""
        from lab2.aws.s3.whole_objects import Client, WholeObjects

        client = Client(self.credentials, self.botocore_session.user_agent(), self._ca_bundle)
        return WholeObjects(self.s3, self.bucket, client if self._is_direct(self.s3) else None)

    def stored_object(self, key: str) -> StoredObject:
        """Return the object under a key of the bucket, which grows in a way that is safe on this store."""
        return StoredObject(self.s3, self.bucket, key, in_parts=self.store_is_aws)

    def check_bucket(self, prefix: str) -> None:
        """UserError unless the bucket exists, can be listed under `prefix`, and honours conditional writes."""
        with user_errors(f"bucket {self.bucket}"):
            self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=1)
        self.check_conditional_writes(prefix)

    def check_conditional_writes(self, prefix: str) -> None:
        """UserError if a store other than AWS ignores conditions, which is tried once, on a key under `prefix`."""
        if self._distrust:
            raise self._distrust
        if self._store_is_checked or self.store_is_aws:
            return
        try:
            with user_errors(f"bucket {self.bucket}"):
                check_conditional_writes(self.s3, self.bucket, prefix)
        except UserError as problem:
            if problem.__cause__ is None:  # what the store is like, and not an outage
                self._distrust = problem
            raise
        self._store_is_checked = True

    def client(self, service: Any) -> Any:
        """Return a boto3 client with this session's settings; UserError if they can't be used."""
        try:
            with user_errors():
                return self._new_client(service)
        except (ValueError, OSError) as error:  # an endpoint that is no URL, a credential_process that is not there
            raise UserError(sentence(BAD_CONFIGURATION, error)) from None

    def _new_client(self, service: Any) -> Any:
        from botocore.config import Config

        region = self.region
        _ = self.credentials  # a failure of either is reported before a client is made
        # The buckets of other stores seldom have host names of their own.
        own_endpoint = self.endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        client = self.boto3_session.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint.url if self.endpoint else None,
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                retries={"mode": "standard", "total_max_attempts": 3},
                max_pool_connections=self.connections,
                proxies={} if self.endpoint else None,  # None: by HTTPS_PROXY and NO_PROXY
                s3={"addressing_style": "path"} if own_endpoint else None,
                request_checksum_calculation="when_required",  # Border adds one that every store knows
                parameter_validation=False,  # AWS validates too; a twentieth of the CPU time of a call
            ),
        )
        call_log.watch(client)
        Border(client, owned=service == "s3" and self._is_aws(client))
        if self.endpoint and service == "s3":
            for call in ("PutObject", "UploadPart"):
                client.meta.events.register(f"before-call.s3.{call}", self._require_space)
        return client

    def _require_space(self, **_: object) -> None:
        """TryLater if the disk of the local emulator is full."""
        if self.endpoint and (problem := lack_of_space(self.endpoint.folder)):
            raise TryLater(problem)


def time_of_reply(text: Any) -> datetime:
    """Return the time that a reply names; of a LIST, botocore spends most of its time on asking dateutil."""
    from botocore.utils import parse_timestamp

    if isinstance(text, str) and text.endswith("Z"):
        with suppress(ValueError):
            return datetime.fromisoformat(f"{text[:-1]}+00:00")  # Python 3.10 knows no Z
    time: datetime = parse_timestamp(text)
    return time


def _isolated_session() -> Session:
    """Return a botocore session that reads no variables and no files."""
    from botocore.session import Session

    defaults = {name: (None, None, *rest) for name, (_, _, *rest) in Session.SESSION_VARIABLES.items()}
    empty = (None, None, os.devnull, None)
    return Session(session_vars=defaults | {"config_file": empty, "credentials_file": empty})


def _asks_for_mfa(session: Session) -> bool:
    """Return whether botocore would prompt for the MFA code of the profile, or of a source profile."""
    profiles = session.full_config.get("profiles", {})
    name = session.profile or "default"
    seen = set()
    while name in profiles and name not in seen:
        if "mfa_serial" in profiles[name]:
            return True
        seen.add(name)
        name = profiles[name].get("source_profile")
    return False
