"""Other programs read an export and the table of labels as ours do; `make long` installs them."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.labeller import votes
from support.world import PATIENCE, ROOT

from lab2.labelling.labels.label_row import Label
from lab2.labelling.pictures.image_store import Image
from lab2.labelling.results.export import Export
from lab2.labelling.results.labels_table import as_csv, rows_of
from lab2.labelling.results.training_set import Split, TrainingSet

pytestmark = pytest.mark.long
NAMES = ["NA", "null", "None", "0012", "12", "1e3", "1000", "T", "true", "a, b", 'say "hi"', "José", ""]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    given = {"a.jpg": {name: Label("a.jpg", str(number % 2), name) for number, name in enumerate(NAMES)}}
    path = tmp_path / "labels.csv"
    path.write_text(as_csv(rows_of(["a.jpg"], given)) + "\n", "utf-8")
    return path


def expected(table: Path) -> Counter[tuple[str, str]]:
    rows = csv.DictReader(io.StringIO(table.read_text("utf-8"), newline=""))
    return Counter((row["annotator"], row["label"]) for row in rows)


def test_polars_reads_the_table_as_text(table: Path) -> None:
    polars = pytest.importorskip("polars")
    rows = polars.read_csv(table, infer_schema=False).fill_null("")
    assert Counter(rows.select("annotator", "label").iter_rows()) == expected(table)


def test_pyarrow_reads_the_table_as_text(table: Path) -> None:
    reader: Any = pytest.importorskip("pyarrow.csv")
    arrow = pytest.importorskip("pyarrow")
    types = dict.fromkeys(("image", "label", "annotator", "timestamp", "seconds"), arrow.string())
    rows = reader.read_csv(table, convert_options=reader.ConvertOptions(column_types=types)).to_pylist()
    assert Counter((row["annotator"], row["label"]) for row in rows) == expected(table)


@pytest.mark.skipif(not shutil.which("mlr"), reason="Miller is not installed")
def test_miller_reads_the_table_as_text(table: Path) -> None:
    command = ["mlr", "-S", "--icsv", "--ojson", "cut", "-o", "-f", "annotator,label", str(table)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert Counter((row["annotator"], row["label"]) for row in json.loads(done.stdout)) == expected(table)


@pytest.mark.parametrize("split", ["", "80/10/10"])
def test_datasets_reads_every_picture_of_an_export_with_its_label(
    tmp_path: Path, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets")
    pictures = [path.read_bytes() for path in sorted((ROOT / "underbase").iterdir())]
    names = ["dev team lunch.jpg", "test.jpg", "train/eval.png", "my validation-set.webp", "a.eval", "task.toml"]
    names += [f"{number}.png" for number in range(18)]
    store = dict(zip(names, pictures, strict=True))
    given = {name: votes(**{name: str(number % 2)})[name] for number, name in enumerate(names)}
    export = Export(tmp_path / "set", Split(split), lambda image: store[image.name])
    export.run(TrainingSet.from_votes([Image(name, len(data)) for name, data in store.items()], given))
    loaded = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    found = {row["key"]: row["label"] for rows in loaded.values() for row in rows}
    assert found == {name: ("not_hot_dog", "hot_dog")[number % 2] for number, name in enumerate(names)}
