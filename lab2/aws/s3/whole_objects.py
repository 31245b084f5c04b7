"""Whole objects of a bucket, many one after the other, as the log is read.

A GET of boto3 takes 2 ms of processor time, one over our own connections a tenth. boto3 makes the first one, which
shows where and how to ask. A call of ours that fails is made again by boto3, with its retries and its errors. boto3
makes all calls once the store has refused one of ours, or answered in another kind of HTTP; and from the start behind a
proxy, and with `LAB2_TRANSPORT=boto3`.
"""

from __future__ import annotations

import re
from http.client import HTTPException, UnknownProtocol
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from lab2.aws.call_log import log_left_to_boto3, log_reply
from lab2.aws.connections import Connections, Response, host_of
from lab2.aws.signature import signed_request

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from types_boto3_s3 import S3Client

# What says nothing of the next call: no such object, too much at once, an outage, and a page of a proxy, which has 200.
PASSING_STATUS = {200, 404, 429, 500, 502, 503, 504}

_SIGNED = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/([^/]+)/s3/aws4_request, .*")
_OWNER = "x-amz-expected-bucket-owner"


class Client(NamedTuple):
    """As whom calls are made that are not boto3's."""

    credentials: Credentials
    user_agent: str
    ca_bundle: str | None  # None: that of botocore


class WholeObjects:
    """GetObject of a bucket. Thread-safe."""

    def __init__(self, s3: S3Client, bucket: str, client: Client | None = None) -> None:
        self.s3 = s3
        self.bucket = bucket
        self._client = client  # None: boto3 makes all calls
        self._direct: _DirectGet | None = None
        # The last GET of boto3's, as its event shows it; perhaps of another thread, for another key.
        self._request: Any = None
        if client:
            s3.meta.events.register("before-send.s3.GetObject", self._note)

    def get(self, key: str) -> bytes:
        """Return the bytes of an object; raises what botocore raises."""
        if (direct := self._direct) and quote(key) == key:  # others are spelt otherwise in a URL
            try:
                response = direct.get(key)
                if response.status == 200 and _is_object(response.headers):
                    return response.body
                problem = f"HTTP {response.status}"
                is_passing = response.status in PASSING_STATUS
            except (OSError, HTTPException, ValueError) as error:
                problem = repr(error)
                is_passing = not isinstance(error, UnknownProtocol)
            if not is_passing:
                self._client = self._direct = None
            log_left_to_boto3("s3", "GetObject", problem)
        content: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        if (client := self._client) and not self._direct:  # another thread may take it away meanwhile
            self._direct = _DirectGet.like(self._request, key, self.s3, client)
        return content

    def _note(self, request: Any, **_: object) -> None:
        self._request = request or self._request


class _DirectGet:
    """GetObject over connections of our own. Thread-safe."""

    def __init__(self, s3: S3Client, client: Client, url: str, headers: dict[str, str], region: str) -> None:
        at = urlsplit(url)
        self._events = s3.meta.events
        self._credentials = client.credentials
        self._unsigned = {"accept-encoding": "identity", "user-agent": client.user_agent}
        self._headers = {"host": host_of(at), **headers}
        self._folder = at.path
        self._region = region
        self._connections = Connections(at, client.ca_bundle)

    @staticmethod
    def like(request: Any, key: str, s3: S3Client, client: Client) -> _DirectGet | None:
        """Return what asks as boto3 did in a request for `key`; None if that was another or is of another kind."""
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        signed = _SIGNED.fullmatch(headers.get("authorization", ""))
        if not signed or not request.url.endswith(f"/{key}"):
            return None
        owner = {_OWNER: headers[_OWNER]} if _OWNER in headers else {}
        return _DirectGet(s3, client, request.url.removesuffix(key), owner, signed[1])

    def get(self, key: str) -> Response:
        """Make a call once; raises OSError, HTTPException or ValueError."""
        self._events.emit("before-send.s3.GetObject", request=None)  # what counts botocore's calls counts these too
        request = signed_request(
            "GET",
            self._folder + key,
            b"",
            headers=self._headers,
            unsigned=self._unsigned,
            service="s3",
            region=self._region,
            credentials=self._credentials.get_frozen_credentials(),
        )
        response = self._connections.call(request)
        log_reply("s3", "GetObject", response.status, response.headers.get("x-amz-request-id", "unknown"))
        return response


def _is_object(headers: dict[str, str]) -> bool:
    """Return whether a response with these headers is an object; a web page is left to boto3, which refuses it."""
    return "etag" in headers and "html" not in headers.get("content-type", "").lower()


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
