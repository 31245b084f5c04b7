"""An answer that another program took from the queue is shown from the log, and nobody asks whether a server runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from support.client import ME, put_answer
from support.proxy import ALWAYS, Fault, Proxy
from support.world import PATIENCE, World, until

PROGRAM = "tests/support/with_setting.py", "client.py", "lab2.stats.client.logged:SETTLED_S=0"


@pytest.fixture
def thief(world: World) -> Iterator[None]:
    """Another program that takes all answers."""
    over = threading.Event()
    queue = world.queue("lab2_1")

    def take() -> None:
        while not over.is_set():
            queue.delete(queue.receive(1))

    thread = threading.Thread(target=take)
    thread.start()
    yield
    over.set()
    thread.join()


def run(world: World, *arguments: str, **env: str) -> tuple[int, str, str]:
    process = world.start(*PROGRAM, *arguments, "--client", ME, env=env)
    output, errors = process.communicate(timeout=3 * PATIENCE)
    return process.returncode, output, errors


def test_answers_that_another_program_takes_are_shown_from_the_log(
    world: World, proxy: Proxy, server: object, thief: object
) -> None:
    nothing = (200, {"Content-Type": "application/x-amz-json-1.0"}, b"{}")
    proxy.on("ReceiveMessage", Fault(instead=nothing), times=ALWAYS)  # the other one is quicker each time
    path = world.home / "numbers"
    path.write_text("1 2\n2 2\n")
    code, output, errors = run(world, "file", str(path), "--output", "csv", "--wait", "4", AWS_ENDPOINT_URL=proxy.url)
    assert code == 0, errors
    assert [line.split(",")[:3] for line in output.splitlines()[1:]] == [["1", "1 2", "1.5"], ["2", "2 2", "2"]]
    assert "the answer is from the log, because another program reads the queue lab2_1" in errors
    code, output, errors = run(world, "3", "5.5", "--wait", "4", AWS_ENDPOINT_URL=proxy.url)
    assert code == 0, errors
    assert output.splitlines()[-1].split() == ["1", "3", "5.5", "4.25", "4.25", "5.5", "3"]
    assert "from the log" in errors and "Is a server running?" not in errors


@pytest.mark.long
def test_on_a_queue_full_of_answers_to_others_nobody_is_said_to_have_taken_ours(
    world: World, proxy: Proxy, server: object
) -> None:
    for _ in range(8):
        put_answer(world, "[1]", client="gone@away", times=10)
    # As if it took long to find ours. The log is looked at once nothing, of others neither, has come for a second.
    proxy.on("ReceiveMessage", Fault(before=lambda: threading.Event().wait(0.2)), times=ALWAYS)
    settings = "lab2.stats.client.logged:SETTLED_S=0,lab2.stats.client.conversation:OVERDUE_S=1"
    process = world.start(*PROGRAM[:2], settings, "5", "--client", ME, env={"AWS_ENDPOINT_URL": proxy.url})
    output, errors = process.communicate(timeout=3 * PATIENCE)
    assert process.returncode == 0 and output.splitlines()[-1].split() == ["1", "5", "5", "5", "5", "5"]
    assert "another program" not in errors
    until(lambda: world.depth("lab2_1") == (80, 0))


def test_who_may_not_read_the_log_is_told_where_the_answers_are(world: World, proxy: Proxy) -> None:
    proxy.on("ListObjectsV2", Fault(refuse=(403, "AccessDenied")), times=ALWAYS)
    code, _, errors = run(world, "3", "--wait", "1", AWS_ENDPOINT_URL=proxy.url)
    assert code == 1
    assert "Is a server running? If one is, server.py log shows its answers" in errors
    until(lambda: world.depth("lab2") == (1, 0))
