"""What the labels say: counts, disputed images, the contact sheet."""

from __future__ import annotations

import json

import cv2
import pytest
from support.labeller import image_names, piped, put_labels, votes
from support.world import World

from lab2.labelling.report import Report, Verdict


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
