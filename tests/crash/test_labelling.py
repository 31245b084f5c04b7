"""The labeller's part of the crash matrix: exactly the labels that were taken.

A label is taken once the program asks for the next picture or says what is safe. The one that was typed just
when the program was killed may be there or not, and is never there twice.
"""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import pytest
from support.faults import FAULTS, REFUSALS, at_each_call, first_always
from support.labeller import rows, waiting
from support.proxy import ALWAYS, Call, Fault, Proxy
from support.world import PATIENCE, ROOT, Program, World, until

from lab2.aws.resources import IMAGE_PREFIX, LABEL_KEY
from lab2.aws.s3.stored_object import COPY_FROM_BYTES
from lab2.labelling.labels.csv_dialect import HEADER

ANSWER_QUEUE = ["1", "0", "u", "1", "1", "0"]  # five labels of four pictures
SAMPLE = (ROOT / "underbase" / "b5ee1b165ac3-IMG_0417.jpg").read_bytes()
OLD = f"{HEADER}\nold.jpg,1,bob,2026-11-23T12:00:00.000Z,\n".encode()
MUCH = OLD + b"".join(b"%01000d.jpg,1,bob,2026-11-23T12:00:00.000Z,\n" % number for number in range(5_200))

# What it asks of AWS: the operation, what is in its path, and which of these calls.
LABEL_CALLS = {
    "GetCallerIdentity": ("Query", "/", 1),
    "LIST of the bucket": ("ListObjectsV2", "prefix=underbase%2F", 1),
    "LIST of pictures": ("ListObjectsV2", "prefix=underbase%2F", 2),
    "GET of a picture": ("GetObject", f"/{IMAGE_PREFIX}", 1),
    "GET of the last picture": ("GetObject", f"/{IMAGE_PREFIX}", 4),
    "LIST of labels": ("ListObjectsV2", f"prefix={LABEL_KEY}", 1),
    "GET of labels": ("GetObject", f"/{LABEL_KEY}", 1),
    "PUT of labels": ("PutObject", f"/{LABEL_KEY}", 1),
    "second PUT of labels": ("PutObject", f"/{LABEL_KEY}", 2),
    "last PUT of labels": ("PutObject", f"/{LABEL_KEY}", 5),
}
MULTIPART_CALLS = ["CreateMultipartUpload", "UploadPartCopy", "UploadPart", "CompleteMultipartUpload"]
FRAME = 24 + 4096  # bytes that a label takes in SQLite's write-ahead log


@dataclass
class Round:
    """What somebody typed: `taken` is (image, label) of every label taken, `doubtful` what was typed last."""

    annotator: str
    taken: list[tuple[str, str]] = field(default_factory=list)
    doubtful: list[tuple[str, str]] = field(default_factory=list)
    code: int = 0
    errors: str = ""


@pytest.fixture
def pictures(world: World, proxy: Proxy) -> World:
    """A world with six pictures and one label of bob's, whose programs speak through the proxy."""
    world.env |= {"AWS_ENDPOINT_URL": proxy.url, "LOGNAME": "eve"}
    for number in range(6):
        world.aws.s3.put_object(Bucket=world.aws.bucket, Key=f"{IMAGE_PREFIX}{number}.jpg", Body=SAMPLE)
    put(world, OLD)
    return world


def put(world: World, body: bytes) -> None:
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=LABEL_KEY, Body=body)


def start(world: World, annotator: str, **env: str) -> Program:
    return world.start("hotdog.py", "label", "--display", "terminal", "--annotator", annotator, env=env)


