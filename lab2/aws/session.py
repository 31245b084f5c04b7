"""Names on AWS, the flags that every program has, and the boto3 clients made from them."""

from __future__ import annotations

import os
from functools import cached_property

from lab2.aws.errors import DENIED_CODES, error_code, user_errors
from lab2.errors import UserError

TYPE_CHECKING = False  # as typing has it, which takes a tenth of the client's start
if TYPE_CHECKING:
    from typing import Any

    import boto3
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_s3 import S3Client
    from types_boto3_sqs import SQSClient


class AwsSession:
    """One AWS account and region: the queues and the bucket in it, as boto3 clients.

    `connections` is how many requests one client may have under way at once.
    """

    def __init__(self, bucket_name: str | None = None, connections: int = 10) -> None:
        self.bucket_name, self.connections = bucket_name, connections

    @cached_property
    def boto3_session(self) -> boto3.Session:
        import boto3  # takes 0.2 s: not before somebody needs it

        with user_errors():
            return boto3.Session(region_name=os.environ.get("AWS_REGION"))

    @cached_property
    def region(self) -> str:
        if region := self.boto3_session.region_name:
            return str(region)
        raise UserError("No AWS region is set. Try: export AWS_REGION=eu-west-3, or --local for no AWS at all.")

    @cached_property
    def sqs(self) -> SQSClient:
        client: SQSClient = self._client("sqs")
        return client

    @cached_property
    def s3(self) -> S3Client:
        client: S3Client = self._client("s3")
        return client

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        client: CloudWatchClient = self._client("cloudwatch")
        return client

    @cached_property
    def bucket(self) -> str:
        if self.bucket_name:
            return self.bucket_name
        with user_errors():
            account = self._client("sts").get_caller_identity()["Account"]
        return f"lab2-{account}-{self.region}"

    def queue_url(self, name: str) -> str:
        """Return the URL of the queue; UserError where it is missing or closed to us."""
        with user_errors(f"queue {name}"):
            return str(self.sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def queue_urls(self, prefix: str) -> dict[str, str] | None:
        """Return the URLs of the queues whose names start so, by name, 1,000 at most; None where listing is denied."""
        try:
            with user_errors(f"queues {prefix}*"):
                urls = self.sqs.list_queues(QueueNamePrefix=prefix).get("QueueUrls", [])
        except UserError as problem:
            if error_code(problem.__cause__ or problem) in DENIED_CODES:
                return None
            raise
        return {url.rpartition("/")[2]: url for url in urls}

    def check_bucket(self, prefix: str) -> None:
        """Problem unless the bucket is there and `prefix` in it can be listed by us."""
        with user_errors(f"bucket {self.bucket}"):
            self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=1)

    def _client(self, service: Any) -> Any:
        try:
            with user_errors():
                return self._new_client(service)
        except ValueError as error:  # so botocore says that an endpoint is no URL
            raise UserError(f"AWS can't be asked: {error}. Check AWS_ENDPOINT_URL.") from None

    def _new_client(self, service: Any) -> Any:
        from botocore.config import Config

        from lab2.aws.sqs_transport import shorten

        client = self.boto3_session.client(
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
            shorten(client, self.boto3_session.get_credentials())
        return client


def _freeze_user_agent(client: Any) -> None:
    """Build the User-Agent header once and not twice a call: a fifth of a call's CPU time (botocore 1.43)."""
    if creator := getattr(client, "_user_agent_creator", None):
        agent = creator.to_string()
        event = f"request-created.{client.meta.service_model.service_id.hyphenize()}"
        client.meta.events.unregister(event, creator.rebuild_and_replace_user_agent_handler)
        creator.to_string = lambda: agent
