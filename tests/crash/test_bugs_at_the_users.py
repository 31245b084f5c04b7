"""An error that nobody foresaw, in the client or the labeller: it is said, the rest goes on, nothing is lost."""

from __future__ import annotations

import io
import json
import re

import pytest
from support.bugs import BAD, ERRORS, assert_explained, buggy
from support.client import ME, exit_code, typing
from support.faults import first_always
from support.labeller import rows, waiting
from support.world import PATIENCE, ROOT, World, until

from lab2.aws.sqs.message_queue import Outgoing
from lab2.stats.protocol import answer_request, encode_answer

CLIENT = {
    "receiver, before": "lab2.stats.client.connection:Connection.receive",
    "receiver, after": "lab2.aws.sqs.message_queue:Queue.receive!",
    "looks for earlier answers": "lab2.stats.client.connection:Connection._look",
    "whose it is": "lab2.stats.client.inbox:Inbox._is_for_us",
    "reader of answers": "lab2.stats.client.inbox:decode_answer",
    "leases": "lab2.aws.sqs.leases:Leases.renew",
    "deleter, before": "lab2.aws.sqs.message_queue:Queue.delete",
    "deleter, after": "lab2.aws.sqs.message_queue:Queue.delete!",
}
SENDER = {
    "sender, before": "lab2.aws.sqs.message_queue:Queue.try_send",
    "sender, after": "lab2.aws.sqs.message_queue:Queue.try_send!",
}
OUTBOX = {
    "outbox": "lab2.labelling.labels.outbox:Outbox._save",
    "outbox file, asked": "lab2.labelling.labels.outbox_file:OutboxFile.take",
    "outbox file, told": "lab2.labelling.labels.outbox_file:OutboxFile.remove",
    "label file": "lab2.labelling.labels.label_file:LabelFile.append",
    "label file, after": "lab2.labelling.labels.label_file:LabelFile.append!",
    "index, asked": "lab2.labelling.labels.label_file:LabelIndex.missing",
    "index, told": "lab2.labelling.labels.label_file:LabelIndex.wrote",
    "S3 write, after": "lab2.aws.s3.append_object:AppendObject._write!",
}
DECODER = {
    "decoder": "lab2.labelling.pictures.decoding.decoder:Decoder._ask",
    "in the decoder's process": "lab2.labelling.pictures.decoding.decode:decode",
}


# ---- the client ---------------------------------------------------------------------------------


@pytest.mark.parametrize("error", first_always(ERRORS[:1] + ERRORS[2:]))
@pytest.mark.parametrize("place", first_always(CLIENT | SENDER, len(CLIENT | SENDER)))
def test_a_file_is_answered_though_the_client_has_a_bug_for_a_while(
    quick: World, server: object, place: str, error: str
) -> None:
    path = quick.home / "series.txt"
    path.write_text(f"1\n2\n{BAD}\n4\n")
    arguments = "file", str(path), "--client", ME, "--output", "json"
    client = buggy(quick, "client.py", (CLIENT | SENDER)[place], error, 3, "", *arguments)
    output, errors = client.communicate(timeout=2 * PATIENCE)
    assert client.returncode == 0
    assert [json.loads(line)["numbers"] for line in output.splitlines()] == [[1], [2], [BAD], [4]]
    assert_explained(errors, error)
    if place != "sender, after":  # by which requests are sent several times: copies of answers may come after its end
        until(lambda: quick.depth("lab2_1") == (0, 0))


@pytest.mark.parametrize("error", first_always(ERRORS[:1] + ERRORS[2:]))
@pytest.mark.parametrize("place", first_always(CLIENT, len(CLIENT)))
def test_a_dialogue_goes_on_though_the_client_has_a_bug_for_a_while(
    quick: World, server: object, place: str, error: str
) -> None:
    client = buggy(quick, "client.py", CLIENT[place], error, 3, "", "--client", ME)
    output, errors = client.communicate(f"1\n\ny\n{BAD}\n\ny\n4\n\nn\n", timeout=2 * PATIENCE)
    assert client.returncode == 0
    for number, value in (1, 1), (2, BAD), (3, 4):
        assert [f"{number}", *[f"{value}"] * 5] in [line.split() for line in output.splitlines()]
    assert_explained(errors, error)
    until(lambda: quick.depth("lab2_1") == (0, 0))


@pytest.mark.parametrize(
    ("place", "target"),
    [("reader", "lab2.stats.client.inbox:decode_answer"), ("table", "lab2.stats.client.output:shortest")],
)
def test_an_answer_that_can_not_be_shown_keeps_no_other_back_and_is_not_lost(
    quick: World, place: str, target: str
) -> None:
    listener = buggy(quick, "client.py", target, "RuntimeError", 0, f"{BAD}", "listen", "--client", ME)
    bodies = [encode_answer(answer_request(f"{number}", f"[{number}]")) for number in (BAD, 11, 44)]
    assert quick.queue("lab2_1").send([Outgoing(body) for body in bodies]) == []
    assert listener.stdout and listener.stderr
    shown = ""
    while not all(f" {number} " in shown for number in (11, 44)):
        shown += listener.stdout.readline()
    while "internal error" not in shown:  # the answer with the bug may be the last to be received
        shown += listener.stderr.readline()
    until(lambda: sum(quick.depth("lab2_1")) == (place == "reader"))  # which the next run shows
    listener.terminate()
    output, errors = listener.communicate(timeout=PATIENCE)
    assert_explained(shown + output + errors, "RuntimeError")
    if place == "table":
        assert f"'max': {BAD}.0" in shown + output  # as it is