def answer(
    program: Program,
    answers: list[str] = ANSWER_QUEUE,
    before: Callable[[Round], object] = lambda _: None,
) -> Round:
    """Type an answer to each picture once it is asked for, each after `before`; return what became of it."""
    round, left = Round(program.args[-1]), list(answers)
    for line in program.stdout:
        if "Picture " in line or "safe in S3" in line:
            round.taken, round.doubtful = round.taken + round.doubtful, []
        if "3 quit" in line:  # the menu: what was typed last was refused
            round.doubtful = []
            print("label", file=program.stdin, flush=True)
        if "Picture " in line and left:
            before(round)
            picture, key = line.partition("Picture ")[2].split()[3], left.pop(0)
            try:
                print(key, file=program.stdin, flush=True)
            except BrokenPipeError:  # it is dead
                break
            round.doubtful = [(picture, key)] * (key in "01")
    program.wait(PATIENCE)
    round.code, round.errors = program.returncode, program.stderr.read()
    # of one that is killed, a child that it was just starting may say that it can't go on
    assert "Traceback" not in round.errors or round.code == -signal.SIGKILL
    return round


def start_again(world: World, annotator: str = "second") -> Round:
    """Label as if nothing had happened."""
    round = answer(start(world, annotator))
    assert round.code == 0 and len(round.taken) == 5
    return round


def assert_exactly(world: World, *rounds: Round, old: bytes = OLD) -> None:
    """The labels are those that were there, and of each round those that were taken, in order; none waits on disk."""
    assert world.objects(LABEL_KEY)[LABEL_KEY].startswith(old)
    added = rows(world)[old.count(b"\n") - 1 :]
    for round in rounds:
        found = [(row["image"], row["label"]) for row in added if row["annotator"] == round.annotator]
        assert found in (round.taken, round.taken + round.doubtful)
    assert {row["annotator"] for row in added} <= {round.annotator for round in rounds}
    assert waiting(world) == []


def go_through(world: World, proxy: Proxy, call: tuple[str, str, int], fault: str, saves: str) -> tuple[Round, Round]:
    """Let a fault happen to a call of the first of two rounds, in which each label is saved by itself."""
    operation, part, nth = call
    victims: list[Program] = []
    killed = "killed" in fault
    rule = proxy.on(operation, FAULTS[fault](lambda: victims[0].kill()), nth, times=1 if killed else 2,
                    only=lambda it: part in it.path)  # fmt: skip
    victims.append(start(world, "first"))

    def saved(round: Round) -> object:
        return until(lambda: proxy.calls[saves] >= len(round.taken) or victims[0].poll() is not None)

    first = answer(victims[0], before=saved)
    assert rule.seen >= nth
    assert first.code == (-signal.SIGKILL if killed else 0)
    assert killed or len(first.taken) == 5
    return first, start_again(world)


@pytest.mark.parametrize(("call", "fault"), at_each_call(LABEL_CALLS))
def test_label(pictures: World, proxy: Proxy, call: str, fault: str) -> None:
    assert_exactly(pictures, *go_through(pictures, proxy, LABEL_CALLS[call], fault, "PutObject"))


@pytest.mark.parametrize(("call", "fault"), at_each_call(MULTIPART_CALLS, always=1))
def test_label_past_five_megabytes(pictures: World, proxy: Proxy, call: str, fault: str) -> None:
    assert len(MUCH) > COPY_FROM_BYTES
    put(pictures, MUCH)
    rounds = go_through(pictures, proxy, (call, "", 2), fault, "CompleteMultipartUpload")
    assert_exactly(pictures, *rounds, old=MUCH)


