"""The four hot SQS calls over keep-alive connections of our own, signed by botocore's public SigV4Auth.

Most of a server's processor time was botocore's, which is ready for every service, protocol and signature. SQS speaks
AWS JSON 1.0: a POST to the endpoint's root. Here it is made over urllib3, which botocore brings along. Anything unusual
is left to the boto3 client, which makes that call as if for the first time, with its retries and its errors: an HTTP
error, a throttle, a connection that fails, a network with a proxy. `LAB2_TRANSPORT=boto3` leaves every call to it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import get_cert_path

from lab2.aws.call_log import log_reply

if TYPE_CHECKING:
    from botocore.credentials import Credentials, ReadOnlyCredentials
    from types_boto3_sqs import SQSClient

# As the boto3 clients have it: above a long poll, below the visibility timeout, so that a call that hangs is given up
# while the messages in its reply are still ours.
TIMEOUT = urllib3.Timeout(connect=5, read=30)

_encode = json.JSONEncoder(separators=(",", ":")).encode


class SqsTransport:
    """Calls that take and return what those of the boto3 client of the same names do. Thread-safe.

    `connections` calls may be under way at once, none where boto3 is to make all of them.
    """

    def __init__(
        self, client: SQSClient, credentials: Credentials, user_agent: str, connections: int, ca_bundle: str | None
    ) -> None:
        self.client, self._credentials = client, credentials
        self._endpoint = client.meta.endpoint_url.rstrip("/")  # dual-stack or FIPS where botocore was told so
        self._host = urlsplit(self._endpoint).netloc
        self._unsigned_headers = {"Content-Type": "application/x-amz-json-1.0", "User-Agent": user_agent}
        self._pool = _pool(self._endpoint, connections, ca_bundle) if connections else None

    def receive_message(self, **fields: Any) -> dict[str, Any]:
        return self._call("ReceiveMessage", self.client.receive_message, fields, _intact_messages)

    def send_message_batch(self, **fields: Any) -> dict[str, Any]:
        return self._call("SendMessageBatch", self.client.send_message_batch, fields, _sent_intact)

    def delete_message_batch(self, **fields: Any) -> dict[str, Any]:
        return self._call("DeleteMessageBatch", self.client.delete_message_batch, fields)

    def change_message_visibility_batch(self, **fields: Any) -> dict[str, Any]:
        return self._call("ChangeMessageVisibilityBatch", self.client.change_message_visibility_batch, fields)

    def _call(
        self,
        operation: str,
        by_boto3: Callable[..., Any],
        fields: dict[str, Any],
        check: Callable[[dict[str, Any], dict[str, Any]], bool] = lambda asked, reply: True,
    ) -> dict[str, Any]:
        """Return the reply of SQS. What `check` finds damaged on the way, like what fails, is asked again by boto3."""
        if self._pool:
            try:
                headers, body = self.signed(operation, fields)
                # As botocore announces its own calls: what counts them counts these too.
                self.client.meta.events.emit(f"before-send.sqs.{operation}", request=None)
                response = self._pool.urlopen("POST", "/", body, headers)
                log_reply("sqs", operation, response.status, response.headers.get("x-amzn-RequestId", "unknown"))
                if response.status == 200:
                    reply: dict[str, Any] = json.loads(response.data)
                    if check(fields, reply):
                        return reply
            except (urllib3.exceptions.HTTPError, BotoCoreError, ValueError):
                pass
        result: dict[str, Any] = by_boto3(**fields)
        return result

    def signed(self, operation: str, fields: dict[str, Any]) -> tuple[dict[str, str], bytes]:
        """Return headers and body of a call; botocore works out only what it must: host and digest are given."""
        body = _encode(fields).encode()
        request = AWSRequest("POST", f"{self._endpoint}/", {
            "Host": self._host,
            "X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest(),
            "X-Amz-Target": f"AmazonSQS.{operation}",
        })  # fmt: skip
        _Signer(self._credentials.get_frozen_credentials(), self.client.meta.region_name).add_auth(request)
        return {**dict(request.headers.items()), **self._unsigned_headers}, body


class _Signer(SigV4Auth):
    """Signature Version 4 whose signing key is made once a day and credential, and not at each call."""

    def __init__(self, credentials: ReadOnlyCredentials, region: str) -> None:
        super().__init__(credentials, "sqs", region)
        self.region = region

    def signature(self, string_to_sign: str, request: AWSRequest) -> str:
        key = _signing_key(self.credentials.secret_key, request.context["timestamp"][:8], self.region)
        return hmac.digest(key, string_to_sign.encode(), "sha256").hex()


@lru_cache(maxsize=8)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "sqs", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def is_proxied(url: str) -> bool:
    """Tell whether the environment has a proxy for this URL, as botocore and urllib read it."""
    parts = urlsplit(url)
    return parts.scheme in getproxies() and not proxy_bypass(parts.hostname or "")


def _pool(endpoint: str, connections: int, ca_bundle: str | None) -> urllib3.HTTPConnectionPool:
    """Return connections to an endpoint that are kept alive; a call is made once, for boto3 repeats it."""
    parts = urlsplit(endpoint)
    options: dict[str, Any] = {"maxsize": connections, "timeout": TIMEOUT, "retries": False}
    if parts.scheme == "http":
        return urllib3.HTTPConnectionPool(parts.hostname or "", parts.port, **options)
    return urllib3.HTTPSConnectionPool(
        parts.hostname or "",
        parts.port,
        cert_reqs="CERT_REQUIRED",
        ca_certs=ca_bundle or get_cert_path(True),
        **options,
    )


def _intact_messages(asked: dict[str, Any], reply: dict[str, Any]) -> bool:
    """Tell whether each body is what was sent, by the MD5 that SQS gives: one that is not comes back later."""
    return all(_md5(message["Body"]) == message["MD5OfBody"] for message in reply.get("Messages") or ())


def _sent_intact(asked: dict[str, Any], reply: dict[str, Any]) -> bool:
    bodies = {entry["Id"]: entry["MessageBody"] for entry in asked["Entries"]}
    return all(_md5(bodies[entry["Id"]]) == entry["MD5OfMessageBody"] for entry in reply.get("Successful") or ())


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
