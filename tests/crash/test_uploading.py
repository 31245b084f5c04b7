"""The uploader's part of the crash matrix: exactly the pictures that are on disk, each once."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from support.faults import FAULTS, REFUSALS, at_each_call, first_always
from support.proxy import ALWAYS, Fault, Proxy
from support.world import PATIENCE, ROOT, Program, World

from lab2.aws.resources import IMAGE_PREFIX
from lab2.labelling.pictures.image_store import digest
from lab2.labelling.pictures.uploader import PARALLEL_UPLOADS

SAMPLE = (ROOT / "underbase" / "b5ee1b165ac3-IMG_0417.jpg").read_bytes()
MAX_MEMORY_MB = 120  # of one process; it takes about 60, however many pictures there are


@pytest.fixture
def folder(world: World, proxy: Proxy) -> Path:
    """A folder of twelve pictures and of one twin, in a world whose programs speak through the proxy."""
    world.env["AWS_ENDPOINT_URL"] = proxy.url
    folder = world.home / "pictures"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.jpg").write_bytes(SAMPLE + bytes([number]))
    (folder / "twin.jpg").write_bytes(SAMPLE + bytes([5]))
    return folder


def upload(world: World, folder: Path) -> Program:
    return world.start("hotdog.py", "upload", str(folder))


def ended(program: Program) -> tuple[int, str, str]:
    output, errors = program.communicate(timeout=4 * PATIENCE)  # of thousands on a busy machine
    # of one that is killed, a child that it was just starting may say that it can't go on
    assert "Traceback" not in errors or program.returncode == -signal.SIGKILL
    return program.returncode, output, errors


def assert_all_are_there(world: World, folder: Path) -> None:
    """Every picture is in the database exactly once, under its name, byte for byte; nothing else is."""
    stored = world.objects(IMAGE_PREFIX)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(stored.values()) == sorted(set(files.values()))
    assert all(files[key.partition("-")[2]] == data for key, data in stored.items())
    assert all(key.startswith(f"{IMAGE_PREFIX}{digest(data)}-") for key, data in stored.items())


UPLOAD_CALLS = {
    "GetCallerIdentity": ("Query", 1),
    "first LIST": ("ListObjectsV2", 1),
    "LIST half-way": ("ListObjectsV2", 7),
    "last LIST": ("ListObjectsV2", 13),
    "first PUT": ("PutObject", 1),
    "PUT half-way": ("PutObject", 6),
    "last PUT": ("PutObject", 12),
}


@pytest.mark.parametrize(("call", "fault"), at_each_call(UPLOAD_CALLS))
def test_upload(world: World, proxy: Proxy, folder: Path, call: str, fault: str) -> None:
    victims: list[Program] = []
    operation, nth = UPLOAD_CALLS[call]
    killed = "killed" in fault
    proxy.on(operation, FAULTS[fault](lambda: victims[0].kill()), nth, times=1 if killed else 2)
    victims.append(upload(world, folder))
    code, output, _ = ended(victims[0])
    assert code == (-signal.SIGKILL if killed else 0)
    assert killed or "12 uploaded, 1 already there, 0 left out." in output
    before = len(world.objects(IMAGE_PREFIX))
    assert killed or before == 12
    code, output, _ = ended(upload(world, folder))
    assert code == 0 and f"{12 - before} uploaded, {1 + before} already there, 0 left out." in output
    assert_all_are_there(world, folder)


@pytest.mark.parametrize("fault", first_always(["cut", "lost", "500", "503", "403"]))
@pytest.mark.parametrize("operation", first_always(["PutObject", "ListObjectsV2"]))
def test_upload_fails_from_half_way_on_is_stopped_and_started_again(
    world: World, proxy: Proxy, folder: Path, operation: str, fault: str
) -> None:
    broken = Fault(refuse=REFUSALS[fault]) if fault in REFUSALS else Fault(**{fault: True})
    rule = proxy.on(operation, broken, nth=6, times=ALWAYS)
    program = upload(world, folder)
    if fault != "403":  # an outage is waited for
        assert program.stderr and "Uploading fails; retrying: " in program.stderr.readline()
        program.send_signal(signal.SIGINT)
    code, output, _ = ended(program)
    assert code == (2 if fault == "403" else 1) and "not done. Run the same command again to continue." in output
    proxy.forget(rule)
    code, output, _ = ended(upload(world, folder))
    assert code == 0 and "0 left out." in output
    assert_all_are_there(world, folder)


@pytest.mark.parametrize("fault", first_always(["409", "500", "503"]))
def test_upload_refused_for_a_while(world: World, proxy: Proxy, folder: Path, fault: str) -> None:
    proxy.on("PutObject", Fault(refuse=REFUSALS[fault]), nth=6, times=2)
    code, output, _ = ended(upload(world, folder))
    assert code == 0 and "12 uploaded, 1 already there, 0 left out." in output
    assert_all_are_there(world, folder)


@pytest.mark.parametrize("fault", first_always(["killed after", "killed before", "none"]))
def test_upload_by_two_programs_at_once_of_what_a_third_began(
    world: World, proxy: Proxy, folder: Path, fault: str
) -> None:
    third = upload(world, folder)
    death = proxy.on("PutObject", Fault(after=third.kill, lost=True), nth=4)
    rest = proxy.on("PutObject", Fault(cut=True), nth=5, times=10**9)  # all are under way at once
    ended(third)
    proxy.forget(death, rest)
    victims: list[Program] = []
    if fault != "none":
        proxy.on("PutObject", FAULTS[fault](lambda: victims[0].kill()), nth=3)
    victims += [upload(world, folder), upload(world, folder)]
    codes = [ended(program)[0] for program in victims]
    assert codes == [0 if fault == "none" else -signal.SIGKILL, 0]
    assert_all_are_there(world, folder)


@pytest.mark.parametrize("count", [100, pytest.param(2000, marks=pytest.mark.long)])
def test_an_upload_of_many_pictures_goes_on_where_it_was_killed_and_its_memory_is_bounded(
    world: World, proxy: Proxy, folder: Path, count: int
) -> None:
    for number in range(count):
        (folder / f"many {number}.jpg").write_bytes(SAMPLE + b"%d" % number)
    victims: list[Program] = []
    proxy.on("PutObject", Fault(after=lambda: victims[0].kill(), lost=True), nth=count // 2)
    victims.append(upload(world, folder))
    assert ended(victims[0])[0] == -signal.SIGKILL
    puts = proxy.calls["PutObject"]
    memory: list[float] = []
    near_the_end = count - puts - PARALLEL_UPLOADS
    proxy.on("PutObject", Fault(before=lambda: memory.extend(peaks(victims[1]))), nth=near_the_end)
    victims.append(upload(world, folder))
    code, output, errors = ended(victims[1])
    assert (code, errors) == (0, "")
    counts = re.fullmatch(r"([\d,]+) uploaded, ([\d,]+) already there, 0 left out.\n", output)
    assert counts
    uploaded, there = (int(part.replace(",", "")) for part in counts.groups())
    assert uploaded + there == count + 13 and there >= puts - PARALLEL_UPLOADS
    assert proxy.calls["PutObject"] - puts == uploaded  # what was there was not sent again
    assert len(memory) > 1 and max(memory) < MAX_MEMORY_MB
    assert_all_are_there(world, folder)


def peaks(program: Program) -> list[float]:
    """Return the most memory in MB that a program and each of its children have had so far."""
    children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
    statuses = [Path(f"/proc/{pid}/status").read_text() for pid in (program.pid, *children)]
    return [int(found[1]) / 1024 for status in statuses if (found := re.search(r"VmHWM:\s*(\d+)", status))]
