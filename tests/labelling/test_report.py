"""What the labels say: counts, agreement, the contact sheet; and which pictures need a label most."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction

import cv2
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.labeller import piped
from support.proxy import Fault, Proxy
from support.world import World

from lab2.aws.resources import LABEL_KEY
from lab2.labelling.agreement import fleiss_kappa
from lab2.labelling.csv_dialect import HEADER
from lab2.labelling.image_store import PAGE
from lab2.labelling.label import Label
from lab2.labelling.report import Report, Verdict
from lab2.labelling.round import usefulness


def votes(**images: str) -> dict[str, dict[str, Label]]:
    """Return votes: for each image a digit an annotator, who are called a, b, c ..."""
    return {
        image: {name: Label(image, label, name, "", "2.0") for name, label in zip("abcdef", labels, strict=False)}
        for image, labels in images.items()
    }


def put_labels(world: World, rows: str) -> None:
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=LABEL_KEY, Body=f"{HEADER}\n{rows}".encode())


def image_names(world: World) -> list[str]:
    return [key.removeprefix("underbase/") for key in world.objects("underbase/")]


# ---- agreement --------------------------------------------------------------------------------


def fleiss_1971(images: list[tuple[int, int]]) -> Fraction:
    """Kappa as Fleiss defined it in 1971, for the same number of votes on each image."""
    pairs = [Fraction(x * (x - 1) + (n - x) * (n - x - 1), n * (n - 1)) for x, n in images]
    ones = Fraction(sum(x for x, _ in images), sum(n for _, n in images))
    observed, chance = sum(pairs) / len(pairs), ones**2 + (1 - ones) ** 2
    return (observed - chance) / (1 - chance)


@given(st.integers(2, 9).flatmap(lambda n: st.lists(st.tuples(st.integers(0, n), st.just(n)), min_size=1)))
def test_with_equal_numbers_of_votes_kappa_is_that_of_fleiss_1971(images: list[tuple[int, int]]) -> None:
    if 0 < sum(x for x, _ in images) < sum(n for _, n in images):
        assert fleiss_kappa(images) == pytest.approx(float(fleiss_1971(images)))
    else:
        assert fleiss_kappa(images) is None


def test_kappa_with_uneven_numbers_of_votes() -> None:
    # By hand: shares of 4/7 and 3/7; x(n-x)/n are 0, 2/3, 0 and 0 over 1 + 2 + 0 + 0 pairs.
    assert fleiss_kappa([(2, 2), (1, 3), (0, 1), (1, 1)]) == pytest.approx(1 - (2 / 3 / 3) / (12 / 49))
    assert fleiss_kappa([(2, 2), (0, 3), (1, 1)]) == 1
    assert fleiss_kappa([(1, 1), (0, 1)]) is None
    assert fleiss_kappa([]) is None


# ---- the report -------------------------------------------------------------------------------


def test_a_report_counts_labels_and_names_the_most_disputed_first() -> None:
    report = Report.of(["w", "x", "y", "z"], votes(x="110", y="10", z="0", gone="1"))
    assert [verdict.image for verdict in report.verdicts] == ["y", "x", "z", "w"]
    assert [verdict.majority for verdict in report.verdicts] == [None, "1", "0", None]
    assert report.coverage() == {"0": 1, "1": 1, "2": 1, "3+": 1}
    assert report.disputed == [Verdict("y", 1, 1), Verdict("x", 2, 1)]
    assert [(each.name, each.labels, each.seconds) for each in report.annotators] == [
        ("a", 4, 2.0), ("b", 2, 2.0), ("c", 1, 2.0),
    ]  # fmt: skip


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_report_fits_the_terminal_and_obeys_no_name(width: int) -> None:
    report = Report.of(["0-" + "long" * 30, "1-\x1b[31m"], votes(**{"0-" + "long" * 30: "10", "1-\x1b[31m": "10"}))
    text = report.as_text(width)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text


def test_the_program_reports_on_the_bucket_for_people_and_scripts(samples: World) -> None:
    first, second, *rest = image_names(samples)
    rows = [
        f"{first},1,ada,2026-11-23T12:00:00.000Z,1.5", f"{first},0,bob,2026-11-23T12:00:01.000Z,2.5",
        f"{second},0,ada,2026-11-23T12:00:02.000Z,3.5", f"{second},1,ada,2026-11-23T12:00:03.000Z,0.5",
    ]  # fmt: skip
    put_labels(samples, "\n".join(rows))
    code, output, errors = piped(samples, "report", typed="")
    assert (code, errors) == (0, "")
    assert "      1     1   " + first.partition("-")[2] in output
    assert "     2       1.0   ada" in output
    sheet = samples.home / "sheet.png"
    code, output, errors = piped(samples, "report", "--json", "--sheet", str(sheet), typed="")
    assert code == 0 and f"{len(rest) + 2} pictures" in errors
    told = json.loads(output)
    assert told["coverage"] == {"0": len(rest), "1": 1, "2": 1, "3+": 0}
    assert told["images"][0] == {"image": first, "hot_dog": 1, "not_hot_dog": 1, "majority": None}
    assert told["images"][1] == {"image": second, "hot_dog": 1, "not_hot_dog": 0, "majority": "1"}
    assert cv2.imread(str(sheet)).shape[1] == 6 * 208


def test_a_report_on_nothing_is_no_error_but_a_sheet_of_nothing_is(world: World) -> None:
    code, output, errors = piped(world, "report", typed="")
    assert (code, errors) == (0, "") and "not known" in output
    code, _, errors = piped(world, "report", "--sheet", "sheet.png", typed="")
    assert code == 2 and "Upload some first" in errors


def test_a_sheet_that_can_not_be_written_is_one_sentence(samples: World) -> None:
    code, _, errors = piped(samples, "report", "--sheet", str(samples.home), typed="")
    assert code == 2 and "Give another file to --sheet" in errors and len(errors.splitlines()) == 1


# ---- the most useful pictures -----------------------------------------------------------------


def test_no_label_is_needed_most_then_one_then_a_tie() -> None:
    given = votes(none="", one="1", tie="10", agreed="11", tied="1010", mine="1")
    need = {image: usefulness(labels, "d" if image != "mine" else "a") for image, labels in given.items()}
    assert need == {"none": 0, "one": 1, "tie": 2, "agreed": 3, "tied": None, "mine": None}
    assert usefulness(given["tied"], "z") == 2


def test_useful_pictures_are_labelled_by_everybody_before_anybody_sees_one_twice(samples: World) -> None:
    names = image_names(samples)
    count = len(names)
    for annotator in ("ada", "bob"):
        for _ in range(count // 4):
            code, *_ = piped(samples, "label", "--pick", "useful", "--annotator", annotator, typed="1\n" * 4)
            assert code == 0
        told = json.loads(piped(samples, "report", "--json", typed="")[1])
        assert Counter(image["hot_dog"] for image in told["images"]) == {1 if annotator == "ada" else 2: count}
    code, output, _ = piped(samples, "label", "--pick", "useful", "--annotator", "ada", typed="")
    assert code == 0 and "ada has labelled every picture" in output


def test_the_last_pictures_without_a_label_are_found_among_thousands(world: World) -> None:
    names = [f"{number:012x}-a.png" for number in range(0, 2**48, 2**48 // (2 * PAGE + 100))]
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