@pytest.mark.parametrize(
    "old", [pytest.param(OLD, id="small file"), pytest.param(MUCH, id="past five megabytes", marks=pytest.mark.long)]
)
@pytest.mark.parametrize("fault", first_always(["somebody was first", "killed when somebody was first", *REFUSALS], 2))
def test_label_write_refused_for_a_while(pictures: World, proxy: Proxy, fault: str, old: bytes) -> None:
    put(pictures, old)
    rival = Round("rival")

    def append() -> None:
        image = f"{len(rival.taken)}.jpg"
        put(pictures, pictures.objects(LABEL_KEY)[LABEL_KEY] + f"{image},1,rival,2026-11-23T12:00:00.000Z,\n".encode())
        rival.taken.append((image, "1"))

    victims: list[Program] = []
    write = "PutObject" if old == OLD else "CompleteMultipartUpload"
    if fault in REFUSALS:
        rule = proxy.on(write, Fault(refuse=REFUSALS[fault]), times=8, only=_of_labels)
    else:
        rule = proxy.on(write, Fault(before=append), times=3, only=_of_labels)
    if "killed" in fault:
        proxy.on("GetObject", Fault(before=lambda: victims[0].kill()), nth=2 + (old == MUCH), only=_of_labels)
    victims.append(start(pictures, "first"))
    first = answer(victims[0], before=lambda it: until(lambda: rule.seen > 3 or not it.taken or _dead(victims[0])))
    until(lambda: rule.seen)
    proxy.forget()
    assert_exactly(pictures, first, rival, start_again(pictures), old=old)


@pytest.mark.parametrize("fault", first_always(["cut", "lost", *REFUSALS]))
@pytest.mark.long
def test_label_saves_nothing_in_the_whole_first_run_and_all_in_the_next(
    pictures: World, proxy: Proxy, fault: str
) -> None:
    refused = Fault(refuse=REFUSALS[fault]) if fault in REFUSALS else Fault(**{fault: True})
    proxy.on("PutObject", refused, times=ALWAYS, only=_of_labels)
    if fault == "lost":
        proxy.on("GetObject", Fault(cut=True), nth=2, times=ALWAYS, only=_of_labels)  # nor can it be looked up
    first = answer(start(pictures, "first"))
    assert first.code == 1 and "5 labels not in S3 yet: kept in" in first.errors
    everything = [proxy.on(operation, Fault(cut=True), times=ALWAYS) for operation in ("ListObjectsV2", "GetObject")]
    impatient = "tests/support/with_setting.py", "hotdog.py", "lab2.labelling.session:Session.patience=0.5"
    arguments = ["label", "--display", "terminal", "--annotator", "nobody"]
    nothing = answer(pictures.start(*impatient, *arguments))
    assert nothing.code == 2 and "AWS can't be reached" in nothing.errors and not nothing.taken
    assert len(waiting(pictures)) == 5
    proxy.forget(*everything)
    proxy.forget()
    second = start_again(pictures)
    assert "Sent 5 labels that an earlier run had left on this disk." in second.errors
    assert_exactly(pictures, first, second)


@pytest.mark.parametrize("torn", first_always(["half a label", "cut by a byte", "zeros", "gone"]))
def test_label_outbox_torn(pictures: World, proxy: Proxy, torn: str) -> None:
    """The power fails, and the last that was written to SQLite's write-ahead log is not what the disk has."""
    rule = proxy.on("PutObject", Fault(cut=True), times=ALWAYS)
    program = start(pictures, "first")
    first = answer(program, before=lambda it: len(it.taken) < 4 or program.kill())
    proxy.forget(rule)
    (log,) = (pictures.home / ".local/state/lab2").glob("*/*-wal")
    whole, last = log.read_bytes()[:-FRAME], log.read_bytes()[-FRAME:]
    log.write_bytes(whole + {"cut by a byte": last[:-1], "half a label": last[: FRAME // 2], "zeros": b"\0" * FRAME,
                             "gone": b""}[torn])  # fmt: skip
    left = len(waiting(pictures))
    assert left >= 3
    first.taken, first.doubtful = first.taken[:left], []
    assert_exactly(pictures, first, start_again(pictures))


@pytest.mark.parametrize("network", first_always(["away", "there"]))
@pytest.mark.parametrize("size", first_always([40_000, 0, 9_000, 60_000]))
def test_label_disk_full(pictures: World, proxy: Proxy, size: int, network: str) -> None:
    rule = proxy.on("PutObject", Fault(cut=True), times=ALWAYS if network == "away" else 0)
    program = start(pictures, "first")
    resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (size, size))
    first = answer(program)
    first.doubtful = []  # refused is refused
    if size == 0:
        assert "This label was not saved" in first.errors or "Labels can't be kept" in first.errors
        assert first.code == 2 and not first.taken
    proxy.forget(rule)
    assert_exactly(pictures, first, start_again(pictures))


