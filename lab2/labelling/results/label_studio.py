"""A training set as tasks of Label Studio: the pictures stay in S3, each person's label is an annotation."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

from lab2.aws.resources import IMAGE_PREFIX
from lab2.labelling.labels.label import Label
from lab2.labelling.results.training_set import CLASS_OF, CLASSES, TrainingSet

TASKS = "tasks.json"
# What a project needs as its labelling interface.
_CHOICES = "".join(f'<Choice value="{name}"/>' for name in CLASSES)
CONFIG = f'<View><Image name="image" value="$image"/><Choices name="label" toName="image">{_CHOICES}</Choices></View>'


def encode_tasks(wanted: TrainingSet, bucket: str) -> bytes:
    """Return the tasks as JSON that Label Studio imports."""
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
    choice = {"choices": [CLASS_OF[label.label]]}
    found: dict[str, Any] = {"result": [{"from_name": "label", "to_name": "image", "type": "choices", "value": choice}]}
    if label.time:
        found["created_at"] = label.time.isoformat()
    with suppress(ValueError):
        if math.isfinite(seconds := float(label.seconds.replace(",", "."))):  # JSON has no NaN
            found["lead_time"] = seconds
    return found
