"""Any number of runs under one client name, on any machines: each shows its own answers, and none is orphaned."""

from __future__ import annotations

import json
import re
import resource
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Timer
from types import SimpleNamespace

import pytest
from support.client import ME, client, exit_code, raised, typing
from support.proxy import ALWAYS, Fault, Proxy
from support.world import PATIENCE, Program, World, tries_of_a_refused_call, until

from lab2.aws.failures import error_code
from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Outgoing, batches
from lab2.stats.client.batch import MANY_REQUESTS
from lab2.stats.client.connection import CUT_OFF_S, SHORT_CHECK_INTERVAL_S, Connection, connect
from lab2.stats.client.inbox import TAKEOVER_S, Inbox
from lab2.stats.client.run import Run, runs_folder
from lab2.stats.protocol import answer_request, encode_answer, new_id


def put_answers(world: World, *ids: str, queue: str = "lab2_1") -> None:
    """Put an answer to each request on the queue, as the server does."""
    for batch in batches(ids):
        sent = [Outgoing(encode_answer(answer_request(id, "[6]")), {"id": id, "client": ME}) for id in batch]
        assert world.queue(queue).send(sent) == []


def started(folder: Path) -> Run:
    run = Run()
    run.begin(folder)
    return run


def received(receiver: Inbox | Connection) -> list[str]:
    return [found.answer.id for found in receiver.receive(0) if found.answer]


def elsewhere(world: World) -> dict[str, str]:
    """The environment of another machine: its home is another one."""
    home = world.home / "elsewhere"
    home.mkdir(exist_ok=True)
    return {"HOME": str(home)}


def shown(output: str) -> list[str]:
    """Return the numbers in the rows of the tables, each of one number."""
    return re.findall(r"^ *(?:earlier|\d+) +(\S+)(?: +[\d.]+){4}$", output, re.MULTILINE)


# ---- who shows what -----------------------------------------------------------------------------


