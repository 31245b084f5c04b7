"""Stores that refuse writes for good, and what the labeller makes of them: each program ends, and nothing is lost."""

from __future__ import annotations

import pytest
from support.labeller import piped, rows, waiting
from support.proxy import ALWAYS, Call, Fault, Proxy
from support.world import ROOT, World

from lab2.aws.resources import IMAGE_PREFIX

MESSAGE = "A header you provided implies functionality that is not implemented"


def is_without_checksum(call: Call) -> bool:
    return not any(name.lower().startswith(("content-md5", "x-amz-checksum")) for name in call.headers)


def is_conditional(call: Call) -> bool:
    return not {"if-match", "if-none-match"}.isdisjoint(map(str.lower, call.headers))


def test_a_bucket_with_object_lock_takes_pictures_and_labels(world: World, proxy: Proxy) -> None:
    world.env["AWS_ENDPOINT_URL"] = proxy.url
    locked = proxy.on("PutObject", Fault(refuse=(400, "InvalidRequest")), times=ALWAYS, only=is_without_checksum)
    assert piped(world, "upload", str(ROOT / "underbase"), typed="")[0] == 0
    code, output, errors = piped(world, "label", typed="1\n0\n1\n0\n")
    assert (code, errors, locked.seen) == (0, "", 0) and "4 labels safe in S3." in output


@pytest.mark.parametrize("command", ["upload", "label"])
def test_a_store_without_conditional_writes_is_said_in_its_own_words(
    samples: World, proxy: Proxy, command: str
) -> None:
    samples.env["AWS_ENDPOINT_URL"] = proxy.url
    refusal = Fault(refuse=(501, "NotImplemented"), details={"Message": MESSAGE})
    proxy.on("PutObject", refusal, times=ALWAYS, only=is_conditional)
    before = samples.objects(IMAGE_PREFIX)
    (samples.home / "new.ppm").write_bytes(b"P6 1 1 255 abc")
    code, _, errors = piped(samples, *{"upload": ["upload", "new.ppm"]}.get(command, [command]), typed="1\n0\n")
    assert code == (2 if command == "upload" else 1)
    assert f"NotImplemented: {MESSAGE}. Use AWS, or a store that has conditional writes." in errors
    assert samples.objects(IMAGE_PREFIX) == before and rows(samples) == []
    assert len(waiting(samples)) == (0 if command == "upload" else 2)


@pytest.mark.parametrize("ignored", [("If-Match",), ("If-Match", "If-None-Match")], ids=" ".join)
def test_a_store_that_ignores_conditions_gets_no_label(samples: World, proxy: Proxy, ignored: tuple[str, ...]) -> None:
    del samples.env["LAB2_STORE"]  # so that it isn't taken for AWS's
    samples.env["AWS_ENDPOINT_URL"] = proxy.url
    proxy.ignore(*ignored)
    code, _, errors = piped(samples, "label", typed="1\n0\n")
    assert code == 1 and f"ignores {' and '.join(sorted(ignored, reverse=True))}, so" in errors
    assert rows(samples) == [] and len(waiting(samples)) == 2
