"""Whatever lies in the place of the label file, no label is lost and nothing in it is destroyed."""

from __future__ import annotations

import random
from collections import Counter

from support.fuzz import (
    assert_harmless,
    few_and_many,
    junk,
    mutated,
)
from support.world import World

from lab2.aws.resources import LABEL_KEY
from lab2.errors import UserError
from lab2.labelling.labels.csv_dialect import COLUMNS, CsvDialect, decode
from lab2.labelling.labels.label_file import LabelFile
from lab2.labelling.labels.label_row import Label, clean_name
from lab2.labelling.labels.outbox import Outbox
from lab2.labelling.labels.outbox_file import OutboxFile

SURE = ",".join(COLUMNS).encode(), b"no label file"  # so that both outcomes come up


def any_label_file(chance: random.Random) -> bytes:
    """Return what somebody may have put in the place of the label file."""
    columns = (
        chance.sample((*COLUMNS, "note", junk(chance, 2)), k=chance.randint(1, 7)) if chance.random() < 0.5 else COLUMNS
    )
    delimiter, end = chance.choice(",,;\t|"), chance.choice(("\n", "\r\n", "\r", "\n\n"))
    lines = [delimiter.join(columns)]
    lines += [delimiter.join(junk(chance, 1) for _ in columns) for _ in range(chance.randrange(4))]
    text = (end.join(lines) + chance.choice(("", end))).encode(chance.choice(("utf-8", "utf-8-sig", "utf-16")))
    kind = chance.randrange(4)
    return chance.randbytes(chance.randrange(200)) if kind == 0 else mutated(chance, text) if kind < 3 else text


@few_and_many(400, 4_000)
def test_any_label_file_has_a_form_that_keeps_a_label_or_is_refused(chance: random.Random, cases: int) -> None:
    outcomes: Counter[bool] = Counter()
    for _ in range(cases):
        head = any_label_file(chance)
        name = clean_name(junk(chance)) or "a.jpg"
        label = Label(name, chance.choice("01"), clean_name(junk(chance)), "2026-11-23T12:00:00.000Z", "0.8")
        try:
            form = CsvDialect.detect(head)
            row = form.encode(label)
        except UserError as problem:
            outcomes[False] += 1
            assert_harmless(str(problem))
            continue
        outcomes[True] += 1
        ((_, cells),) = form.rows(decode(row, form.encoding)[0])
        found = form.label(cells)
        assert found and found.identity == label.identity and found.label == label.label, (head, row)
        for _, cells in form.rows(decode(head, form.encoding)[0]):
            form.label(cells)
    assert min(outcomes[True], outcomes[False]) > cases / 20, outcomes


@few_and_many(12, 60)
def test_a_label_is_appended_to_any_label_file_or_waits_on_disk(
    world: World, chance: random.Random, cases: int
) -> None:
    outcomes: Counter[bool] = Counter()
    for number in range(cases):
        before = SURE[number] if number < len(SURE) else any_label_file(chance)
        world.aws.s3.put_object(Bucket=world.aws.bucket, Key=LABEL_KEY, Body=before)
        said: list[str] = []
        outbox = Outbox(world.aws, world.home / f"outbox-{number}", said.append)
        label = Label("a.jpg", "1", "eve", f"2026-11-23T12:00:00.{number:03}Z", "0.8")
        outbox.keep(label)
        saved = outbox.flush(10)
        outbox.close()
        file = OutboxFile(outbox.folder)
        left = file.labels()
        file.close()
        outcomes[saved] += 1
        after = world.objects(LABEL_KEY)[LABEL_KEY]
        assert after.startswith(before)
        if saved:
            found = LabelFile(world.aws)
            assert found.votes()["a.jpg"]["eve"].timestamp == label.timestamp or b"timestamp" not in before.lower()
            assert left == []
        else:
            assert after == before and said
            assert left == [label]
            assert_harmless("".join(said))
    assert len(outcomes) == 2, outcomes
