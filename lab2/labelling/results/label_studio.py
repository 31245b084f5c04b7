"""Label Studio: a training set as its tasks, and what people labelled there as labels.

The pictures stay in S3, and each label is an annotation. Label Studio makes whoever imports tasks the author of all
annotations, so the result of each annotation names its annotator, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lab2.aws.resources import IMAGE_PREFIX
from lab2.errors import UserError
from lab2.labelling.labels.choices import BY_VALUE, value_meant
from lab2.labelling.labels.label_row import Label, Votes, by_image, clean_name
from lab2.labelling.labels.timestamps import format_time, parse_time
from lab2.labelling.results.training_set import CLASS_OF, CLASSES, TrainingSet
from lab2.terminal import printable

TASKS = "tasks.json"
# The labelling interface that a project needs.
_CHOICES = "".join(f'<Choice value="{name}"/>' for name in CLASSES)
CONFIG = f'<View><Image name="image" value="$image"/><Choices name="label" toName="image">{_CHOICES}</Choices></View>'


def encode_tasks(wanted: TrainingSet, bucket: str) -> bytes:
    """Return the tasks as JSON for Label Studio."""
    tasks = [
        {
            "data": {
                "image": f"s3://{bucket}/{IMAGE_PREFIX}{example.image.name}",
                "majority": example.label,
                "agreement": round(example.agreement, 4),
                "annotators": [label.annotator for label in example.given],
            },
            "annotations": [_annotation(label) for label in example.given],
        }
        for example in wanted.examples
    ]
    return json.dumps(tasks, indent=1).encode()


def _annotation(label: Label) -> dict[str, Any]:
    result: dict[str, Any] = {
        "from_name": "label",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": [CLASS_OF[label.label]]},
        "meta": {"text": [label.annotator]},
    }
    found: dict[str, Any] = {"result": [result], "ground_truth": False}
    if label.time:
        found["created_at"] = label.time.isoformat()
    if label.duration is not None:
        found["lead_time"] = label.duration
    return found


@dataclass
class Import:
    """What Label Studio has exported: the new labels, and how many others there are of each kind."""

    new: list[Label] = field(default_factory=list)
    known: int = 0  # in the label file already
    differing: int = 0  # the annotator's label in the label file is another one, and stays
    elsewhere: int = 0  # of pictures that are not in the bucket
    unclear: int = 0  # with none of our choices, or several

    def summary(self) -> str:
        """Return what is added and what is not, a sentence a line."""
        lines = [f"{len(self.new):,} added, {self.known:,} there already."]
        if self.differing:
            lines.append(f"Not added: {self.differing:,} that differ from the label that the annotator gave here.")
        if self.elsewhere:
            lines.append(f"Not added: {self.elsewhere:,} of pictures that are not in the bucket.")
        if self.unclear:
            lines.append(f"Not added: {self.unclear:,} without exactly one of the choices {', '.join(CLASSES)}.")
        return "\n".join(lines)


def read_tasks(path: Path) -> list[dict[str, Any]]:
    """Return the tasks in a file that Label Studio exported as JSON; UserError if it has none."""
    try:
        tasks = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{printable(str(path))} can't be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        tasks = None
    if not isinstance(tasks, list) or not all(isinstance(task, dict) and "annotations" in task for task in tasks):
        raise UserError(
            f"{printable(str(path))} has no tasks. In Label Studio, export the project as JSON (not JSON-MIN)."
        )
    return tasks


def find_new(tasks: Iterable[dict[str, Any]], images: Iterable[str], votes: Votes) -> Import:
    """Return the labels in tasks that are not in the label file; no label is replaced."""
    names = set(images)
    given = {image: dict(labels) for image, labels in by_image(votes, names).items()}
    found = Import()
    for task in tasks:
        image = _image(task.get("data"))
        for annotation in _finished(task):
            label = _label(image, annotation)
            if image not in names:
                found.elsewhere += 1
            elif label is None:
                found.unclear += 1
            elif earlier := given.setdefault(image, {}).get(label.annotator):
                found.known += earlier.label == label.label
                found.differing += earlier.label != label.label
            else:
                given[image][label.annotator] = label
                found.new.append(label)
    return found


def _finished(task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    annotations = task["annotations"]
    for annotation in annotations if isinstance(annotations, list) else ():
        if isinstance(annotation, dict) and not annotation.get("was_cancelled"):  # skipped
            yield annotation


def _image(data: object) -> str:
    """Return the name of the picture in the data of a task, '' if there is none."""
    for value in data.values() if isinstance(data, dict) else ():
        if isinstance(value, str) and IMAGE_PREFIX in value:
            address = value if value.startswith("s3://") else unquote(urlsplit(value).path)
            return address.partition(IMAGE_PREFIX)[2]
    return ""


def _label(image: str, annotation: dict[str, Any]) -> Label | None:
    """Return an annotation as a label, None unless it has exactly one of our choices."""
    results = annotation.get("result") or ()
    match [each for each in results if isinstance(each, dict) and each.get("type") == "choices"]:
        case [{"value": {"choices": [name]}} as result]:
            meant = value_meant(str(name))
        case _:
            return None
    if meant not in BY_VALUE:
        return None
    time = parse_time(str(annotation.get("created_at", "")))
    seconds = annotation.get("lead_time")
    return Label(
        image,
        meant,
        _annotator(result, annotation.get("completed_by")),
        format_time(time) if time else "",
        f"{seconds:.2f}" if isinstance(seconds, (int, float)) and 0 <= seconds < float("inf") else "",
    )


def _annotator(result: dict[str, Any], author: object) -> str:
    """Return who gave a label: the name in our export, or else Label Studio's user."""
    match result:
        case {"meta": {"text": str(name) | [str(name), *_]}}:
            return name.strip()
    if isinstance(author, dict):
        author = author.get("email") or author.get("username") or author.get("id")
    return clean_name(f"label-studio-{author}" if isinstance(author, int) else str(author or "")) or "label-studio"
