"""What a label can be, in one place: a third choice is one line, and everything takes it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import pytest
from support.labeller import put_labels, rows
from support.world import PATIENCE, ROOT, World, start

from lab2.labelling.labels.choices import CHOICES, majority, value_meant

THIRD = 'Choice("2", "not sure", "not_sure", (0, 130, 130), "ě", "unsure maybe"),'
KEYS = """
from lab2.labelling.display.keys import HELP, answer_of_key
print([answer_of_key(key, None) for key in (ord("2"), 0xFFB2, 0xFF99, 0x100011B)], answer_of_key(0xE9, 11), HELP)
"""
TASKS = """
import json, sys
from lab2.labelling.results.label_studio import CONFIG
print(CONFIG)
"""


@pytest.mark.parametrize(
    ("values", "leading"), [("", None), ("1", "1"), ("10", None), ("110", "1"), ("1022", "2"), ("1100", None)]
)
def test_the_majority_is_what_more_people_chose_than_anything_else(values: str, leading: str | None) -> None:
    assert majority(Counter(values)) == leading


def test_every_choice_is_understood_by_its_title_and_its_folder() -> None:
    for choice in CHOICES:
        assert (
            value_meant(choice.title.upper()) == value_meant(choice.folder) == value_meant(choice.value) == choice.value
        )


@pytest.fixture
def third(tmp_path: Path) -> Path:
    """A copy of the programs to which a third choice was added by one line."""
    copy = tmp_path / "copy"
    for name in ("lab2", "underbase"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    for name in ("hotdog.py", "aws.yaml", "underbase.csv"):
        shutil.copy(ROOT / name, copy)
    path = copy / "lab2/labelling/labels/choices.py"
    head, mark, rest = path.read_text().partition(")\nBY_VALUE")
    path.write_text(f"{head}    {THIRD}\n{mark}{rest}")
    return copy


def test_a_third_choice_is_one_line_in_one_file(samples: World, third: Path) -> None:
    def labeller(*args: str, typed: str = "") -> str:
        program = start([str(third / "hotdog.py"), *args], samples.env, third)
        output, errors = program.communicate(typed, timeout=PATIENCE)
        assert (program.returncode, errors) == (0, "") or "written to" in errors, errors
        return str(output)

    def python(code: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=third, capture_output=True, text=True, check=True
        ).stdout

    assert python(KEYS).startswith("['2', '2', '2', '2'] 2 1 hot dog   0 not   2 not sure   u or")
    screen = labeller("label", "--annotator", "ada", typed="2\n2\n1\n0\n")
    assert "0 not, 2 not sure, u back" in screen and "4 labels safe" in screen
    assert [row["label"] for row in rows(samples)] == ["2", "2", "1", "0"]
    sure, unsure = rows(samples)[2]["image"], rows(samples)[0]["image"]
    put_labels(
        samples, f"{unsure},not sure,ada,,\n{unsure},2.0,bob,,\n{unsure},1,cyd,,\n{sure},1,ada,,\n{sure},2,bob,,\n"
    )
    told = json.loads(labeller("report", "--output", "json", "--sheet", "sheet.png"))
    votes = {image["image"]: (image["hot_dog"], image["not_sure"], image["majority"]) for image in told["images"]}
    assert votes[unsure] == (1, 2, "2") and votes[sure] == (1, 1, None)
    assert cv2.imread(str(third / "sheet.png")) is not None
    text = labeller("report")
    assert ["majority", "hot", "dog", "not", "not", "sure", "tied"] in [line.split() for line in text.splitlines()]
    assert "image,hot_dog,not_hot_dog,not_sure,majority" in labeller("report", "--output", "csv")
    assert "0 hot_dog, 0 not_hot_dog, 1 not_sure." in labeller("export", "set")
    assert [path.name for path in third.glob("set/**/*.*") if path.parent.name == "not_sure"] == [
        unsure[:12] + Path(unsure).suffix
    ]
    assert '<Choice value="not_sure"/>' in python(TASKS)
    labeller("export", "tasks", "--format", "labelstudio")
    (task,) = json.loads((third / "tasks" / "tasks.json").read_text())
    assert "not_sure" in json.dumps(task["annotations"])
