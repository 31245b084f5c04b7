"""The client as a person meets it, at a pseudo-terminal, and as a script does, through a pipe."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest
from botocore.exceptions import ClientError
from support.client import ME, WAITING, client, exit_code, put_answer, raised, typing
from support.proxy import ALWAYS, Fault, Proxy
from support.world import PATIENCE, ROOT, World, tries_of_a_refused_call, until

from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Outgoing
from lab2.stats.client.batch import BatchRequest
from lab2.stats.client.connection import connect
from lab2.stats.client.inbox import Inbox
from lab2.stats.client.run import Run, runs_folder


def bodies(world: World) -> list[str]:
    return [message.body for message in world.drain("lab2")]


# ---- at a terminal ------------------------------------------------------------------------------


def test_numbers_are_asked_one_by_one_sent_and_answered(world: World, server: object) -> None:
    with typing(world, program=WAITING) as person:
        person.expect("Number 1 of 10")
        person.sendline("3")
        person.expect("Number 2 of 10")
        person.sendline("5.5")
        person.expect("Number 3 of 10")
        person.sendline("")
        person.expect(r"message +numbers +mean +median +max +min\r\n +1 +3 5.5 +4.25 +4.25 +5.5 +3\r\n")
        person.expect("Another message")
        person.sendline("Y")
        person.expect("Number 1 of 10")
        person.sendline("8")
        person.expect("Number 2 of 10")
        person.sendline("")
        person.expect(r" 2 +8 +8 +8 +8 +8\r\n")
        person.expect("Another message")
        person.sendline("yes")
        assert exit_code(person) == 0
    until(lambda: world.depth("lab2_1") == (0, 0))


def test_what_is_not_a_number_is_refused_with_the_reason_and_uses_up_a_try(world: World) -> None:
    with typing(world, "--wait", "0") as person:
        for number, (typed, reason) in enumerate(
            [("3,5", "use a point for decimals"), ("-1", "negative"), ("x", "not a number"), ("nan", "not a number")], 1
        ):
            person.expect(f"Number {number} of 10")
            person.sendline(typed)
            person.expect(f"Rejected: .*{reason}")
        for number in range(5, 11):
            person.expect(f"Number {number} of 10")
            person.sendline(str(number))
        person.expect("Another message")  # the tenth try ends the message by itself
    assert bodies(world) == ["[5, 6, 7, 8, 9, 10]"]


def test_keys_edit_the_line_and_up_brings_the_last_one_back(world: World) -> None:
    left, right, up, home, end = "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[H", "\x1b[F"
    with typing(world, "--wait", "0", TERM="xterm") as person:
        for number, keys in enumerate(
            ("35" + left + ".", "x\x7f8", "5" + home + "1" + end + "2" + left + right, up), 1
        ):
            person.expect(f"Number {number} of 10")
            person.sendline(keys)
        person.expect("Number 5 of 10")
        person.sendline("")
        person.expect("Another message")
        person.sendline("n")
        exit_code(person)
    assert bodies(world) == ["[3.5, 8, 152, 152]"]


def test_ten_lines_that_are_pasted_are_ten_entries(world: World) -> None:
    with typing(world, "--wait", "0", TERM="xterm") as person:
        person.expect("Number 1 of 10")
        assert "\x1b[?2004h" not in person.before, "a terminal that is asked for it brackets what is pasted: one line"
        person.send("".join(f"{number}\n" for number in range(1, 11)))
        person.expect("Another message")
        person.sendline("n")
        exit_code(person)
    assert bodies(world) == ["[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"]


def test_a_message_without_numbers_is_not_sent(world: World) -> None:
    with typing(world, "--wait", "0") as person:
        person.expect("Number 1")
        person.sendline("")
        person.expect("nothing was sent")
        person.expect("Another message")
        person.sendline("n")
        assert exit_code(person) == 0
    assert bodies(world) == []


def test_ctrl_d_sends_what_was_typed_and_ends_input(world: World, server: object) -> None:
    with typing(world) as person:
        person.expect("Number 1")
        person.sendline("4")
        person.expect("Number 2")
        person.sendeof()
        person.expect(r" 1 +4 +4 +4 +4 +4")
        assert exit_code(person) == 0


def test_ctrl_c_drops_the_unfinished_message_and_waits_for_the_others(world: World) -> None:
    with typing(world) as person:
        person.expect("Number 1")
        person.sendline("4")
        person.expect("Number 2")
        person.sendline("")
        person.expect("Another message")
        person.sendline("y")
        person.expect("Number 1")
        person.sendline("5")
        person.expect("Number 2")
        person.sendintr()
        person.expect("dropped")
        assert bodies(world) == ["[4]"]
        person.sendintr()
        person.expect("Not answered yet: message 1")
        assert exit_code(person) == 130


def test_an_unreachable_aws_is_said_while_typing_and_nothing_typed_is_lost(world: World) -> None:
    with typing(world, "--wait", "1", AWS_ENDPOINT_URL="http://127.0.0.1:9") as person:
        person.expect("Number 1")
        person.send("3.")  # half a number, when the sentence comes
        person.expect("Connecting fails; retrying: AWS can't be reached")
        person.expect("Number 1")
        person.sendline("5")
        person.expect("Number 2")
        person.sendline("")
        person.expect("Try again")
        person.sendline("y")
        person.expect("Try again")
        person.sendline("n")
        person.expect("client.py 3.5")
        assert exit_code(person) == 2


def test_ctrl_c_while_aws_is_away_says_how_to_send_what_was_typed(world: World) -> None:
    with typing(world, AWS_ENDPOINT_URL="http://127.0.0.1:9") as person:
        person.expect("Number 1")
        person.sendline("3.5")
        person.expect("Number 2")
        person.sendline("")
        person.expect("Waiting for the connection")
        person.sendintr()
        person.expect("client.py 3.5")
        assert exit_code(person) == 1


def test_a_message_that_sqs_may_have_taken_is_not_called_unsent(proxied: World, proxy: Proxy) -> None:
    proxy.on("SendMessageBatch", Fault(lost=True), times=ALWAYS)
    code, _, errors = client(proxied, "--wait", "1", "3", "5.5")
    assert code == 2 and "Not sent" not in errors and len(bodies(proxied)) >= 1
    assert "The client stopped. The message may have been sent. If it was, the next run as me@here shows" in errors
    assert errors.endswith("To send it again as a new message: client.py 3 5.5\n")

    with typing(proxied) as person:
        person.expect("Number 1")
        person.sendline("3")
        person.expect("Number 2")
        person.sendline("")
        person.expect("Sending fails; retrying")
        person.sendintr()
        person.expect("The message may have been sent")
        person.expect("waiting for 1 answer")


def test_an_outage_while_typing_is_waited_for(proxied: World, proxy: Proxy, server: object) -> None:
    cuts = [proxy.on(call, Fault(cut=True), times=ALWAYS) for call in ("GetQueueUrl", "SendMessageBatch")]
    with typing(proxied, program=WAITING) as person:
        person.expect("Connecting fails")
        person.sendline("3.5")
        person.expect("Number 2")
        proxy.forget(cuts[0])
        person.expect("Connecting works again")
        person.sendline("")
        person.expect("Sending fails; retrying")
        proxy.forget()
        person.expect("Sending works again")
        person.expect("3.5 +3.5 +3.5 +3.5 +3.5")


def test_a_missing_queue_is_said_at_once_with_the_command_that_makes_it(world: World) -> None:
    with typing(world, AWS_ACCESS_KEY_ID="999999999999") as person:
        person.expect("lab2 deploy")
        person.expect("Number 1")
        person.sendline("7")
        person.expect("Your numbers are kept: 7")
        person.expect("Try again")
        person.sendeof()
        person.expect("client.py 7")
        assert exit_code(person) == 2


def test_numbers_pasted_before_a_missing_queue_is_known_are_no_reply_to_try_again(world: World) -> None:
    with typing(world, AWS_ACCESS_KEY_ID="999999999999") as person:
        person.send("1\n2\n3\n\n")
        person.expect("Your numbers are kept: 1 2 3")
        person.expect("Try again")


def test_in_forty_columns_no_line_is_broken(world: World, server: object) -> None:
    with typing(world, "--wait", "30", "1e308", "0.1", "12345.678901234567", columns=40) as person:
        assert exit_code(person) == 0
        assert all(len(line) <= 40 for line in person.before.splitlines())
        assert "mean   " in person.before


# ---- through a pipe -----------------------------------------------------------------------------


def test_a_pipe_has_the_same_dialogue(world: World, server: object) -> None:
    code, output, errors = client(world, typed="3\n5,5\n5.5\n\nn\n")
    assert code == 0
    assert "Number 2 of 10 (Enter ends): 5,5\n" in output
    assert "use a point for decimals" in errors
    assert ["1", "3", "5.5", "4.25", "4.25", "5.5", "3"] in [line.split() for line in output.splitlines()]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_piped_lines_may_end_as_on_any_system(world: World, end: str) -> None:
    (world.home / "typed").write_bytes(end.join(["3", "5.5", "", "y", "8", "", "n", ""]).encode())
    with (world.home / "typed").open("rb") as typed:
        world.start("client.py", "--wait", "0", stdin=typed).communicate(timeout=PATIENCE)
    assert sorted(bodies(world)) == ["[3, 5.5]", "[8]"]


def test_numbers_on_the_command_line_are_one_message(world: World, server: object) -> None:
    code, output, errors = client(world, "3", "5.5", "8")
    assert (code, errors) == (0, "")
    assert output.splitlines()[-1].split() == ["1", "3", "5.5", "8", "5.5", "5.5", "8", "3"]


def test_bad_numbers_on_the_command_line_are_one_sentence(world: World) -> None:
    code, output, errors = client(world, "3,5")
    assert (code, output) == (2, "")
    assert "use a point" in errors


def test_unanswered_messages_are_named_and_shown_by_the_next_run(world: World) -> None:
    code, _, errors = client(world, "--wait", "1", "7")
    assert code == 1 and "Not answered yet: message 1" in errors
    world.start("server.py", "--drain").wait(PATIENCE)
    world.start("server.py")
    code, output, _ = client(world, "8")
    assert code == 0
    assert ["earlier", "7", "7", "7", "7", "7"] in [line.split() for line in output.splitlines()]


def test_an_answer_that_comes_twice_is_shown_once(world: World) -> None:
    put_answer(world, "[7]", times=3)
    code, output, _ = client(world, "--wait", "2", "8")
    assert code == 1
    assert output.count("earlier") == 1
    assert world.depth("lab2_1") == (0, 0)


def test_answers_of_others_are_left_to_them(world: World) -> None:
    put_answer(world, "[1]", client="you@there")
    put_answer(world, "[2]", client=None)
    code, output, _ = client(world, "--wait", "2", "8")
    assert code == 1
    rows = [line.split()[:2] for line in output.splitlines()]
    assert ["earlier", "2"] in rows and ["earlier", "1"] not in rows
    until(lambda: world.depth("lab2_1") == (1, 0))


def test_rubbish_on_the_answer_queue_is_shown_harmless_and_deleted(world: World) -> None:
    world.queue("lab2_1").send([Outgoing("\t]0;owned", {"client": ME}), Outgoing('{"id": 3}')])
    code, _, errors = client(world, "--wait", "2", "8")
    assert code == 1
    assert r"\t]0;owned" in errors
    assert world.depth("lab2_1") == (0, 0)


def test_three_clients_on_one_queue_each_see_their_own(world: World, server: object) -> None:
    clients = {name: world.start("client.py", "--client", name, *"123") for name in ("a", "b", "c")}
    for name, process in clients.items():
        output, errors = process.communicate(timeout=3 * PATIENCE)
        assert process.returncode == 0, (name, errors)
        assert output.splitlines()[-1].split() == ["1", "1", "2", "3", "2", "2", "3", "1"]
        assert "earlier" not in output
    until(lambda: world.depth("lab2_1") == (0, 0))


@pytest.mark.long
def test_hundreds_of_abandoned_answers_do_not_stand_before_ours(world: World, server: object) -> None:
    for _ in range(30):
        put_answer(world, "[1]", client="gone@away", times=10)
    code, output, _ = client(world, "5")
    assert code == 0
    assert output.splitlines()[-1].split() == ["1", "5", "5", "5", "5", "5"]
    until(lambda: world.depth("lab2_1") == (300, 0), 3 * PATIENCE)


def test_listen_shows_answers_until_it_is_interrupted(world: World) -> None:
    process = world.start("client.py", "listen", "--client", ME)
    put_answer(world, "[6]")
    until(lambda: world.depth("lab2_1") == (0, 0))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert output.splitlines()[-1].split() == ["earlier", "6", "6", "6", "6", "6"]


def test_a_private_queue_gets_the_answers_and_is_gone_afterwards(world: World, server: object) -> None:
    code, output, _ = client(world, "--private-answers", "9")
    assert code == 0
    assert output.splitlines()[-1].split() == ["1", "9", "9", "9", "9", "9"]
    urls = world.aws.sqs.list_queues(QueueNamePrefix="lab2_1-").get("QueueUrls", [])
    assert urls == []


# ---- files of series ----------------------------------------------------------------------------

SERIES = "1 2 3\n4, 5;6\n\n7\t8\nx 1\n1 2 3 4 5 6 7 8 9 10 11\n9\n"


@pytest.mark.parametrize("private", [[], ["--private-answers"]], ids=["shared", "private"])
def test_a_file_is_answered_in_the_order_of_its_lines(world: World, server: object, private: list[str]) -> None:
    code, output, errors = client(world, "file", "-", "--output", "csv", *private, typed=SERIES)
    assert code == 1  # two lines are bad
    rows = list(csv.DictReader(io.StringIO(output)))
    assert [(row["line"], row["numbers"], row["mean"]) for row in rows] == [
        ("1", "1 2 3", "2"), ("2", "4 5 6", "5"), ("4", "7 8", "7.5"), ("7", "9", "9")
    ]  # fmt: skip
    assert "Line 5 was not sent: 'x': not a number" in errors
    assert "Line 6 was not sent" in errors and "11 numbers" in errors
    assert "4 sent, 4 answered, 2 rejected" in errors


def test_a_file_of_hundreds_is_a_table_or_json(world: World, server: object) -> None:
    path = world.home / "séries.txt"
    path.write_text("".join(f"{number} {number}\n" for number in range(300)))
    code, output, _ = client(world, "file", str(path), "--output", "json")
    assert code == 0
    assert [json.loads(line)["numbers"] for line in output.splitlines()] == [[number, number] for number in range(300)]
    code, output, _ = client(world, "file", str(path))
    assert code == 0
    lines = output.splitlines()
    assert len(lines) == 301 and len({len(line) for line in lines}) == 1
    until(lambda: world.depth("lab2_1") == (0, 0))


def test_decimal_commas_are_read_as_such_and_said(world: World, server: object) -> None:
    code, output, errors = client(world, "file", "-", "--output", "csv", typed="3,5;5,25;8\n")
    assert code == 0 and "3.5 5.25 8" in output and "Commas mark decimals here" in errors


def test_what_could_be_meant_in_two_ways_is_not_sent_until_an_option_tells(world: World, server: object) -> None:
    code, output, errors = client(world, "file", "-", typed="3,5\n")
    assert code == 1 and "Line 1 was not sent: '3,5' could mean 3 and 5, or 3.5" in errors and "--decimal ," in errors
    assert bodies(world) == []
    code, output, errors = client(world, "file", "-", "--decimal", ",", "--output", "csv", typed="3,5\n")
    assert code == 0 and output.splitlines()[1].startswith("1,3.5,")
    code, output, errors = client(world, "file", "-", "--delimiter", ",", "--output", "csv", typed="3,5\n")
    assert code == 0 and output.splitlines()[1].startswith("1,3 5,")


def test_a_file_that_is_not_there_is_one_sentence(world: World) -> None:
    code, output, errors = client(world, "file", "nowhere.txt")
    assert (code, output) == (2, "")
    assert "nowhere.txt can't be read" in errors and errors.count("\n") == 1


def test_an_interrupted_file_says_what_was_sent_and_what_came_back(world: World) -> None:
    process = world.start("client.py", "file", "-", "--client", ME, stdin=subprocess.PIPE)
    assert process.stdin
    process.stdin.write("1\n2\n")
    process.stdin.close()
    process.stdin = None
    until(lambda: world.depth("lab2")[0] == 2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "2 sent, 0 answered" in errors


def test_an_answer_that_waits_for_the_line_before_it_longer_than_its_lease_is_shown_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab2.stats.client.inbox.ANSWER_VISIBILITY_S", 2)
    with ExitStack() as stack:
        request = BatchRequest(connect(AwsSession(), ME, False, stack), [("1", [1.0]), ("2", [2.0])])
        first, second = (each.id for each in request.requests)
        put_answer(world, "[2]", id=second)
        threading.Timer(5, put_answer, (world, "[1]"), {"id": first}).start()
        shown = [answer and answer.numbers for answer in request.answers(PATIENCE, lambda: None)]
        request.close()
    assert shown == [(1,), (2,)]
    assert world.depth("lab2_1") == (0, 0)


def test_three_files_at_once_on_one_queue_are_each_answered_in_order(world: World, server: object) -> None:
    path = world.home / "series.txt"
    path.write_text("".join(f"{number}\n" for number in range(30)))
    names = ("a", "b", "c")
    clients = [world.start("client.py", "file", str(path), "--client", name, "--output", "json") for name in names]
    for process in clients:
        output, errors = process.communicate(timeout=3 * PATIENCE)
        assert process.returncode == 0, errors
        assert [json.loads(line)["numbers"] for line in output.splitlines()] == [[number] for number in range(30)]
    until(lambda: world.depth("lab2_1") == (0, 0))


def test_killed_before_it_printed_the_next_run_shows_the_answer(world: World) -> None:
    id = put_answer(world, "[6]")
    (message,) = world.queue("lab2_1").receive(visibility=1)  # as by a client that is killed right here
    assert id in message.body
    until(lambda: world.depth("lab2_1") == (1, 0))
    code, output, _ = client(world, "--wait", "1", "8")
    assert code == 1
    assert "earlier" in output


# ---- when something goes wrong ------------------------------------------------------------------


def private_queues(world: World) -> list[str]:
    return world.aws.sqs.list_queues(QueueNamePrefix="lab2_1-").get("QueueUrls", [])


def test_an_answer_received_while_others_could_not_be_released_is_shown_later(
    proxied: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab2.stats.client.inbox.ANSWER_VISIBILITY_S", 1)  # it comes back after that
    put_answer(proxied, "[6]")
    put_answer(proxied, "[1]", client="you@there")
    (run := Run()).begin(runs_folder())
    inbox = Inbox(proxied.queue("lab2_1"), ME, run, raised)
    proxy.on("ChangeMessageVisibilityBatch", Fault(refuse=(403, "AccessDenied")), times=tries_of_a_refused_call())
    with pytest.raises(ClientError):
        while True:  # until the answer of the other is met
            assert inbox.receive(1) == [], "ours must come together with the other's for this test"
    shown = until(lambda: inbox.receive(1))
    assert [found.answer.numbers for found in shown] == [(6,)]


def test_a_script_is_asked_nothing_and_its_input_is_left_to_it(world: World) -> None:
    loop = f"while read x; do echo got $x; {sys.executable} {ROOT / 'client.py'} --wait 1 $x; done"
    env = world.env | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    done = subprocess.run(["sh", "-c", loop], input="1\n2\n", env=env, capture_output=True, text=True)
    assert done.stdout == "got 1\ngot 2\n"
    assert "Send it later with: client.py 2\n" in done.stderr


def test_in_one_pipe_an_entry_comes_before_its_rejection(world: World) -> None:
    process = world.start("client.py", "--client", ME, env={"PYTHONUNBUFFERED": ""}, stderr=subprocess.STDOUT)
    output, _ = process.communicate("seven\n", timeout=PATIENCE)
    assert output.index("Number 1 of 10 (Enter ends): seven") < output.index("Rejected: ") < output.index("Number 2")


def test_a_refused_receive_does_not_end_the_dialogue(proxied: World, proxy: Proxy) -> None:
    proxy.on("ReceiveMessage", Fault(refuse=(403, "AccessDenied")))
    with typing(proxied, "--wait", "0") as person:
        person.expect("Number 1")
        person.sendline("4")
        person.expect("Number 2")
        person.sendline("")
        person.expect("Another message")


def test_sigterm_takes_the_private_queue_away(world: World) -> None:
    process = world.start("client.py", "listen", "--client", ME, "--private-answers")
    until(lambda: private_queues(world))
    process.terminate()
    assert process.wait(PATIENCE) == 143
    assert private_queues(world) == []


def test_a_listener_waits_for_an_aws_that_can_not_be_reached(world: World) -> None:
    process = world.start("client.py", "listen", env={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert process.stderr and "Connecting fails; retrying: AWS can't be reached" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (0, "", "")


@pytest.mark.parametrize("args", [["listen"], ["3"], ["file", "-"]], ids=" ".join)
def test_what_no_waiting_can_mend_is_said_once_and_ends_a_run(world: World, args: list[str]) -> None:
    code, output, errors = client(world, *args, typed="3\n", AWS_ACCESS_KEY_ID="999999999999")
    assert (code, output) == (2, "") and errors.count("lab2 deploy") == 1


def test_wait_may_be_endless(world: World) -> None:
    process = world.start("client.py", "--client", ME, "--wait", "inf", "3")
    assert process.stdout and "its answer is shown when it arrives" in process.stdout.readline()
    world.start("server.py")
    assert process.wait(PATIENCE) == 0


def test_bytes_that_are_not_text_are_not_a_number(world: World) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "client.py"), "--wait", "0"], input=b"\xff\n\nn\n", capture_output=True,
        env=world.env | {"PYTHONIOENCODING": "utf-8:strict"},
    )  # fmt: skip
    assert (done.returncode, b"not a number" in done.stderr, b"Traceback" in done.stderr) == (0, True, False)


def test_answers_on_a_private_queue_that_its_run_did_not_wait_for_are_shown_by_the_next_run(world: World) -> None:
    code, _, errors = client(world, "--private-answers", "--wait", "1", "3")
    assert code == 1 and "next run" in errors
    world.start("server.py", "--drain").wait(PATIENCE)
    assert world.depth("lab2_1") == (0, 0)
    world.start("server.py")
    code, output, errors = client(world, "4")
    assert code == 0 and "Found 1 answer to earlier runs." in errors
    assert ["earlier", "3", "3", "3", "3", "3"] in [line.split() for line in output.splitlines()]


def test_where_queues_can_not_be_listed_a_private_queue_is_lost_with_its_run(world: World, proxy: Proxy) -> None:
    """So it is under the policy of 1.0."""
    proxy.on("ListQueues", Fault(refuse=(403, "AccessDenied")), times=ALWAYS)
    code, _, errors = client(world, "--private-answers", "--wait", "1", "3", AWS_ENDPOINT_URL=proxy.url)
    assert code == 1 and "lost" in errors and "next run" not in errors
    assert private_queues(world) == []


def test_ctrl_c_with_nothing_unfinished_claims_no_loss(world: World) -> None:
    with typing(world, "--wait", "1") as person:
        person.expect("Number 1")
        person.sendline("4")
        person.expect("Number 2")
        person.sendline("")
        person.expect("Another message")
        person.sendintr()
        person.expect_exact("Input ended; waiting for 1 answer. Press Ctrl-C again to leave.")
        person.expect("Not answered yet")
        assert "dropped" not in person.before


def test_killed_between_print_and_delete_the_answer_is_still_on_the_queue(proxied: World, proxy: Proxy) -> None:
    put_answer(proxied, "[6]")
    reached = threading.Event()
    proxy.on("DeleteMessageBatch", Fault(before=reached.set, cut=True), times=ALWAYS)
    process = proxied.start("client.py", "listen", "--client", ME)
    assert reached.wait(PATIENCE)
    process.kill()
    output, _ = process.communicate(timeout=PATIENCE)
    assert output.splitlines()[-1].split()[:2] == ["earlier", "6"]
    proxy.forget()
    assert sum(proxied.depth("lab2_1")) == 1