@pytest.mark.parametrize("place", SENDER)
def test_what_was_typed_is_kept_when_sending_it_fails_by_a_bug(quick: World, server: object, place: str) -> None:
    bug = SENDER[place], "RuntimeError", "1", ""
    with typing(quick, program=("tests/support/with_bug.py", "client.py", *bug)) as person:
        person.expect("Number 1 of 10")
        person.sendline("3")
        person.expect("Number 2 of 10")
        person.sendline("")
        person.expect(r"internal error: RuntimeError: a bug by the test \(traceback in ")
        person.expect("Your numbers are kept: 3")
        person.expect("Try again")
        person.sendline("")
        person.logfile_read = screen = io.StringIO()
        person.expect("Another message")
        person.sendline("n")
        assert exit_code(person) == 0
        assert re.search(r"\b1 +3 +3 ", screen.getvalue())  # before the question, or behind it
    assert len(b"".join(quick.objects("log/2").values()).splitlines()) == 1
    client = buggy(quick, "client.py", *bug[:2], 0, "", "--client", ME)
    _, errors = client.communicate("3\n5.5\n\n", timeout=PATIENCE)
    assert client.returncode == 2 and "may have been sent" in errors and errors.rstrip().endswith("client.py 3 5.5")
    assert_explained(errors, "RuntimeError")


# ---- the labeller -------------------------------------------------------------------------------


@pytest.mark.parametrize("error", first_always(ERRORS))
@pytest.mark.parametrize("place", first_always(OUTBOX, len(OUTBOX)))
def test_labels_are_saved_once_though_the_outbox_has_a_bug_for_a_while(samples: World, place: str, error: str) -> None:
    labeller = buggy(samples, "hotdog.py", OUTBOX[place], error, 3, "", "--display", "terminal")
    assert labeller.stdin
    print("2\n1\n0\n1\n0", file=labeller.stdin, flush=True)
    until(lambda: len(rows(samples)) >= 4 and not waiting(samples))
    _, errors = labeller.communicate("3\n", timeout=PATIENCE)
    assert labeller.returncode == 0
    assert_explained(errors, error)
    assert [row["label"] for row in rows(samples)] == ["1", "0", "1", "0"]


def test_a_label_that_a_bug_keeps_from_the_disk_is_refused_and_the_menu_goes_on(samples: World) -> None:
    target = "lab2.labelling.labels.outbox_file:OutboxFile.add"
    labeller = buggy(samples, "hotdog.py", target, "RuntimeError", 1, "", "--display", "terminal")
    output, errors = labeller.communicate("2\n1\n2\n0\n0\n0\n0\n3\n", timeout=PATIENCE)
    assert labeller.returncode == 1 and "4 labels safe in S3" in output
    assert "This label was not saved: internal error" in errors
    assert_explained(errors, "RuntimeError")
    assert [row["label"] for row in rows(samples)] == ["0"] * 4


@pytest.mark.parametrize("error", first_always(ERRORS))
@pytest.mark.parametrize("place", first_always(DECODER, len(DECODER)))
def test_a_picture_on_which_the_decoder_has_a_bug_is_left_out(samples: World, place: str, error: str) -> None:
    bug = DECODER[place], error, 1, ""
    labeller = buggy(samples, "hotdog.py", *bug, "label", "--display", "terminal")
    output, errors = labeller.communicate("1\n0\n1\n0\n", timeout=PATIENCE)
    assert labeller.returncode == 0 and "4 labels safe in S3" in output and "can't be shown" in errors
    assert_explained(errors, error)


def test_a_bug_of_the_decoder_leaves_one_file_out_of_an_upload_and_one_picture_out_of_a_sheet(world: World) -> None:
    folder, sheet = ROOT / "underbase", world.home / "sheet.png"
    pictures = len(list(folder.iterdir()))
    upload = buggy(world, "hotdog.py", DECODER["decoder"], "RuntimeError", 1, "", "upload", str(folder))
    output, errors = upload.communicate(timeout=2 * PATIENCE)
    assert upload.returncode == 1 and f"{pictures - 1} uploaded, 0 already there, 1 left out." in output
    assert_explained(errors, "RuntimeError")
    report = buggy(world, "hotdog.py", DECODER["decoder"], "RuntimeError", 1, "", "report", "--sheet", str(sheet))
    output, errors = report.communicate(timeout=2 * PATIENCE)
    assert report.returncode == 0 and sheet.stat().st_size > 10_000
    assert_explained(errors, "RuntimeError")