def test_an_answer_to_a_live_run_on_this_machine_is_left_to_it_however_old(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab2.stats.client.inbox.TAKEOVER_S", -60.0)
    one, other = started(tmp_path), started(tmp_path)
    put_answers(world, id := one.new_id())
    inboxes = [Inbox(world.queue("lab2_1"), ME, run, raised) for run in (other, one)]
    assert received(inboxes[0]) == []
    assert until(lambda: received(inboxes[1])) == [id]


def test_the_answer_to_a_killed_run_on_this_machine_is_for_the_next_run_at_once(world: World, tmp_path: Path) -> None:
    dead, next_run = started(tmp_path), started(tmp_path)
    put_answers(world, id := dead.new_id())
    dead.end(outstanding=True)
    assert received(Inbox(world.queue("lab2_1"), ME, next_run, raised)) == [id]


@pytest.mark.parametrize("kind", ["another machine", "1.0"])
def test_an_answer_to_an_unknown_run_is_ours_once_it_has_waited_too_long(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("lab2.stats.client.inbox.TAKEOVER_S", 4.0)
    put_answers(world, id := started(tmp_path / "there").new_id() if kind == "another machine" else new_id())
    sent = time.time()
    inbox = Inbox(world.queue("lab2_1"), ME, started(tmp_path / "here"), raised)
    assert received(inbox) == []
    assert until(lambda: received(inbox)) == [id]
    assert time.time() - sent > 3  # four, by the clock of the queue


def test_an_answer_without_a_client_is_for_whoever_comes_first(world: World) -> None:
    """So the AWS console asks."""
    world.queue("lab2_1").send([Outgoing(encode_answer(answer_request("8e1d8b1a", "[6]")), {"id": "8e1d8b1a"})])
    assert received(Inbox(world.queue("lab2_1"), ME, Run(), raised)) == ["8e1d8b1a"]


def test_what_a_dead_run_left_on_its_private_queue_is_found_from_any_machine(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab2.stats.client.inbox.TAKEOVER_S", -60.0)
    with ExitStack() as stack:
        dead = connect(AwsSession(), ME, True, stack)
        ids = {dead.run.new_id() for _ in range(30)}
        put_answers(world, *ids, queue=dead.reply_to)
        monkeypatch.setenv("HOME", str(tmp_path / "there"))
        next_run = connect(AwsSession(), ME, False, stack)
        found: list[str] = []
        until(lambda: len(found.extend(received(next_run)) or found) == 30)
        assert set(found) == ids


def test_a_private_queue_of_a_live_run_is_left_to_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab2.stats.client.inbox.TAKEOVER_S", -60.0)
    with ExitStack() as stack:
        one = connect(AwsSession(), ME, True, stack)
        other = connect(AwsSession(), ME, False, stack)
        put_answers(world, id := one.run.new_id(), queue=one.reply_to)
        assert received(other) == []
        assert received(one) == [id]


def test_a_private_queue_to_which_nothing_can_come_any_more_is_deleted(world: World) -> None:
    old, new = (f"lab2_1-me-here-{day}-{Run().id}" for day in ("20200101", time.strftime("%Y%m%d", time.gmtime())))
    for name in (old, new, f"lab2_1-you-here-20200101-{Run().id}"):
        world.aws.sqs.create_queue(QueueName=name)
    with ExitStack() as stack:
        assert received(connect(AwsSession(), ME, False, stack)) == []
    names = [url.rpartition("/")[2] for url in world.aws.sqs.list_queues(QueueNamePrefix="lab2_1-")["QueueUrls"]]
    assert old not in names and new in names and len(names) == 2


# ---- many runs at once --------------------------------------------------------------------------


def crowd(world: World, runs: int, messages: int) -> None:
    """Let runs of one name ask at once, half of them on another machine, while a listener of that name looks on."""
    listener = world.start("client.py", "listen", "--client", ME)
    processes: list[tuple[int, Program]] = []
    for number in range(runs):
        path = world.home / f"{number}.txt"
        path.write_text("".join(f"{number} {at}\n" for at in range(messages)))
        env = elsewhere(world) if number % 2 else {}
        arguments = ["file", str(path), "--client", ME, "--output", "json"]
        processes.append((number, world.start("client.py", *arguments, env=env)))
    for number, process in processes:
        output, errors = process.communicate(timeout=4 * PATIENCE)
        assert process.returncode == 0, errors
        assert [json.loads(line)["numbers"] for line in output.splitlines()] == [[number, at] for at in range(messages)]
        assert "earlier" not in errors
    listener.terminate()
    output, errors = listener.communicate(timeout=PATIENCE)
    assert (output, errors) == ("", "")


def test_six_runs_of_one_name_and_a_listener_each_show_their_own_100(world: World, server: object) -> None:
    crowd(world, runs=6, messages=100)
    assert private_queues(world) == []


def test_six_small_runs_share_a_queue_and_each_shows_its_own(world: World, server: object) -> None:
    crowd(world, runs=6, messages=10)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_six_runs_of_one_name_ten_times_in_a_row(world: World, server: object) -> None:
    for _ in range(10):
        crowd(world, runs=6, messages=100)


def test_six_dialogues_of_one_name_each_show_their_own(world: World, server: object) -> None:
    listener = world.start("client.py", "listen", "--client", ME)
    runs = []
    for number in range(6):
        process = world.start("client.py", "--client", ME, env=elsewhere(world) if number % 2 else {})
        assert process.stdin
        process.stdin.write("\ny\n".join(f"{number}.{at}1\n" for at in range(10)) + "\nn\n")
        process.stdin.flush()
        runs.append(process)
    for number, process in enumerate(runs):
        output, errors = process.communicate(timeout=4 * PATIENCE)
        assert process.returncode == 0, errors
        assert Counter(shown(output)) == Counter(f"{number}.{at}1" for at in range(10))
    listener.terminate()
    assert listener.communicate(timeout=PATIENCE) == ("", "")


def test_a_run_that_moved_waits_on_the_shared_queue_for_what_it_asked_before(world: World) -> None:
    """A short look, now and then, may go on missing an answer that other runs receive and release."""
    with ExitStack() as stack:
        run = connect(AwsSession(), ME, False, stack)
        request = run.requests.add([3.0])
        assert run.send([request]) == []
        run.open_own_queue()
        assert run.receive(0) == []
        late = Timer(0.5, put_answers, [world, request.id])
        late.start()
        assert [found.answer.id for found in run.receive(20) if found.answer] == [request.id]
        late.join()


def test_what_is_sent_again_is_answered_where_it_was_asked_first(world: World) -> None:
    """Otherwise copies of one answer would come on two queues."""
    with ExitStack() as stack:
        run = connect(AwsSession(), ME, False, stack)
        old, new = run.requests.add([3.0]), run.requests.add([4.0])
        assert run.send([old]) == []
        run.open_own_queue()
        assert run.send([old, new]) == []
        asked = [message for _ in range(2) for message in world.queue("lab2").receive(0)]
        assert Counter((message.attributes["id"], "reply_to" in message.attributes) for message in asked) == {
            (old.id, False): 2, (new.id, True): 1,
        }  # fmt: skip


# ---- runs that die ------------------------------------------------------------------------------


def killed_while_asking(world: World, proxy: Proxy, messages: int) -> None:
    """Kill a run that has sent a file and has received no answer yet."""
    path = world.home / "killed.txt"
    path.write_text("".join(f"{at}\n" for at in range(messages)))
    proxy.edit("ReceiveMessage", lambda fields: fields.update(VisibilityTimeout=3))  # so that they are back soon
    rule = proxy.on(
        "ReceiveMessage", Fault(lost=True), times=ALWAYS, only=lambda call: call.fields["WaitTimeSeconds"] == 1
    )
    process = world.start("client.py", "file", str(path), "--client", ME, env={"AWS_ENDPOINT_URL": proxy.url})
    until(lambda: rule.seen and len(b"".join(world.objects("log/2").values()).splitlines()) == messages)
    process.kill()
    process.communicate(timeout=PATIENCE)
    queues = ["lab2_1", *(url.rpartition("/")[2] for url in private_queues(world))]
    until(lambda: sum(world.depth(queue)[0] for queue in queues) == messages)


@pytest.mark.parametrize("messages", [MANY_REQUESTS, 5], ids=["private queue", "shared queue"])
def test_answers_to_a_killed_run_are_shown_by_the_next(
    world: World, proxy: Proxy, server: object, messages: int
) -> None:
    killed_while_asking(world, proxy, messages)
    listener = world.start("client.py", "listen", "--client", ME)
    assert listener.stdout
    found: list[str] = []
    while len(found) < messages:
        found += shown(listener.stdout.readline())
    assert Counter(found) == Counter(str(at) for at in range(messages))
    listener.terminate()
    assert "earlier runs" in listener.communicate(timeout=PATIENCE)[1]


@pytest.mark.long
@pytest.mark.parametrize("messages", [MANY_REQUESTS, 5], ids=["private queue", "shared queue"])
def test_answers_to_a_run_killed_on_another_machine_are_shown_by_a_listener_there_after_a_while(
    world: World, proxy: Proxy, server: object, messages: int
) -> None:
    """They are after 90 s, in which a look at private queues is made every 20; here it is seconds."""
    assert TAKEOVER_S + SHORT_CHECK_INTERVAL_S <= 120
    killed_while_asking(world, proxy, messages)
    quick = "lab2.stats.client.inbox:TAKEOVER_S=6,lab2.stats.client.connection:SHORT_CHECK_INTERVAL_S=1"
    program = "tests/support/with_setting.py", "client.py", quick
    listener = world.start(*program, "listen", "--client", ME, env=elsewhere(world))
    assert listener.stdout
    found: list[str] = []
    while len(found) < messages:
        found += shown(listener.stdout.readline())
    assert Counter(found) == Counter(str(at) for at in range(messages))


def test_answers_to_a_killed_run_are_shown_by_a_file_on_stderr_and_not_among_its_own(
    world: World, server: object
) -> None:
    dead = started(runs_folder())
    put_answers(world, *(dead.new_id() for _ in range(12)))
    dead.end(outstanding=True)
    path = world.home / "next.txt"
    path.write_text("7\n" * MANY_REQUESTS)
    process = world.start("client.py", "file", str(path), "--client", ME, "--output", "json")
    output, errors = process.communicate(timeout=2 * PATIENCE)
    assert process.returncode == 0
    assert [json.loads(line)["numbers"] for line in output.splitlines()] == [[7]] * MANY_REQUESTS
    assert shown(errors) == ["6"] * 12
    assert sum(map(int, re.findall(r"Found (\d+) answers? to earlier runs", errors))) == 12
    until(lambda: world.depth("lab2_1") == (0, 0))


@pytest.mark.long
@pytest.mark.timeout(300)  # an answer stays hidden for half a minute after a run that could not write it
@pytest.mark.parametrize("form", ["csv", "text"])
def test_an_answer_that_can_not_be_written_is_found_by_the_next_run(world: World, server: object, form: str) -> None:
    (world.home / "numbers").write_text("".join(f"{number}\n" for number in range(1, 201)))

    def fill_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_500, 2_500))

    with (world.home / "answers").open("w") as file:
        run = world.start("client.py", "file", "numbers", "--output", form, "--client", ME, stdout=file,
                          env={"PYTHONUNBUFFERED": ""}, preexec_fn=fill_disk)  # fmt: skip
        errors = run.communicate(timeout=PATIENCE)[1]
    assert run.returncode == 1 and "The output was not written: File too large." in errors
    written = {line.replace(",", " ").split()[1] for line in (world.home / "answers").read_text().splitlines()[1:-1]}
    assert 10 < len(written) < 200
    found = written | set(shown(errors))

    def is_all_found() -> bool:
        time.sleep(3)  # each look is a program that starts
        found.update(shown(client(world, "file", "-", typed="7\n")[2]))
        return found >= {str(number) for number in range(1, 201)}

    until(is_all_found, 3 * PATIENCE)


def test_a_run_that_was_cut_off_asks_again_for_the_answer_that_another_run_has_taken(
    world: World, proxy: Proxy, server: object
) -> None:
    program, place = "tests/support/with_setting.py", {"AWS_ENDPOINT_URL": proxy.url}
    rule = proxy.on("ReceiveMessage", Fault(cut=True), times=ALWAYS)
    setting = "lab2.stats.client.connection:CUT_OFF_S=1"  # seconds, as the next one
    asking = world.start(program, "client.py", setting, "--client", ME, "3", "5.5", env=place)
    assert asking.stderr and "Listening fails" in asking.stderr.readline()
    setting = "lab2.stats.client.inbox:TAKEOVER_S=2"
    other = world.start(program, "client.py", setting, "listen", "--client", ME, env=elsewhere(world))
    assert other.stdout
    while "5.5" not in other.stdout.readline():
        pass
    until(lambda: world.depth("lab2_1") == (0, 0))
    other.kill()  # it would wait for the second answer, too
    proxy.forget(rule)
    output, errors = asking.communicate(timeout=PATIENCE)
    assert asking.returncode == 0 and output.splitlines()[-1].split() == ["1", "3", "5.5", "4.25", "4.25", "5.5", "3"]
    assert errors.startswith("Listening works again")
    assert len(b"".join(world.objects("log/2").values()).splitlines()) == 1  # it was one request
    assert proxy.calls["SendMessageBatch"] == 2


def test_a_run_that_receives_all_the_time_asks_for_nothing_twice(
    proxied: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr("lab2.stats.client.connection.time", clock := SimpleNamespace(**vars(time)))
    clock.time = lambda: now
    with ExitStack() as stack:
        run = connect(AwsSession(), ME, False, stack)
        now += 2 * CUT_OFF_S  # its user thinks
        run.send([run.requests.add([3.0])])
        for _ in range(5):  # no server runs
            assert received(run) == []
            now += CUT_OFF_S / 2
        assert proxy.calls["SendMessageBatch"] == 1
        now += CUT_OFF_S  # it sleeps
        for _ in range(3):
            assert received(run) == []
        assert proxy.calls["SendMessageBatch"] == 2
        now += 2 * 86_400  # longer than an id stands for one request for sure
        for _ in range(3):
            assert received(run) == []
        assert proxy.calls["SendMessageBatch"] == 2


def test_an_error_that_comes_beside_answers_is_raised_once_they_are_handed_over(
    proxied: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where one of two private queues can't be looked at; whichever thread receives next hears of it."""
    monkeypatch.setattr("lab2.stats.client.inbox.TAKEOVER_S", -60.0)
    with ExitStack() as stack:
        for machine in "ab":
            monkeypatch.setenv("HOME", str(proxied.home / machine))
            dead = connect(AwsSession(), ME, True, stack)
            put_answers(proxied, dead.run.new_id(), queue=dead.reply_to)
        monkeypatch.setenv("HOME", str(proxied.home / "c"))
        run = connect(AwsSession(), ME, False, stack)
        private = list(run._left)
        refused = Fault(refuse=(403, "AccessDenied"))
        proxy.on(
            "ReceiveMessage", refused, times=tries_of_a_refused_call(),
            only=lambda call: call.fields["QueueUrl"].endswith(private[1]),
        )  # fmt: skip
        found = received(run)
        assert len(found) == 1
        with ThreadPoolExecutor(8) as threads:
            results = [threads.submit(received, run) for _ in range(8)]
        assert [error_code(error) for each in results if (error := each.exception())] == ["AccessDenied"]
        found += [id for each in results if not each.exception() for id in each.result()]
        until(lambda: len(found.extend(received(run)) or found) == 2)


# ---- at the prompt ------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--private-answers"]], ids=["shared queue", "private queue"])
def test_the_client_says_at_its_start_how_many_answers_to_earlier_runs_it_found(
    world: World, arguments: list[str]
) -> None:
    dead = started(runs_folder())
    put_answers(world, *(dead.new_id() for _ in range(12)))
    dead.end(outstanding=True)
    with typing(world, *arguments) as person:
        person.expect("Number 1 of 10")
        found = 0
        while found < 12:
            person.expect(r"Found (\d+) answers? to earlier runs\.")
            found += int(person.match[1])
            person.expect("Number 1 of 10")  # the question is there again
        person.sendeof()
        for _ in range(12):
            person.expect("earlier +6 ")
        assert exit_code(person) == 0
    until(lambda: world.depth("lab2_1") == (0, 0))


def test_an_answer_is_received_while_its_user_types_and_no_other_run_gets_it(world: World) -> None:
    with typing(world) as person:
        person.expect("Number 1 of 10")
        person.sendline("6")
        person.expect("Number 2 of 10")
        person.sendline("")
        person.expect("Another message")
        person.sendline("y")
        person.expect("Number 1 of 10")
        world.start("server.py")
        until(lambda: world.depth("lab2_1") == (0, 1))  # with the run, not on the queue
        person.sendline("7")
        person.expect("Number 2 of 10")
        person.sendeof()
        person.expect(r"\b1 +6 +6 ")
        person.expect(r"\b2 +7 +7 ")
        assert exit_code(person) == 0


# ---- what it costs ------------------------------------------------------------------------------


def test_one_message_costs_five_calls(world: World, proxy: Proxy, server: object) -> None:
    process = world.start("client.py", "--client", ME, "3", env={"AWS_ENDPOINT_URL": proxy.url})
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    one_each = ("GetQueueUrl", "ListQueues", "SendMessageBatch", "DeleteMessageBatch")
    assert proxy.calls - Counter(one_each) == Counter({"ReceiveMessage": proxy.calls["ReceiveMessage"]}), proxy.calls
    assert proxy.calls["ReceiveMessage"] <= 2  # the second where the answer took longer than one


def test_where_queues_can_not_be_listed_a_file_is_answered_on_the_shared_queue(
    world: World, proxy: Proxy, server: object
) -> None:
    """So it is under the policy of 1.0: nobody would find a private queue whose run was killed."""
    proxy.on("ListQueues", Fault(refuse=(403, "AccessDenied")), times=ALWAYS)
    path = world.home / "series.txt"
    path.write_text("7\n" * MANY_REQUESTS)
    arguments = ["file", str(path), "--client", ME, "--output", "json"]
    process = world.start("client.py", *arguments, env={"AWS_ENDPOINT_URL": proxy.url})
    output, _ = process.communicate(timeout=2 * PATIENCE)
    assert process.returncode == 0 and len(output.splitlines()) == MANY_REQUESTS
    assert proxy.calls["CreateQueue"] == 0


def private_queues(world: World) -> list[str]:
    return world.aws.sqs.list_queues(QueueNamePrefix="lab2_1-").get("QueueUrls", [])
