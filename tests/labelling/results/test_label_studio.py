"""What people labelled in Label Studio comes back as labels; no label that is there is replaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.labeller import image_names, piped, put_labels, rows, votes
from support.world import World

from lab2.errors import UserError
from lab2.labelling.labels.label_row import Label
from lab2.labelling.pictures.image_store import Image
from lab2.labelling.results.label_studio import encode_tasks, find_new, read_tasks
from lab2.labelling.results.training_set import TrainingSet


def annotation(choice: str, author: Any = 1, **fields: Any) -> dict[str, Any]:
    result = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [choice]}, "id": "x"}
    return {"id": 7, "completed_by": author, "result": [result], "was_cancelled": False,
            "created_at": "2026-11-28T09:00:00.123456Z", "lead_time": 2.345} | fields  # fmt: skip


def task(name: str, *annotations: dict[str, Any], address: str = "s3://bucket/underbase/") -> dict[str, Any]:
    return {"id": 3, "annotations": list(annotations), "data": {"image": address + name, "majority": "hot_dog"}}


def test_what_was_exported_and_not_changed_is_there_already() -> None:
    given = votes(**{"a.jpg": "10", "b.jpg": "1"})
    given["b.jpg"][""] = Label("b.jpg", "0")
    tasks = json.loads(
        encode_tasks(TrainingSet.from_votes([Image("a.jpg", 1), Image("b.jpg", 1)], given, ties="folder"), "bucket")
    )
    found = find_new(tasks, ["a.jpg", "b.jpg"], given)
    assert (found.new, found.known, found.differing) == ([], 4, 0)


def test_new_labels_have_their_author_time_and_seconds() -> None:
    found = find_new(
        [task("a.jpg", annotation("hot_dog"), annotation("not_hot_dog", {"id": 2, "email": "eve@example.org"})),
         task("b%20c.jpg", annotation("hot_dog", "bob"), address="https://bucket.s3.amazonaws.com/underbase/")],
        ["a.jpg", "b c.jpg"], {},
    )  # fmt: skip
    assert found.new == [
        Label("a.jpg", "1", "label-studio-1", "2026-11-28T09:00:00.123Z", "2.35"),
        Label("a.jpg", "0", "eve@example.org", "2026-11-28T09:00:00.123Z", "2.35"),
        Label("b c.jpg", "1", "bob", "2026-11-28T09:00:00.123Z", "2.35"),
    ]


def test_a_label_that_is_there_stays_and_what_can_not_be_understood_is_counted() -> None:
    two = annotation("hot_dog")
    two["result"][0]["value"]["choices"].append("not_hot_dog")
    tasks = [
        task(
            "a.jpg",
            annotation("hot_dog", "a"),
            annotation("maybe", "c"),
            annotation("hot_dog", was_cancelled=True),
            two,
        ),
        task("gone.jpg", annotation("hot_dog")),
        task("a.jpg", annotation("hot_dog", "z"), annotation("not_hot_dog", "z"), {"result": []}, {"result": "none"}),
    ]
    found = find_new(tasks, ["a.jpg"], votes(**{"a.jpg": "0"}))
    assert [label.annotator for label in found.new] == ["z"]
    assert (found.known, found.differing, found.elsewhere, found.unclear) == (0, 2, 1, 4)
    assert len(found.summary().splitlines()) == 4


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '[{"image": "s3://b/underbase/a.jpg", "label": "hot_dog"}]', "[" * 9_000]
)
def test_a_file_that_is_no_export_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "tasks.json").write_text(content)
    with pytest.raises(UserError, match="export the project as JSON"):
        read_tasks(tmp_path / "tasks.json")
    with pytest.raises(UserError, match="can't be read"):
        read_tasks(tmp_path)


def test_the_program_adds_labels_once_and_changes_no_row(samples: World) -> None:
    first, second, *_ = image_names(samples)
    put_labels(samples, f"{first},1,ada,2026-11-23T12:00:00.000Z,1.00\n")
    assert piped(samples, "export", "set", "--format", "labelstudio", typed="")[0] == 0
    tasks = json.loads((samples.home / "set" / "tasks.json").read_text())
    tasks[0]["annotations"][0]["result"][0]["value"]["choices"] = ["not_hot_dog"]
    tasks += [task(second, annotation("hot_dog", "bob"))]
    (samples.home / "project.json").write_text(json.dumps(tasks))
    code, output, errors = piped(samples, "import", "project.json", typed="")
    assert (code, errors) == (0, "") and output.splitlines()[0] == "1 added, 0 there already."
    assert "1 that differ" in output
    code, output, _ = piped(samples, "import", "project.json", typed="")
    assert output.splitlines()[0] == "0 added, 1 there already."
    assert [(row["image"], row["label"], row["annotator"]) for row in rows(samples)] == [
        (first, "1", "ada"), (second, "1", "bob")
    ]  # fmt: skip
