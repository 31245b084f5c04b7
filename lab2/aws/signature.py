"""Signature Version 4 of AWS, as far as our own calls need it; a test compares it with botocore's.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html (read in 2026)
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials


def signed_request(
    method: str,
    path: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    unsigned: Mapping[str, str],
    service: str,
    region: str,
    credentials: ReadOnlyCredentials,
) -> bytes:
    """Return a request to a path without a query.

    `headers` are signed, and host is among them. Names must be in lower case, and values without spaces around them or
    several in a row, for they are sent as they are signed.
    """
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    digest = hashlib.sha256(body).hexdigest()
    signed = {**headers, "x-amz-content-sha256": digest, "x-amz-date": now}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    lines = "".join([f"{name}:{value}\n" for name, value in sorted(signed.items())])
    names = ";".join(sorted(signed))
    canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{digest}"
    scope = f"{now[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(_signing_key(credentials.secret_key, scope), text.encode(), "sha256").hex()
    lines += (
        f"authorization:AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}\n"
    )
    lines += "".join([f"{name}:{value}\n" for name, value in unsigned.items()])
    if body:
        lines += f"content-length:{len(body)}\n"
    return f"{method} {path} HTTP/1.1\n{lines}\n".replace("\n", "\r\n").encode() + body


@lru_cache(maxsize=8)
def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
