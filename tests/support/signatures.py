"""The signature that botocore would give a call that reached the proxy."""

from __future__ import annotations

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from support.proxy import Call
from support.world import World


def check_signature(call: Call, url: str, world: World, token: str, auth: type[SigV4Auth], service: str) -> list[str]:
    """Assert that a call to `url` is signed as botocore signs it; return the names of the headers that are signed."""
    given = call.headers["Authorization"]
    names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    again = AWSRequest(call.method, url, {name: call.headers[name] for name in names}, call.body)
    again.context |= {"timestamp": call.headers["X-Amz-Date"], "payload_signing_enabled": True}
    credentials = Credentials(world.env["AWS_ACCESS_KEY_ID"], world.env["AWS_SECRET_ACCESS_KEY"], token or None)
    botocore = auth(credentials, service, world.aws.region)
    text = botocore.string_to_sign(again, botocore.canonical_request(again))
    assert given.endswith(f"Signature={botocore.signature(text, again)}")
    assert f"Credential={botocore.scope(again)}," in given
    return names
