"""The fixtures that all tests share: an emulator, a world in it, a proxy before it."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import hypothesis
import pytest
from support.aws_habits import Habits
from support.fork_server import share_models
from support.fuzz import SEED
from support.project import Project
from support.proxy import Proxy
from support.world import PATIENCE, Program, World, deploy, start_emulator

from lab2.aws.resources import LABEL_KEY
from lab2.aws.session import AwsSession
from lab2.labelling.pictures.samples import fill
from lab2.local.emulator import REGION

# What we start finds signals and terminal as at a person's: a shell's "&", nohup and CI leave others.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.environ["TERM"] = "xterm"
os.environ.pop("NO_COLOR", None)

share_models()

# Input by chance is the same in each run, as that of `chance`, and more of it and another where LAB2_SEED is set.
SLOW = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}  # a busy machine is no failure
hypothesis.settings.register_profile("same", derandomize=True, **SLOW)
hypothesis.settings.register_profile("other", max_examples=1_000, **SLOW)
hypothesis.settings.load_profile("other" if os.environ.get("LAB2_SEED") else "same")


ALWAYS = 1  # case of a test that starts programs that runs in `make test`; the others are long


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests whose input is random, which `make fuzz` varies, and most cases of tests that start programs."""
    cases = Counter[tuple[str, str]]()
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "chance" in fixtures or hasattr(getattr(item, "obj", None), "hypothesis"):
            item.add_marker("fuzz")
        if {"world", "project", "desktop"} & set(fixtures):
            test = item.location[0], item.name.partition("[")[0]
            cases[test] += not item.get_closest_marker("long")
            if cases[test] > ALWAYS or "chance" in fixtures:  # `make fuzz` runs these
                item.add_marker("long")


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an emulator that all tests share; each `world` is an account of its own in it."""
    process, url = start_emulator(tmp_path_factory.mktemp("emulator"))
    yield url
    process.terminate()
    process.wait(PATIENCE)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Chance that is another in each test, and with another LAB2_SEED."""
    print(f"LAB2_SEED={SEED}")  # shown where the test fails
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def server(world: World) -> Program:
    """A server that is listening."""
    process = world.start("server.py")
    assert process.stdout
    process.stdout.readline()
    return process


@pytest.fixture
def samples(world: World) -> World:
    """A world with the sample pictures and without any label."""
    fill(world.aws)
    world.aws.s3.delete_object(Bucket=world.aws.bucket, Key=LABEL_KEY)
    return world


@pytest.fixture
def proxy(emulator: str) -> Iterator[Proxy]:
    proxy = Proxy(emulator, Habits.of_environment())
    yield proxy
    proxy.close()


@pytest.fixture
def proxied(world: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose programs, and whose test, speak to AWS through the `proxy`."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    world.env["AWS_ENDPOINT_URL"] = proxy.url
    world.aws = AwsSession()
    return world


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    yield project
    for name in ("server", "emulator"):
        if pid := project.pid(name):
            with suppress(ProcessLookupError):
                os.kill(pid, 9)


@pytest.fixture
def world(emulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    account = f"{random.SystemRandom().randrange(1, 10**12):012}"
    aws = {"AWS_ENDPOINT_URL": emulator, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": account,
           "AWS_SECRET_ACCESS_KEY": "test", "LAB2_STORE": "aws"}  # fmt: skip
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "LAB2_BUCKET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (aws | {"HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}).items():
        monkeypatch.setenv(name, value)
    deploy(emulator, account)
    world = World(dict(os.environ), tmp_path)
    if (habits := Habits.of_environment()).names:  # the programs see them; the test looks at the emulator itself
        habitual = Proxy(emulator, habits)
        world.env["AWS_ENDPOINT_URL"] = habitual.url
    yield world
    if habits.names:
        habitual.close()
    for process in world.processes:
        if process.poll() is None:
            process.kill()
        process.communicate()
