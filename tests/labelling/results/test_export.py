"""`hotdog.py export`: which pictures are in a training set, where, and what a second export does."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import resource
import signal
import threading
from collections import Counter
from pathlib import Path

import cv2
import numpy
import pytest
from support.labeller import image_names, piped, put_labels, votes
from support.proxy import ALWAYS, Fault, Proxy
from support.world import PATIENCE, ROOT, World, until

from lab2.errors import UserError
from lab2.labelling.labels.label_row import Label, Votes
from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.image_store import Image, digest, stored_name
from lab2.labelling.pictures.picture import UnreadableImage
from lab2.labelling.results.export import MARKER, Export, Format
from lab2.labelling.results.label_studio import CONFIG, TASKS, encode_tasks
from lab2.labelling.results.training_set import Split, TrainingSet, suffix_of


class Store:
    """Pictures in memory, by name; what is fetched is noted."""

    def __init__(self, *contents: bytes) -> None:
        self.contents = {stored_name("IMG.jpg", digest(content)): content for content in contents}
        self.fetched: list[str] = []

    def images(self) -> list[Image]:
        return [Image(name, len(content)) for name, content in self.contents.items()]

    def fetch(self, image: Image) -> bytes:
        self.fetched.append(image.name)
        if image.name not in self.contents:
            raise UnreadableImage("it is no longer there")
        return self.contents[image.name]

    def export(self, folder: Path, given: Votes, split: str = "", **options: object) -> Export:
        self.fetched = []
        export = Export(folder, Split(split), self.fetch)
        wanted = TrainingSet.from_votes(self.images(), given, **options)  # type: ignore[arg-type]
        export.run(wanted)
        self.summary = export.summary(wanted)
        return export


def files(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder but for export's own, by path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MARKER}  # fmt: skip


def exported(name: str) -> str:
    """Return the name of the file that a picture gets whose name has the digest of its content."""
    return name[:12] + suffix_of(name)


def metadata(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def named(store: Store, **labels: str) -> Votes:
    """Return votes for the pictures whose content is given: a digit an annotator."""
    names = {content.decode(): name for name, content in store.contents.items()}
    return votes(**{names[content]: given for content, given in labels.items()})


def test_pictures_lie_in_the_folder_of_their_majority_and_metadata_has_the_votes(tmp_path: Path) -> None:
    store = Store(b"w", b"x", b"y", b"z")
    export = store.export(tmp_path / "set", named(store, w="110", x="00", y="10"))
    w, x, _, _ = store.contents
    hot, cold = f"hot_dog/{exported(w)}", f"not_hot_dog/{exported(x)}"
    assert files(tmp_path / "set").keys() == {hot, cold, "metadata.csv"}
    assert files(tmp_path / "set")[hot] == b"w"
    assert metadata(tmp_path / "set") == [
        {"file_name": hot, "label": "hot_dog", "votes": "3", "agreement": "0.6667", "key": w},
        {"file_name": cold, "label": "not_hot_dog", "votes": "2", "agreement": "1.0", "key": x},
    ]
    assert export.left_out == {}
    assert store.summary.splitlines() == [
        f"2 pictures in {tmp_path / 'set'}: 1 hot_dog, 1 not_hot_dog.",
        "2 fetched, 0 already there, 0 moved, 0 removed.",
        "Not in it: 1 with too few labels, 1 with a tie.",
    ]


@pytest.mark.parametrize(("ties", "folder"), [("skip", None), ("first", "not_hot_dog"), ("folder", "tied")])
def test_a_tie_is_skipped_or_goes_by_the_first_label_or_into_a_folder_of_its_own(
    tmp_path: Path, ties: str, folder: str | None
) -> None:
    store = Store(b"x")
    (name,) = store.contents
    given = {name: {"ada": Label(name, "1", "ada", "2026-11-23T12:00:01.000Z"),
                    "bob": Label(name, "0", "bob", "2026-11-23T12:00:00.000Z")}}  # fmt: skip
    store.export(tmp_path, given, ties=ties)
    assert {path.parent.name for path in tmp_path.glob("*/*.jpg")} == ({folder} if folder else set())


def test_a_picture_needs_so_many_votes(tmp_path: Path) -> None:
    store = Store(b"x", b"y", b"z")
    store.export(tmp_path, named(store, x="1", y="11", z="111"), min_votes=2)
    assert sorted(row["votes"] for row in metadata(tmp_path)) == ["2", "3"]


def test_a_second_export_fetches_only_what_is_missing_moves_what_changed_and_removes_what_left(tmp_path: Path) -> None:
    store = Store(b"w", b"x", b"y", b"z")
    w, x, y, z = store.contents
    store.export(tmp_path, named(store, w="1", x="1", y="0", z="0"))
    before = files(tmp_path)
    store.export(tmp_path, named(store, w="1", x="1", y="0", z="0"))
    assert store.fetched == [] and files(tmp_path) == before and "0 fetched, 4 already there" in store.summary

    (tmp_path / "hot_dog" / exported(w)).write_bytes(b"")  # the disk was full once
    (tmp_path / "hot_dog" / "mine.jpg").write_bytes(b"the user's own")
    del store.contents[y]
    store.export(tmp_path, named(store, w="1", x="100", z="0") | votes(**{y: "0"}))
    assert store.fetched == [w]
    assert files(tmp_path).keys() == {
        f"hot_dog/{exported(w)}", f"not_hot_dog/{exported(x)}", f"not_hot_dog/{exported(z)}", "hot_dog/mine.jpg",
        "metadata.csv",
    }  # fmt: skip
    assert "1 fetched, 1 already there, 1 moved, 1 removed." in store.summary
    assert "No longer in the bucket: 1 of the labelled pictures." in store.summary


def test_what_an_interrupted_export_fetched_is_not_fetched_again_and_nothing_is_half_written(tmp_path: Path) -> None:
    contents = [f"picture {number}".encode() for number in range(60)]
    store = Store(*contents)
    given = votes(**dict.fromkeys(store.contents, "1"))
    fetch = store.fetch

    def failing(image: Image) -> bytes:
        if len(store.fetched) >= 30:
            raise UserError("AWS can't be reached")
        return fetch(image)

    export = Export(tmp_path, Split(), failing)
    with pytest.raises(UserError, match="AWS can't be reached"):
        export.run(TrainingSet.from_votes(store.images(), given))
    first = set(store.fetched)
    assert set(files(tmp_path).values()) <= set(contents)
    (tmp_path / f"{MARKER}-1-1").write_bytes(b"half a pict")  # as a kill leaves it
    os.utime(tmp_path / f"{MARKER}-1-1", (0, 0))
    store.export(tmp_path, given)
    assert len(store.fetched) == 60 - len(first) and set(store.fetched).isdisjoint(first)
    assert files(tmp_path).keys() == {"metadata.csv", *(f"hot_dog/{exported(name)}" for name in store.contents)}


def test_the_split_is_up_to_the_content_alone(tmp_path: Path) -> None:
    contents = [f"picture {number}".encode() for number in range(300)]
    store = Store(*contents)
    names = list(store.contents)
    store.export(tmp_path, votes(**dict.fromkeys(names[:200], "1")), "80/10/10")
    assert re.search(r"^Split: 1\d\d train, \d+ validation, \d+ test\.$", store.summary, re.MULTILINE)
    before = {path.name: path.parent.parent.name for path in tmp_path.glob("*/*/*.jpg")}
    parts = Counter(before.values())
    assert parts.keys() == {"train", "validation", "test"} and 140 < parts["train"] < 180
    assert {row["file_name"] for row in metadata(tmp_path / "test")} == {
        f"hot_dog/{name}" for name, part in before.items() if part == "test"
    }
    store.contents["copy of a picture.jpg"] = contents[0]
    more = votes(**dict.fromkeys(names, "0"), **{"copy of a picture.jpg": "1"})
    store.export(tmp_path, more, "80/10/10")  # other labels, other pictures, and a copy under another name
    after = {path.name: path.parent.parent.name for path in tmp_path.glob("*/*/*.jpg")}
    assert before.items() <= after.items() and len(after) == 301
    (copy,) = (part for name, part in after.items() if "-" in name)
    assert copy == before[exported(names[0])]
    store.export(tmp_path, more)
    assert store.fetched == [] and {path.name for path in tmp_path.iterdir()} == {
        MARKER, "hot_dog", "not_hot_dog", "metadata.csv"
    }  # fmt: skip


STRANGE = [
    "cat.jpg", "CAT.JPG", "a/b.jpg", "a_b.jpg", "con", "nul.txt", "what?.png", 'quo"te<>|*.jpg', "dot. .", "..",
    "é.jpg", "e\u0301.jpg", "line\nend.jpg", "🌭" * 250, ".hidden.jpg", "=1+1.jpg", "back\\slash.jpg",
]  # fmt: skip


def test_names_that_no_system_can_hold_and_names_that_meet_are_kept_apart(tmp_path: Path) -> None:
    store = Store(b"ours")
    (ours,) = store.contents
    for number, name in enumerate([*STRANGE, f"{0:012}-liar.jpg"]):
        store.contents[name] = f"content {number}".encode()
    store.contents[ours.replace("IMG", "img")] = b"ours"
    export = store.export(tmp_path, votes(**dict.fromkeys(store.contents, "1")))
    assert export.left_out == {}
    rows = metadata(tmp_path)
    assert sorted(row["key"].lstrip("'") for row in rows) == sorted(store.contents)
    for row in rows:
        path = tmp_path / row["file_name"]
        assert path.read_bytes() == store.contents[row["key"].lstrip("'")]
        assert re.fullmatch(r"[0-9a-f]{12}(-[0-9a-f]{12})?(\.(jpg|png))?", path.name)
    assert len({row["file_name"].casefold() for row in rows}) == len(rows)
    before = files(tmp_path)
    store.export(tmp_path, votes(**dict.fromkeys(store.contents, "1")))
    assert store.fetched == [] and files(tmp_path) == before


def test_a_folder_that_export_did_not_make_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "hot_dog").mkdir()
    (tmp_path / "hot_dog" / f"{hashlib.sha256().hexdigest()[:12]}-a.jpg").write_bytes(b"the user's own")
    store = Store(b"x")
    with pytest.raises(UserError, match="Name a new folder"):
        store.export(tmp_path, named(store, x="1"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="can't be written"):
        store.export(tmp_path / "file", named(store, x="1"))
    assert len(files(tmp_path)) == 2


def test_a_picture_that_is_gone_in_between_is_left_out(tmp_path: Path) -> None:
    store = Store(b"x", b"y")
    wanted = TrainingSet.from_votes(store.images(), named(store, x="1", y="1"))
    gone = next(iter(store.contents))
    del store.contents[gone]
    export = Export(tmp_path, Split(), store.fetch)
    export.run(wanted)
    assert export.left_out == {gone: "it is no longer there"} and len(metadata(tmp_path)) == 1


@pytest.mark.parametrize("split", ["", "80/10/10"])
def test_the_layout_is_the_one_that_torchvision_and_hugging_face_document(tmp_path: Path, split: str) -> None:
    """`datasets.load_dataset("imagefolder")` 5.2.0 read such folders on 2026-11-25, splits and metadata too.

    `torchvision.datasets.ImageFolder` takes every folder for a class, a hidden one too, and wants a picture in each.
    """
    store = Store(*(f"picture {number}".encode() for number in range(60)))
    given = {name: labels for name in store.contents for labels in votes(**{name: "1"}).values()}
    store.export(tmp_path, given, split, ties="folder")
    parts = [tmp_path / part for part in ("train", "validation", "test")] if split else [tmp_path]
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == (
        {part.name for part in parts} if split else {"hot_dog", "not_hot_dog"}
    )
    for part in parts:
        assert sorted(path.name for path in part.iterdir() if path.is_dir()) == ["hot_dog", "not_hot_dog"]
        rows = metadata(part)
        assert next(iter(rows[0])) == "file_name"
        assert {row["file_name"] for row in rows} == {
            path.relative_to(part).as_posix() for path in part.rglob("*.jpg")
        }  # fmt: skip


def test_tasks_for_label_studio_name_the_picture_in_s3_and_have_each_label(tmp_path: Path) -> None:
    """The JSON of https://labelstud.io/guide/task_format; valid to label-studio-sdk 2.1.2 on 2026-11-25."""
    store = Store(b"x")
    (name,) = store.contents
    given = {name: {"ada": Label(name, "1", "ada", "2026-11-23T12:00:01.000Z", "1,5"), "bob": Label(name, "0", "bob"),
                    "cyd": Label(name, "1", "cyd")}}  # fmt: skip
    export = Export(tmp_path / "set", Split(), store.fetch)
    export.write(TASKS, encode_tasks(TrainingSet.from_votes(store.images(), given), "bucket"))
    (task,) = json.loads((tmp_path / "set" / TASKS).read_text())
    assert task["data"] == {"image": f"s3://bucket/underbase/{name}", "majority": "hot_dog", "agreement": 0.6667,
                            "annotators": ["ada", "bob", "cyd"]}  # fmt: skip
    first, second, _ = task["annotations"]
    (result,) = first["result"]
    assert result == {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": ["hot_dog"]},
                      "meta": {"text": ["ada"]}}  # fmt: skip
    assert first["ground_truth"] is False
    assert (first["created_at"], first["lead_time"]) == ("2026-11-23T12:00:01+00:00", 1.5)
    assert second["result"][0]["value"] == {"choices": ["not_hot_dog"]} and "lead_time" not in second
    assert {f'name="{result["from_name"]}" toName="{result["to_name"]}"', 'value="$image"'} <= set(
        re.findall(r'name="label" toName="\w+"|value="\$\w+"', CONFIG)
    )
    assert CONFIG in " ".join((ROOT / "docs" / "how-to" / "analyse.md").read_text().split())
    with pytest.raises(UserError, match="Name a new folder"):
        Export(tmp_path, Split(), store.fetch).write(TASKS, b"[]")
    assert store.fetched == []


