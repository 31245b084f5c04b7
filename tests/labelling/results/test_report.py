"""What the labels say: counts, disputed images, agreement."""

from __future__ import annotations

import json

import cv2
import pytest
from support.labeller import image_names, piped, put_labels, votes
from support.world import World

from lab2.labelling.labels.label_row import Label
from lab2.labelling.results.report import MIN_COMPARED, Annotator, Report, Verdict


def test_a_report_counts_labels_and_names_the_most_disputed_first() -> None:
    report = Report.from_votes(["w", "x", "y", "z"], votes(x="110", y="10", z="0", gone="1"))
    assert [verdict.image for verdict in report.verdicts] == ["y", "x", "z", "w"]
    assert [verdict.majority for verdict in report.verdicts] == [None, "1", "0", None]
    assert report.coverage() == {"0": 1, "1": 1, "2": 1, "3+": 1}
    assert report.disputed == [Verdict("y", (1, 1)), Verdict("x", (2, 1))]
    assert [(each.name, each.labels, each.seconds) for each in report.annotators] == [
        ("a", 4, 2.0), ("b", 2, 2.0), ("c", 1, 2.0),
    ]  # fmt: skip


def test_a_report_as_csv_has_a_line_per_picture_and_harmless_cells() -> None:
    report = Report.from_votes(["x", "=y", "z\n"], votes(x="110", **{"=y": "10"}))
    assert report.as_csv().split("\n") == [
        "image,hot_dog,not_hot_dog,majority", "'=y,1,1,", "x,2,1,1", r"z\n,0,0,",
    ]  # fmt: skip


def crowd(pictures: int, **mistakes: int) -> Report:
    """Return the report on annotators who each label every picture, and are wrong at every so-manieth (0: never)."""
    images = [f"{number:012x}-IMG_{number:04}.jpg" for number in range(pictures)]
    found = {
        image: {
            name: Label(image, str((number + (every > 0 and number % every == 0)) % 2), name, "", f"{len(name)}.5")
            for name, every in mistakes.items()
        }
        for number, image in enumerate(images)
    }
    return Report.from_votes(images, found)


def test_who_disagrees_with_the_rest_is_named_and_nobody_else() -> None:
    report = crowd(20, ada=0, bob=7, cyd=0, eve=1)
    assert [(each.name, each.agreed, each.disagrees) for each in report.annotators] == [
        ("ada", 17, False), ("bob", 17, False), ("cyd", 17, False), ("eve", 0, True)
    ]  # fmt: skip
    assert [each.name for each in report.annotators if each.disagrees] == ["eve"]
    assert "Look at the labels of eve: 0% of 20 agree." in report.as_text(80)
    few = crowd(MIN_COMPARED - 1, ada=0, bob=0, eve=1)
    assert [each.share for each in few.annotators][-1] == 0 and "Look at" not in few.as_text(80)


def test_a_share_is_of_the_pictures_on_which_the_others_have_a_majority() -> None:
    assert Annotator("ada", 5, None, agreed=1, compared=4).share == 0.25
    assert Annotator("ada", 5, None).share is None


def test_labels_that_are_missing_are_counted_for_one_to_three_a_picture() -> None:
    report = Report.from_votes(["w", "x", "y", "z"], votes(x="1101", y="10", z="0"))
    assert report.needed() == {"1": 1, "2": 3, "3": 6}


def test_agreement_that_only_one_coefficient_can_tell_is_told() -> None:
    report = Report.from_votes(["x", "y"], votes(x="11", y="0"))  # alpha looks at x alone: all its labels are the same
    assert (report.kappa, report.alpha) == (1, None)
    lines = report.as_text(80).splitlines()
    assert lines[-2] == "agreement (Fleiss' kappa): 1.00"
    assert lines[-1] == "agreement (Krippendorff's alpha): not defined (all shared labels are the same)"
    alone = Report.from_votes(["x", "y"], votes(x="1", y="0")).as_text(80)
    assert alone.count("not known (no picture has two labels)") == 2


def test_the_report_is_readable_in_80_columns() -> None:
    name = "somebody_with_a_name_of_average_length"
    report = crowd(1_240, ada=9, bob=0, cyd=0, eve=1, **{name: 11})
    lines = report.as_text(80).splitlines()
    assert max(map(len, lines)) <= 80 and not any("…" in line for line in lines)
    assert f"  1240      38.5   91% of 1,102   {name}" in lines


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_report_fits_the_terminal_and_obeys_no_name(width: int) -> None:
    report = Report.from_votes(
        ["0-" + "long" * 30, "1-\x1b[31m"], votes(**{"0-" + "long" * 30: "10", "1-\x1b[31m": "10"})
    )
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
    assert "     2       1.0   0% of 1   ada" in output
    assert ["labels", "missing", "22", "45", "69"] in [line.split() for line in output.splitlines()]
    sheet = samples.home / "sheet.jpg"
    code, output, errors = piped(samples, "report", "--output", "json", "--sheet", str(sheet), typed="")
    assert code == 0 and f"{len(rest) + 2} pictures" in errors
    told = json.loads(output)
    assert told["coverage"] == {"0": len(rest), "1": 1, "2": 1, "3+": 0}
    assert told["images"][0] == {"image": first, "hot_dog": 1, "not_hot_dog": 1, "majority": None}
    assert told["images"][1] == {"image": second, "hot_dog": 1, "not_hot_dog": 0, "majority": "1"}
    assert cv2.imread(str(sheet)).shape[1] == 6 * 208 and sheet.read_bytes().startswith(b"\xff\xd8")
    code, output, errors = piped(samples, "report", "--sheet", "sheet.gif", typed="")
    assert (code, output) == (2, "") and "ends in .png or .jpg" in errors
