"""The four hot SQS calls over keep-alive connections of our own, for programs with threads.

Anything unusual is left to the boto3 client, which makes that call as if for the first time, with its retries and its
errors: an HTTP error, a throttle, a connection that fails, a network with a proxy. A service whose responses are of
another kind than those of SQS gets all its calls from boto3, the first one twice. `LAB2_TRANSPORT=boto3` leaves every
call to it. With --verbose, each call that is left to boto3 is said.
"""

from __future__ import annotations

from http.client import UnknownProtocol
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lab2.aws.connections import Connections
from lab2.aws.sqs.wire import Wire, left_to_boto3

if TYPE_CHECKING:
    from botocore.credentials import Credentials


class SqsTransport:
    """Calls that take and return what those of the boto3 client of the same names do. Thread-safe.

    Where it is not `direct`, boto3 makes all of them.
    """

    def __init__(self, wire: Wire, credentials: Credentials, direct: bool) -> None:
        self.wire = wire
        self._credentials = credentials
        self._connections = Connections(wire.endpoint, wire.ca_bundle) if direct else None

    def receive_message(self, **fields: Any) -> dict[str, Any]:
        return self._call("receive_message", fields)

    def send_message_batch(self, **fields: Any) -> dict[str, Any]:
        return self._call("send_message_batch", fields)

    def delete_message_batch(self, **fields: Any) -> dict[str, Any]:
        return self._call("delete_message_batch", fields)

    def change_message_visibility_batch(self, **fields: Any) -> dict[str, Any]:
        return self._call("change_message_visibility_batch", fields)

    def _call(self, method: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the reply of SQS. What is damaged on the way, like what fails, is asked again by boto3."""
        in_doubt = False
        if connections := self._connections:
            try:
                request = self.wire.request(method, fields, self._credentials.get_frozen_credentials())
                return self.wire.reply(method, fields, connections.call(request))
            except Exception as problem:  # boto3 meets the cause again, and says it
                in_doubt = left_to_boto3(method, problem)
                if isinstance(problem, UnknownProtocol):
                    self._connections = None
        return call_by_boto3(self.wire.client, method, fields, in_doubt)


def call_by_boto3(client: Any, method: str, fields: dict[str, Any], in_doubt: bool) -> dict[str, Any]:
    """Return the reply to a call that boto3 makes; `in_doubt` says that a try of ours may have been carried out."""
    try:
        reply: dict[str, Any] = getattr(client, method)(**fields)
        return reply
    except ClientError as error:
        if in_doubt:
            error.response["ResponseMetadata"]["RetryAttempts"] = 1
        raise