def test_the_program_exports_what_people_labelled_and_goes_on_after_it_was_interrupted(
    samples: World, proxy: Proxy
) -> None:
    names = image_names(samples)
    put_labels(
        samples, "".join(f"{name},{number % 2},ada,,\n" for number, name in enumerate(names)) + "gone.jpg,1,ada,,\n"
    )
    samples.env["AWS_ENDPOINT_URL"] = proxy.url
    going_on = threading.Event()
    proxy.on("GetObject", Fault(before=lambda: going_on.wait(PATIENCE)), nth=9, times=ALWAYS,
             only=lambda call: "/underbase/" in call.path)  # fmt: skip
    program = samples.start("hotdog.py", "export", "set")
    until(lambda: len(list((samples.home / "set").glob("*/*.*"))) >= 8)
    program.send_signal(signal.SIGINT)
    going_on.set()
    output, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, output) == (130, "")
    assert re.fullmatch(r"\d+ of 24 pictures fetched. Run export again to continue.\n", errors)
    code, output, errors = piped(samples, "export", "set", typed="")
    assert (code, errors) == (0, "")
    assert "24 pictures in set: 12 hot_dog, 12 not_hot_dog." in output and "No longer in the bucket: 1 of" in output
    assert "24 fetched" not in output and " 0 already there" not in output
    found = {path.name: path.read_bytes() for path in (samples.home / "set").glob("*/*.*")}
    assert found == {exported(name): samples.objects(f"underbase/{name}")[f"underbase/{name}"] for name in names}


