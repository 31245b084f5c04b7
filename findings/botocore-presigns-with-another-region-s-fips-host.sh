#!/usr/bin/env bash
# botocore 1.43.106, FIPS endpoints on, region us-west-2 or ca-central-1: GetObject goes to the FIPS host of that region.
# One would expect its presigned URL to name the same host. It names the FIPS host of us-east-1, with a bucket and a
# signature for the other region. Without FIPS, and with dual-stack, the URL names the global or the same host; in
# us-gov-west-1 the FIPS host is the same. Who derives the place of a bucket from a presigned URL gets a wrong one.
# Nothing is sent: the request is caught before it leaves. Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet boto3==1.43.106 botocore==1.43.106
env -i PATH="$PATH" HOME="$work" "$work/venv/bin/python" - <<'PYTHON'
from urllib.parse import urlsplit

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import ConnectionError as NotSent

BUCKET = "a-bucket"


def hosts(region: str, **settings: object) -> tuple[str, str]:
    """Return the host that GetObject is sent to, and the one that a presigned URL for it names, without the bucket."""
    client = boto3.client(
        "s3",
        region_name=region,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="not-a-secret",
        config=Config(retries={"max_attempts": 0}, **settings),
    )
    called = []

    def catch(request, **_):
        called.append(urlsplit(request.url).hostname)
        raise NotSent(error="caught")

    client.meta.events.register("before-send.s3", catch)
    try:
        client.get_object(Bucket=BUCKET, Key="key")
    except NotSent:
        pass
    url = client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "key"})
    return tuple(host.removeprefix(f"{BUCKET}.") for host in (called[0], urlsplit(url).hostname))


print("botocore", botocore.__version__)
found = {}
for name, region, settings in (
    ("FIPS", "us-west-2", {"use_fips_endpoint": True}),
    ("FIPS", "ca-central-1", {"use_fips_endpoint": True}),
    ("FIPS", "us-gov-west-1", {"use_fips_endpoint": True}),
    ("dual-stack", "us-west-2", {"use_dualstack_endpoint": True}),
    ("plain", "us-west-2", {}),
):
    found[name, region] = hosts(region, **settings)
    print(f"{name:<10} {region:<13} called: {found[name, region][0]:<38} presigned: {found[name, region][1]}")
assert found == {
    ("FIPS", "us-west-2"): ("s3-fips.us-west-2.amazonaws.com", "s3-fips.us-east-1.amazonaws.com"),
    ("FIPS", "ca-central-1"): ("s3-fips.ca-central-1.amazonaws.com", "s3-fips.us-east-1.amazonaws.com"),
    ("FIPS", "us-gov-west-1"): ("s3-fips.us-gov-west-1.amazonaws.com", "s3-fips.us-gov-west-1.amazonaws.com"),
    ("dual-stack", "us-west-2"): ("s3.dualstack.us-west-2.amazonaws.com", "s3.dualstack.us-west-2.amazonaws.com"),
    ("plain", "us-west-2"): ("s3.us-west-2.amazonaws.com", "s3.amazonaws.com"),
}
PYTHON