def test_label_disk_full_and_then_room_again(pictures: World, proxy: Proxy) -> None:
    rule, prompts = proxy.on("PutObject", Fault(cut=True), times=ALWAYS), count(1)
    program = pictures.start("hotdog.py", "--display", "terminal", "--annotator", "first")  # with its menu

    def meanwhile(_: Round) -> None:
        prompt = next(prompts)
        if prompt in (1, 3):  # the second label does not fit; in the next round all do
            (log,) = (pictures.home / ".local/state/lab2").glob("*/*-wal")
            size = log.stat().st_size + FRAME if prompt == 1 else resource.RLIM_INFINITY
            resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        elif prompt == 5:
            program.kill()

    first = answer(program, answers=["1"] * 6, before=meanwhile)
    assert len(first.taken) == 3
    proxy.forget(rule)
    assert_exactly(pictures, first, start_again(pictures))


@pytest.mark.parametrize("fault", first_always(["killed after", "killed before", "none"]))
def test_label_two_programs_of_one_user_and_what_a_third_left(pictures: World, proxy: Proxy, fault: str) -> None:
    third, killing = start(pictures, "third"), Fault(after=lambda: third.kill(), lost=True)
    proxy.on("PutObject", killing, only=_of_labels)
    rounds = [answer(third)]
    victims: list[Program] = []
    if fault != "none":
        proxy.on("PutObject", FAULTS[fault](lambda: victims[0].kill()), only=_of_labels)  # of whichever is first
    victims += [start(pictures, "first"), start(pictures, "other")]
    rounds += together(victims)
    assert_exactly(pictures, *rounds, start_again(pictures))


def test_label_beside_a_living_program_that_can_t_reach_s3(pictures: World, proxy: Proxy) -> None:
    """Another program of the user sends what waits, whoever took it."""
    broken = Proxy(proxy.target)  # the network of the first program alone
    broken.on("PutObject", Fault(cut=True), times=ALWAYS)
    program, others = start(pictures, "first", AWS_ENDPOINT_URL=broken.url), []

    def meanwhile(first: Round) -> None:
        if len(first.taken) == 2 and not others:
            others.append(start_again(pictures, "other"))
            assert len([row for row in rows(pictures) if row["annotator"] == "first"]) >= 2
        elif len(first.taken) == 4:
            program.kill()

    first = answer(program, before=meanwhile)
    broken.close()
    assert_exactly(pictures, first, *others, start_again(pictures))


@pytest.mark.parametrize("people", first_always([4, 16]))
def test_label_many_people_at_once_with_conflicts_and_lost_replies(pictures: World, proxy: Proxy, people: int) -> None:
    conflicts, replies = count(), count()
    proxy.on("PutObject", Fault(refuse=REFUSALS["409"]), times=ALWAYS, only=lambda call: next(conflicts) % 3 == 1)
    proxy.on("PutObject", Fault(lost=True), times=ALWAYS, only=lambda call: next(replies) % 5 == 0)
    rounds = together([start(pictures, f"labeller {number}") for number in range(people)])
    assert {len(round.taken) for round in rounds} == {5}
    proxy.forget()
    assert_exactly(pictures, *rounds, *([start_again(pictures)] if waiting(pictures) else []))


def together(programs: list[Program]) -> list[Round]:
    rounds: list[Round] = []
    threads = [threading.Thread(target=lambda program=program: rounds.append(answer(program))) for program in programs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
    assert len(rounds) == len(programs)
    return rounds


def _of_labels(call: Call) -> bool:
    return f"/{LABEL_KEY}" in call.path


def _dead(program: Program) -> bool:
    return program.poll() is not None