def test_a_full_disk_is_said_and_is_not_filled_with_parts_of_files(samples: World) -> None:
    def fill_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    put_labels(samples, "".join(f"{name},1,ada,,\n" for name in image_names(samples)))
    program = samples.start("hotdog.py", "export", "set", preexec_fn=fill_disk)
    _, errors = program.communicate(timeout=PATIENCE)
    assert program.returncode == 2
    assert "can't be written: File too large. Put it right, then run export again." in errors
    assert list((samples.home / "set").glob(f"{MARKER}-*")) == []


@pytest.mark.parametrize(
    ("args", "sentence"),
    [(["export"], "DIR"), (["export", "set", "--split", "8/1/1"], "8/1/1 is not a split. Give two or three"),
     (["export", "set", "--ties", "both"], "--ties"), (["export", "set", "--min-votes", "x"], "--min-votes")],
)  # fmt: skip
def test_a_command_line_that_is_wrong_is_refused_in_a_sentence(world: World, args: list[str], sentence: str) -> None:
    code, output, errors = piped(world, *args, typed="")
    assert (code, output) == (2, "") and sentence in errors and len(errors.splitlines()) == 1
    assert not (world.home / "set").exists()


@pytest.mark.parametrize("split", ["", "80/10/10"])
def test_no_word_that_makes_a_split_is_in_a_path_of_the_export(tmp_path: Path, split: str) -> None:
    """`datasets` 5.2.0 took such words in file names for splits, and then loaded one picture of 24 without a label."""
    store = Store()
    words = ["dev team lunch.jpg", "test.jpg", "train/eval.png", "my validation-set.webp", "a.eval", "task.toml"]
    store.contents = {name: name.encode() for name in words}
    store.export(tmp_path, votes(**dict.fromkeys(words, "1")), split)
    names = [path.name for path in tmp_path.rglob("*") if path.is_file() and path.name not in (MARKER, "metadata.csv")]
    assert len(names) == len(words)
    assert not [name for name in names if re.search("dev|test|train|val|eval|task", name)]


