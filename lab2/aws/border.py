"""What every boto3 call is given on its way out, and what its reply is checked for on its way in.

Out: S3's integrity check, and the account that the bucket must belong to. In: that the reply has what its operation
promises. The reply of a sign-in page of the network, or of a broken proxy, has not, and is treated like an outage.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from typing import Any

from botocore.exceptions import BotoCoreError

# aws.yaml gives the bucket a name with the account in it: nobody else's bucket of that name gets our data.
_OWNED = re.compile(r"lab2-(\d{12})-.+")

_STATUS_OF_PROXIES = {301, 302, 303, 307, 308, 407, 511}  # and of sign-in pages, if there is no sign of AWS
_HTML = re.compile(rb"<!doctype html|<html", re.IGNORECASE)

_PROMISED = {
    "PutObject": "ETag",
    "GetObject": "ETag",
    "CreateMultipartUpload": "UploadId",
    "UploadPart": "ETag",
    "UploadPartCopy": "CopyPartResult.ETag",
    "CompleteMultipartUpload": "ETag",
    "ListObjectsV2": "IsTruncated",
    "GetQueueUrl": "QueueUrl",
    "GetQueueAttributes": "Attributes",
    "GetCallerIdentity": "Account",
}


class UnexpectedReply(BotoCoreError):
    """A reply that did not come from AWS, to a call about `subject`."""

    fmt = "{reason}"

    def __init__(self, reason: str, subject: str) -> None:
        super().__init__(reason=reason)
        self.subject = subject


class Border:
    """The border of one client. `owned`: S3 is told whose bucket it must be."""

    def __init__(self, client: Any, owned: bool) -> None:
        self.owned = owned
        self._refuses_expect = False  # whether a proxy on the way answers 417 to Expect: 100-continue
        events = client.meta.events
        service = client.meta.service_model.service_id.hyphenize()
        events.register(f"before-parameter-build.{service}", self._name_subject)
        events.register(f"after-call.{service}", self._check)
        if service == "s3":
            events.register("before-parameter-build.s3", self._name_owner)
            events.register("before-parameter-build.s3.PutObject", _add_md5)
            events.register("before-parameter-build.s3.UploadPart", _add_md5)
            events.register_last("before-call.s3", self._leave_out_expect)
            events.register("before-call.s3.HeadBucket", _follow_no_redirect)
            events.register("needs-retry.s3", self._retry_without_expect)

    def _name_subject(self, params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        if bucket := params.get("Bucket"):
            context["lab2_subject"] = f"bucket {bucket}"
        elif queue := params.get("QueueUrl") or params.get("QueueName"):
            context["lab2_subject"] = f"queue {queue.rpartition('/')[2]}"

    def _name_owner(self, params: dict[str, Any], model: Any, **_: object) -> None:
        owner = _OWNED.fullmatch(params.get("Bucket", ""))
        if self.owned and owner and "ExpectedBucketOwner" in model.input_shape.members:
            params.setdefault("ExpectedBucketOwner", owner[1])
            if "CopySource" in params:
                params.setdefault("ExpectedSourceBucketOwner", owner[1])

    def _check(self, parsed: dict[str, Any], model: Any, context: dict[str, Any], http_response: Any, **_: Any) -> None:
        """Add to an error what it is about; UnexpectedReply if the reply did not come from AWS."""
        subject = context.get("lab2_subject", f"the call {model.name}")
        if reason := _foreign(parsed, model, http_response):
            raise UnexpectedReply(reason, subject)
        if "Error" in parsed:
            parsed["Error"].setdefault("Subject", subject)

    def _leave_out_expect(self, params: dict[str, Any], **_: object) -> None:
        if self._refuses_expect:
            params["headers"].pop("Expect", None)

    def _retry_without_expect(self, response: Any, request_dict: dict[str, Any], **_: object) -> float | None:
        """Return after how many seconds the call is repeated: at once, without Expect, if that was refused."""
        if response and response[0].status_code == 417 and request_dict["headers"].pop("Expect", None):
            self._refuses_expect = True
            return 0.0
        return None


def _add_md5(params: dict[str, Any], **_: object) -> None:
    """Add the checksum that a bucket with Object Lock demands and every store knows.

    It is not a CRC, for S3 refuses a part that has one if the upload declared none.
    """
    body = params.get("Body")
    if isinstance(body, bytes):
        params.setdefault("ContentMD5", b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode())


def _follow_no_redirect(params: dict[str, Any], **_: object) -> None:
    """Keep botocore from asking by HeadBucket where to send a HeadBucket that was redirected, without end."""
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


def _foreign(parsed: dict[str, Any], model: Any, response: Any) -> str:
    """Return why a reply can't be from AWS or a compatible store or queue server; '' if it can."""
    is_error = "Error" in parsed
    if not is_error and (lacking := _lacking(parsed, _PROMISED.get(model.name, ""))):
        return f"there is no {lacking} in it"
    is_object = model.has_streaming_output and not is_error  # which may be a web page itself, and is not read here
    if is_object and not any(name in response.headers for name in ("Content-Length", "Transfer-Encoding")):
        return "it does not say how long it is"  # nobody would notice if it was cut short
    content = b"" if is_object else response.content.strip()
    if not is_error and model.service_model.service_name == "sqs" and content and not _is_json(content):
        return "it is no JSON"
    if any(name.lower().startswith("x-amz") for name in response.headers):
        return ""
    status = response.raw.status  # botocore makes 500 of a 200 that it can't read
    if "html" in response.headers.get("Content-Type", "").lower() or _HTML.match(content):
        return f"HTML, status {status}"
    is_silent = not content and model.http["method"] != "HEAD"  # whose replies never have a body
    return f"status {status}" if is_error and is_silent and status in _STATUS_OF_PROXIES else ""


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def _lacking(parsed: dict[str, Any], promised: str) -> str:
    """Return the first name that is missing on the path to a promised value, '' if none is."""
    value: Any = parsed
    for name in filter(None, promised.split(".")):
        value = value.get(name)
        if value is None:
            return name
    return ""
