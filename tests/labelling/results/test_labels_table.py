"""The labels that count, as other programs read them: the same votes whatever the label file went through."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.labeller import piped, put_labels
from support.world import PATIENCE, ROOT, World

from lab2.aws.resources import LABEL_KEY
from lab2.labelling.labels.label_file import LabelIndex
from lab2.labelling.labels.label_row import Label, Votes, without_withdrawn
from lab2.labelling.results.labels_table import as_csv, as_json, rows_of
from lab2.labelling.results.report import Report
from lab2.terminal import harmless_cell

CASES = sorted((ROOT / "tests" / "cases" / "tables").glob("*.csv"))
HOSTILE = """image,label,annotator,timestamp,seconds
a.jpg,0,ada,2026-11-28T09:00:00.000Z,1
a.jpg,TRUE, ada ,2026-11-28 10:00:00+00,"1,5"
a.jpg,0,ada,28/11/2026 09:30:00,
a.jpg,1,NA,,
a.jpg,0,null,,
a.jpg,1,,,
"b, ""c"".jpg",hot dog,0012,,
"b, ""c"".jpg",0,12,,
"b, ""c"".jpg",0,1e3,,
"b, ""c"".jpg",1.0,1000,,
'=x.jpg,1,T,2026-11-28T09:00:00.000Z,
'=x.jpg,0,true,2026-11-28T09:00:00.000Z,
'=x.jpg,0,T,,
d.jpg,1,Jos\u00e9,2026-11-28T09:00:00.000Z,
d.jpg,0,Jose\u0301,2026-11-28T10:00:00.000Z,
e.jpg,1,eve,2026-11-28T09:00:00.000Z,
e.jpg,withdrawn,eve,2026-11-28T10:00:00.000Z,
2026-11-28,1,2026-11-28,,
"""


def votes_in(data: bytes) -> Votes:
    index = LabelIndex(lambda: data, appends=False)
    index.replace(data)
    index.read()
    return without_withdrawn(index.votes)


def test_a_table_has_one_row_for_each_picture_and_annotator_in_one_form() -> None:
    rows = list(rows_of(["a.jpg"], votes_in(HOSTILE.encode())))
    nobody, na, ada, null = (row for row in rows if row["image"] == "a.jpg")
    assert (nobody["annotator"], na["annotator"]) == ("", "NA")
    assert null == {"image": "a.jpg", "label": "0", "annotator": "null", "timestamp": None, "seconds": None}
    assert ada == {"image": "a.jpg", "label": "1", "annotator": "ada", "timestamp": "2026-11-28T10:00:00.000Z",
                       "seconds": 1.5}  # fmt: skip
    table = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert [row["annotator"] for row in table if row["image"] == "d.jpg"] == ["José"]
    assert "e.jpg" not in {row["image"] for row in table}
    assert json.loads(as_json(rows)) == rows and as_json([]) == "[\n]"
    assert [row["image"] for row in rows if str(row["image"]).startswith("=")] == ["=x.jpg"] * 2
    assert [row["image"] for row in table if row["image"].startswith("'")] == ["'=x.jpg"] * 2


def test_a_name_with_a_line_end_is_one_cell_whichever_that_is() -> None:
    names = ["a\rb.jpg", "c\nd.jpg", "e\r\nf.jpg"]
    table = as_csv(rows_of(names, {name: {"ada": Label(name, "1", "ada")} for name in names}))
    assert [row["image"] for row in csv.DictReader(io.StringIO(table, newline=""))] == names


def snippet(word: str) -> str:
    """Return the example of docs/how-to/analyse.md that has this word."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "how-to" / "analyse.md").read_text(), re.DOTALL)
    (found,) = (block for block in blocks if word in block)
    return str(found)


AS_JSON = {
    "pandas.read_csv": "print(votes.reset_index().to_json(orient='values', double_precision=15))",
    "FROM read_csv": "import json; print(json.dumps(votes.fetchall()))",
}


def shares(rows: list[list[Any]]) -> dict[str, tuple[float, int]]:
    return {image: (round(share, 9), count) for image, share, count in rows}


def test_the_documented_examples_agree_with_the_report_on_hostile_files(tmp_path: Path) -> None:
    votes: Votes = {}
    for name, data in {"": HOSTILE.encode(), **{path.name: path.read_bytes() for path in CASES}}.items():
        votes |= {image + name: labels for image, labels in votes_in(data).items()}
    table = as_csv(rows_of(votes, votes))
    (tmp_path / "labels.csv").write_text(table, "utf-8")
    verdicts = [verdict for verdict in Report.from_votes(votes, votes).verdicts if verdict.labels]
    expected = shares([[harmless_cell(each.image), each.votes[0] / each.labels, each.labels] for each in verdicts])
    assert len(expected) > 40
    for word, print_votes in AS_JSON.items():
        done = subprocess.run([sys.executable, "-c", snippet(word) + print_votes], cwd=tmp_path, capture_output=True,
                              text=True, timeout=PATIENCE)  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert shares(json.loads(done.stdout.splitlines()[-1])) == expected
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE labels (image TEXT, label TEXT, annotator TEXT, timestamp TEXT, seconds TEXT)")
        database.executemany("INSERT INTO labels VALUES (?, ?, ?, ?, ?)", list(csv.reader(io.StringIO(table)))[1:])
        found = database.execute("SELECT image, avg(label = '1'), count(*) FROM labels GROUP BY image")
        assert shares([list(row) for row in found]) == expected


VOTES_OF_CASES = {
    "relabel": {"0944-a.jpg": {"ada": "1"}},
    "relabel_dmy": {"0944-a.jpg": {"ada": "1"}},
    "relabel_duckdb": {"0944-a.jpg": {"ada": "1"}},
    "relabel_polars": {"0944-a.jpg": {"ada": "1"}},
    "typed": {"0944-a.jpg": {"ada": "1"}},
    "tf": {"0944-a.jpg": {"T": "1", "true": "1", "F": "0"}},
    "words": {"0944-a.jpg": {"ada": "1", "bob": "0"}},
}


@pytest.mark.parametrize("name", VOTES_OF_CASES)
def test_a_case_has_the_votes_that_people_gave(name: str) -> None:
    votes = votes_in((ROOT / "tests" / "cases" / "tables" / f"{name}.csv").read_bytes())
    assert {image: {who: label.label for who, label in labels.items()} for image, labels in votes.items()} == (
        VOTES_OF_CASES[name]
    )


def test_the_program_prints_the_labels_that_the_report_counts(samples: World) -> None:
    samples.aws.s3.put_object(Bucket=samples.aws.bucket, Key=LABEL_KEY, Body=HOSTILE.encode())
    code, table, _ = piped(samples, "labels", typed="")
    rows = list(csv.DictReader(io.StringIO(table)))
    told = json.loads(piped(samples, "report", "--output", "json", typed="")[1])
    assert code == 0 and Counter(row["annotator"] for row in rows) == {
        each["name"]: each["labels"] for each in told["annotators"]
    }
    code, output, errors = piped(samples, "labels", "--output", "json", typed="")
    assert code == 0 and len(json.loads(output)) == len(rows)
    assert "count as different annotators" in errors and "has no annotator" in errors
    put_labels(samples, "")
    assert piped(samples, "labels", typed="")[:2] == (0, "image,label,annotator,timestamp,seconds\n")