def test_pictures_are_converted_to_what_every_loader_reads(tmp_path: Path) -> None:
    pictures = {path.name: path.read_bytes() for path in sorted((ROOT / "underbase").iterdir())}
    store = Store()
    kinds = {path: data for path, data in pictures.items() if path.endswith((".webp", ".png"))}
    first = next(data for name, data in pictures.items() if name.endswith(".jpg"))
    wide = b"P5 65501 1 255\n" + bytes(65_501)  # more than a JPEG can have
    store.contents = {**dict(list(kinds.items())[:2]), "photo": first, "broken.gif": b"GIF89a", "wide.pgm": wide}
    given = votes(**dict.fromkeys(store.contents, "1"))
    decoder = Decoder()
    try:
        export = Export(tmp_path, Split("80/10/10"), store.fetch, Format("jpg", decoder))
        export.run(TrainingSet.from_votes(store.images(), given))
        assert export.left_out.keys() == {"broken.gif", "wide.pgm"}
        assert "65,500 pixels" in export.left_out["wide.pgm"]
        found = {placed.example.image.name: placed.path for placed in export.placed}
        for name, path in found.items():
            picture = cv2.imdecode(numpy.frombuffer(store.contents[name], numpy.uint8), cv2.IMREAD_COLOR)
            shown = cv2.imread(str(path))
            assert path.suffix == ".jpg" and path.read_bytes().startswith(b"\xff\xd8\xff")
            assert shown.shape == picture.shape
        assert found["photo"].read_bytes() == first
        again = Export(tmp_path, Split("80/10/10"), store.fetch, Format("jpg", decoder))
        store.fetched = []
        again.run(TrainingSet.from_votes(store.images(), given))
        assert set(store.fetched) == export.left_out.keys() and {placed.what for placed in again.placed} == {
            "already there"
        }
    finally:
        decoder.close()
    store.export(tmp_path, given)
    assert {path.suffix for path in tmp_path.glob("*/*.*")} > {".webp"}
    assert set(store.fetched) == store.contents.keys()
