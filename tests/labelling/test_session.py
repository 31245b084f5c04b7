"""What the labeller reads is tried again in an outage, for half a minute at most, and Ctrl-C ends that at once."""

from __future__ import annotations

import signal

import pytest
from support.labeller import piped, put_labels, rows
from support.proxy import ALWAYS, Call, Fault, Proxy
from support.world import PATIENCE, World

from lab2.aws.resources import LABEL_KEY

ATTEMPTS = 3  # of boto3 at each call
IMPATIENT = "tests/support/with_setting.py", "hotdog.py", "lab2.labelling.session:Session.patience=2"  # seconds


def of_the_labels(call: Call) -> bool:
    return f"/{LABEL_KEY}" in call.path


def of_the_pictures(call: Call) -> bool:
    return "prefix=underbase%2F" in call.path


# What is read, by which call, and by which commands.
READS = {
    "Connecting": ("ListObjectsV2", 1, of_the_pictures),
    "Listing the pictures": ("ListObjectsV2", 2, of_the_pictures),
    "Reading the labels": ("GetObject", 1, of_the_labels),
}
COMMANDS = {"label": ["label"], "useful": ["label", "--pick", "useful"], "report": ["report"]}
CASES = [
    ("Reading the labels", "useful"), ("Listing the pictures", "label"), ("Listing the pictures", "report"),
    ("Reading the labels", "report"), ("Connecting", "label"),
]  # fmt: skip


@pytest.fixture
def labelled(samples: World, proxy: Proxy) -> World:
    """A world with the sample pictures and one label, whose programs speak through the proxy."""
    put_labels(samples, "old.jpg,1,bob,2026-11-23T12:00:00.000Z,\n")
    samples.env["AWS_ENDPOINT_URL"] = proxy.url
    return samples


@pytest.mark.parametrize(("what", "command"), CASES)
def test_a_read_that_is_cut_off_is_tried_again(labelled: World, proxy: Proxy, what: str, command: str) -> None:
    operation, nth, only = READS[what]
    rule = proxy.on(operation, Fault(cut=True), nth, times=2 * ATTEMPTS, only=only)
    code, _, errors = piped(labelled, *COMMANDS[command], typed="1\n0\n1\n0\n")
    assert code == 0 and rule.seen > 2 * ATTEMPTS
    assert errors.count(f"{what} fails; retrying: AWS can't be reached") == errors.count(f"{what} works again") == 1
    assert command == "report" or len(rows(labelled)) == 5


@pytest.mark.long
@pytest.mark.parametrize(("what", "command"), CASES)
def test_a_read_that_fails_for_too_long_is_given_up_with_a_sentence(
    labelled: World, proxy: Proxy, what: str, command: str
) -> None:
    operation, nth, only = READS[what]
    proxy.on(operation, Fault(cut=True), nth, times=ALWAYS, only=only)
    program = labelled.start(*IMPATIENT, *COMMANDS[command])
    output, errors = program.communicate("1\n", timeout=PATIENCE)
    assert program.returncode == 2 and output == ""
    *before, reason = errors.splitlines()
    assert reason.startswith("AWS can't be reached")
    assert [line.partition(" fails; retrying: AWS can't be reached")[0] for line in before] in (
        [what],
        [],
    )  # [] if slow


@pytest.mark.long
@pytest.mark.parametrize(("what", "command"), CASES)
def test_ctrl_c_ends_a_read_that_fails(labelled: World, proxy: Proxy, what: str, command: str) -> None:
    operation, nth, only = READS[what]
    proxy.on(operation, Fault(cut=True), nth, times=ALWAYS, only=only)
    program = labelled.start("hotdog.py", *COMMANDS[command])
    assert program.stderr and f"{what} fails; retrying: " in program.stderr.readline()
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=PATIENCE)
    assert program.returncode == 130 and errors == ""  # after its 30 s it would say why, and end with 2
