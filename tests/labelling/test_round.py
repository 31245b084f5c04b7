"""Which pictures need a label most."""

from __future__ import annotations

import json
from collections import Counter

import cv2
import numpy
import pytest
from support.labeller import image_names, piped, put_labels, rows, votes
from support.proxy import ALWAYS, Fault, Proxy
from support.world import World

from lab2.aws.resources import LABEL_KEY
from lab2.labelling.labels.choices import WITHDRAWN
from lab2.labelling.pictures.image_store import PAGE_KEYS
from lab2.labelling.round import usefulness


def test_no_label_is_needed_most_then_one_then_a_tie() -> None:
    given = votes(none="", one="1", tie="10", agreed="11", tied="1010", mine="1")
    need = {image: usefulness(labels, "d" if image != "mine" else "a") for image, labels in given.items()}
    assert need == {"none": 0, "one": 1, "tie": 2, "agreed": 3, "tied": None, "mine": None}
    assert usefulness(given["tied"], "z") == 2


@pytest.mark.long
def test_useful_pictures_are_labelled_by_everybody_before_anybody_sees_one_twice(samples: World) -> None:
    names = image_names(samples)
    count = len(names)
    for annotator in ("ada", "bob"):
        for _ in range(count // 4):
            code, *_ = piped(samples, "label", "--pick", "useful", "--annotator", annotator, typed="1\n" * 4)
            assert code == 0
        told = json.loads(piped(samples, "report", "--output", "json", typed="")[1])
        assert Counter(image["hot_dog"] for image in told["images"]) == {1 if annotator == "ada" else 2: count}
    code, output, _ = piped(samples, "label", "--pick", "useful", "--annotator", "ada", typed="")
    assert code == 0 and "ada has labelled every picture" in output


@pytest.mark.long
def test_the_last_pictures_without_a_label_are_found_among_thousands(world: World) -> None:
    names = [f"{number:012x}-a.png" for number in range(0, 2**48, 2**48 // (2 * PAGE_KEYS + 100))]
    data = cv2.imencode(".png", numpy.zeros((8, 8, 3), numpy.uint8))[1].tobytes()
    for name in names:
        world.aws.s3.put_object(Bucket=world.aws.bucket, Key=f"underbase/{name}", Body=data)
    unlabelled = {names[7], names[1500], names[-1], names[-40]}
    put_labels(world, "".join(f"{name},1,bob,2026-11-23T12:00:00.000Z,\n" for name in names if name not in unlabelled))
    code, output, _ = piped(world, "label", "--pick", "useful", typed="0\n" * 4)
    assert code == 0
    assert all(name in output for name in unlabelled)


def test_a_bucket_without_labels_is_not_asked_for_them(samples: World, proxy: Proxy) -> None:
    """S3 answers "access denied" where a program may not list everything and asks for what is not there."""
    samples.env["AWS_ENDPOINT_URL"] = proxy.url
    proxy.on("GetObject", Fault(refuse=(403, "AccessDenied")), times=100, only=lambda call: LABEL_KEY in call.path)
    assert piped(samples, "report", typed="")[0] == 0
    code, output, _ = piped(samples, "label", typed="1\n")
    assert code == 0 and "1 label safe in S3." in output


def test_a_label_that_is_taken_back_and_not_given_again_is_withdrawn(samples: World) -> None:
    code, *_ = piped(samples, "label", "--annotator", "ada", typed="1\nu\ns\n0\nu\n1\nq\n")
    assert code == 0
    first, withdrawn, second, instead = rows(samples)
    assert (first["image"], withdrawn["label"]) == (withdrawn["image"], WITHDRAWN)
    assert (second["image"], second["label"], instead["label"]) == (instead["image"], "0", "1")
    told = json.loads(piped(samples, "report", "--output", "json", typed="")[1])
    assert [image["image"] for image in told["images"] if image["majority"]] == [instead["image"]]
    assert [(each["name"], each["labels"]) for each in told["annotators"]] == [("ada", 1)]


@pytest.mark.parametrize("code", ["InvalidObjectState", "AccessDenied"])
def test_a_picture_that_s3_refuses_is_left_out_and_the_others_go_on(samples: World, proxy: Proxy, code: str) -> None:
    refused, *others = image_names(samples)
    put_labels(samples, "".join(f"{name},1,bob,2026-11-23T12:00:00.000Z,\n" for name in others))  # it is needed most
    samples.env["AWS_ENDPOINT_URL"] = proxy.url
    proxy.on("GetObject", Fault(refuse=(403, code)), times=ALWAYS, only=lambda call: refused in call.path)
    status, output, errors = piped(samples, "label", "--pick", "useful", typed="1\n" * 4)
    assert status == 0 and "4 labels safe in S3." in output
    assert f"{refused} can't be shown: S3 refuses it ({code}" in errors and len(errors.splitlines()) == 1
    put_labels(samples, f"{refused},1,bob,,\n{others[0]},1,bob,,\n")
    status, output, errors = piped(samples, "export", "set", typed="")
    assert status == 1 and f"{refused} is left out: S3 refuses it ({code}" in errors
    assert others[0] in (samples.home / "set" / "metadata.csv").read_text()
