"""The short way of an SQS call: signed and sent in half the instructions that botocore takes, where all goes well.

Most of a server's processor time was botocore's, which is ready for every service, protocol and signature. Here a
request that botocore has made is signed as SQS wants it and sent over botocore's own connections. Whatever is not
plain, or does not go well, is left to botocore: it makes the call as if for the first time, with its retries and its
errors.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, cast
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError

UNSIGNED = {"user-agent", "x-amzn-trace-id"}  # proxies change them


def shorten(client: Any, credentials: Any) -> None:
    """Let the calls of a boto3 client of SQS take the short way."""
    # Not public: where it is missing, nothing is shortened.
    connections = getattr(getattr(client, "_endpoint", None), "http_session", None)
    if not connections or not credentials:
        return

    def send(model: Any, params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]] | None:
        """Return the response and what is in it; None lets botocore make the call."""
        if urlsplit(params["url"])[2:] != ("/", "", "") or "X-Amz-Target" not in params["headers"]:
            return None
        try:
            keys = credentials.get_frozen_credentials()
            headers = sign(params["url"], params["headers"], params["body"], keys, client.meta.region_name)
            request = AWSPreparedRequest("POST", params["url"], cast(Any, headers), params["body"], False)
            client.meta.events.emit(f"before-send.sqs.{model.name}", request=request)
            response = connections.send(request)
            return (response, json.loads(response.content)) if response.status_code == 200 else None
        except (BotoCoreError, ValueError):
            return None

    client.meta.events.register("before-call.sqs", send)


def sign(url: str, headers: dict[str, str], body: bytes, keys: Any, region: str) -> dict[str, str]:
    """Return the headers of a POST to the root of SQS, signed: AWS Signature Version 4, of now."""
    now = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"
    headers = headers | {"Host": urlsplit(url).netloc, "X-Amz-Date": now}
    if keys.token:
        headers["X-Amz-Security-Token"] = keys.token
    signed = dict(sorted((name.lower(), value) for name, value in headers.items() if name.lower() not in UNSIGNED))
    names = ";".join(signed)
    lines = ["POST", "/", "", *(f"{name}:{value}" for name, value in signed.items()), "", names, _digest(body)]
    scope = f"{now[:8]}/{region}/sqs/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{_digest(chr(10).join(lines).encode())}"
    signature = hmac.digest(_key(keys.secret_key, scope), text.encode(), "sha256").hex()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@lru_cache(maxsize=8)
def _key(secret: str, scope: str) -> bytes:
    """Return the key of a day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
