"""AWS on this machine: what is started, joined, kept and stopped, in a copy of the project of its own."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.listener import Listener
from support.project import Project
from support.world import PATIENCE, ROOT, until


def test_one_command_starts_all_answers_and_stops_all(project: Project) -> None:
    code, output, errors = project.run("client.py", "3", "5.5", "8")
    assert (code, errors) == (0, "")
    assert output.splitlines()[-1].split() == ["1", "3", "5.5", "8", "5.5", "5.5", "8", "3"]
    assert not project.up()
    assert project.pid("emulator") is project.pid("server") is None


def test_a_second_program_joins_and_the_last_one_stops_all(project: Project) -> None:
    first = project.start("client.py", "listen", "--client", "first")
    until(lambda: project.pid("server"))
    emulator = project.pid("emulator")
    assert project.run("client.py", "--client", "second", "4")[0] == 0
    assert project.up() and project.pid("emulator") == emulator
    first.send_signal(2)
    first.communicate(timeout=PATIENCE)
    assert first.returncode == 0
    assert not project.up()


@pytest.mark.long
def test_an_emulator_that_was_killed_is_said_and_the_next_program_starts_it_again(project: Project) -> None:
    labeller = project.start("hotdog.py")
    assert labeller.stdin
    number = until(lambda: project.pid("emulator"))
    until(lambda: (project.home / ".local" / "deployed").exists())
    os.kill(number, 9)
    print("2", file=labeller.stdin, flush=True)
    assert labeller.stderr and "The local emulator does not answer" in (said := labeller.stderr.readline())
    assert "--endpoint-url" not in said
    report = project.start("hotdog.py", "report")
    _, errors = labeller.communicate("1\n0\n1\n0\n3\n", timeout=PATIENCE)
    assert labeller.returncode == 0 and "works again" in errors
    report.communicate(timeout=PATIENCE)
    assert report.returncode == 0


@pytest.mark.long
def test_a_program_that_was_killed_counts_as_gone(project: Project) -> None:
    first = project.start("client.py", "listen", "--client", "first")
    until(lambda: project.pid("server"))
    first.kill()
    first.communicate()
    assert project.up()
    assert project.run("client.py", "4")[0] == 0
    assert not project.up()


@pytest.mark.long
def test_a_client_starts_no_server_beside_one_that_runs(project: Project) -> None:
    server = project.start("server.py")
    assert server.stdout and "Serving" in server.stdout.readline()
    code, *_ = project.run("client.py", "4")
    assert code == 0 and project.pid("server") is None and project.up()
    server.terminate()
    output, _ = server.communicate(timeout=PATIENCE)
    assert "1 request," in output
    assert not project.up()


@pytest.mark.long
def test_what_was_sent_outlives_the_emulator(project: Project) -> None:
    assert project.run("client.py", "4")[0] == 0
    code, output, _ = project.run("server.py", "verify")
    assert (code, output) == (0, "1 row: 1 correct, 0 wrong, 0 duplicate, 0 truncated, 0 missing\n")


def missing(state: Path) -> None:
    """It was killed before its first graceful end."""
    shutil.rmtree(state)


def without_queues(state: Path) -> None:
    """It was killed as it wrote its state: the stack is there, its queues are not."""
    (state / "sqs.json").unlink()


def without_stack(state: Path) -> None:
    (state / "cloudformation.json").unlink()


def damaged(state: Path) -> None:
    """The machine lost power as it was written."""
    for file in state.glob("*.json"):
        file.write_bytes(file.read_bytes()[:100])


def of_another_kind(state: Path) -> None:
    for file in state.glob("*.json"):
        file.write_text("[1]")


@pytest.mark.long
def test_whatever_is_in_its_state_it_starts_with_the_bucket_that_is_there(project: Project) -> None:
    assert project.run("client.py", "4")[0] == 0
    harms = (missing, without_queues, without_stack, damaged, of_another_kind)
    for harm in harms:
        harm(project.home / ".local" / "state")
        assert project.run("client.py", "4")[::2] == (0, ""), harm.__name__
    rows = 1 + len(harms)
    assert project.run("server.py", "verify")[1].startswith(f"{rows} rows: {rows} ")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_first_start_that_is_killed_at_any_moment_hinders_no_later_one(project: Project) -> None:
    local = project.home / ".local"
    bucket = local / "s3" / "000000000000" / "lab2-000000000000-us-east-1"
    moments = (local / "starting.lock", local / "emulator.pid", local / "state", bucket, local / "deployed",
               local / "server.pid", bucket / "log")  # fmt: skip
    for moment in moments:
        shutil.rmtree(local, ignore_errors=True)
        first = project.start("client.py", "4")
        until(moment.exists)
        first.kill()
        first.communicate()
        for name in ("server", "emulator"):
            if pid := project.pid(name):
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)
        assert project.run("client.py", "5")[::2] == (0, ""), moment
        assert project.run("server.py", "verify")[0] == 0, moment


def test_two_first_starts_at_once_share_one_emulator(project: Project) -> None:
    programs = [project.start("client.py", number) for number in ("4", "5")]
    said = [program.communicate(timeout=3 * PATIENCE) for program in programs]
    assert [program.returncode for program in programs] == [0, 0], said
    assert project.run("server.py", "verify")[1].startswith("2 rows: 2 ")


@pytest.mark.parametrize("program", [["client.py", "4"], ["server.py", "status"], ["hotdog.py", "report"]])
@pytest.mark.parametrize("taken", [".local", ".local/users.lock", ".local/starting.lock", ".local/emulator.lock"])
def test_a_folder_that_can_t_be_used_is_a_sentence_that_deletes_nothing(
    project: Project, taken: str, program: list[str]
) -> None:
    path = project.home / taken
    path.parent.mkdir(exist_ok=True)
    path.touch() if taken == ".local" else path.mkdir()  # root may write to every folder, so this stands for it
    code, output, errors = project.run(*program)
    assert (code, output) == (2, "") and "Traceback" not in errors
    assert errors.startswith(f"The local emulator can't use {path}: ") and "elete" not in errors


# In namespaces, so that the disk is small and that nothing of this outlives the test.
NAMESPACES = ["unshare", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size=260m none .local
mkfifo keys
touch server.log client.log
"$0" server.py --local > server.log 2>&1 & server=$!
until grep -q Serving server.log; do sleep 0.1; done
"$0" client.py --local < keys > client.log 2>&1 & client=$!
exec 3> keys
printf '3\n\n' >&3
until grep -q Another client.log; do sleep 0.1; done
fallocate -l 100M .local/full
printf 'y\n4\n\n' >&3
until grep -q "Logging fails" server.log; do sleep 0.1; done
"$0" hotdog.py --local upload underbase || echo "upload ended with $?"
rm .local/full
exec 3>&-
wait $client
kill $server
wait $server || true
"$0" server.py --local verify
"""


@pytest.mark.long
def test_on_a_full_disk_nothing_is_taken_that_cannot_be_kept(project: Project) -> None:
    (project.home / ".local").mkdir()
    if (probe := subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True)).returncode:
        pytest.skip(f"no disk can be mounted here: {probe.stderr.strip()}")
    done = subprocess.run([*NAMESPACES, "bash", "-c", ON_A_SMALL_DISK, sys.executable], cwd=project.home,
                          env=project.env, capture_output=True, text=True, timeout=3 * PATIENCE)  # fmt: skip
    assert done.returncode == 0, done
    *_, refused, verified = done.stdout.splitlines()
    assert refused == "upload ended with 2"
    assert done.stderr.startswith(f"The disk of {project.home / '.local'} is almost full: ")
    assert verified.startswith("2 rows: 2 correct, ")


class Trap(Listener):
    """Something that is not the emulator: it notes what comes to it, and gives no answer."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        super().__init__()

    def handle(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        self.heard.append(connection.recv(100))


@pytest.fixture
def misled(project: Project) -> Iterator[Trap]:
    """A project whose environment says in every way there is that AWS is elsewhere."""
    trap = Trap()
    configuration = project.home / ".aws" / "config"
    configuration.parent.mkdir()
    common = f"endpoint_url = {trap.url}\nservices = all\nregion = eu-west-3\nuse_fips_endpoint = true\n"
    services = "".join(f"{name} =\n  endpoint_url = {trap.url}\n" for name in ("s3", "sqs", "sts", "cloudformation"))
    configuration.write_text(
        f"[default]\n{common}[profile ada]\n{common}ca_bundle = /nowhere\n[services all]\n{services}"
    )
    (configuration.parent / "credentials").write_text("[ada]\naws_access_key_id = a\naws_secret_access_key = b\n")
    endpoints = ("", "_S3", "_SQS", "_STS", "_CLOUDFORMATION", "_CLOUDWATCH")
    project.env |= {f"AWS_ENDPOINT_URL{service}": trap.url for service in endpoints}
    project.env |= dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"), trap.url)
    project.env |= {
        "HOME": str(project.home), "AWS_PROFILE": "ada", "AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "eu-west-3",
        "AWS_ACCESS_KEY_ID": "123456789012", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c",
        "AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_CA_BUNDLE": "/nowhere",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "x", "LAB2_BUCKET": "somebody-s",
    }  # fmt: skip
    for name in ("NO_PROXY", "no_proxy"):
        project.env.pop(name, None)
    yield trap
    trap.close()


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["client.py", "3", "5.5", "8"], " 5.5 "),  # which starts a server too
        (["client.py", "--private-answers", "3", "5.5", "8"], " 5.5 "),
        (["server.py", "status"], "Log of "),
        (["hotdog.py", "upload", "underbase.csv", str(ROOT / "underbase")], "already there"),
        (["hotdog.py", "report"], "labels"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_local_means_here_whatever_the_environment_says(
    project: Project, misled: Trap, args: list[str], expected: str
) -> None:
    code, output, errors = project.run(*args)
    assert misled.heard == [], errors
    assert expected in output + errors and code == ("upload" in args)  # underbase.csv is no picture


@pytest.mark.long
def test_a_profile_that_does_not_exist_does_not_matter_here(project: Project) -> None:
    project.env |= {"AWS_PROFILE": "nobody", "AWS_CONFIG_FILE": "/nowhere"}
    assert project.run("client.py", "4")[::2] == (0, "")


@pytest.mark.long
def test_a_port_that_is_taken_is_one_clear_sentence(project: Project) -> None:
    with socket.create_server(("127.0.0.1", project.port)):
        code, output, errors = project.run("server.py")
    assert (code, output) == (2, "")
    assert f"Port {project.port} is taken" in errors and errors.count("\n") == 1


def test_it_listens_on_this_machine_only_and_its_folder_is_private(project: Project) -> None:
    listener = project.start("client.py", "listen")
    until(lambda: project.pid("server"))
    emulator = project.pid("emulator")
    sockets = set()
    for fd in Path(f"/proc/{emulator}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since
            sockets.add(fd.readlink().name)
    listening = [
        line.split()[1].partition(":")[0]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and f"socket:[{line.split()[9]}]" in sockets
    ]
    assert listening == ["0100007F"]  # 127.0.0.1
    assert stat.S_IMODE((project.home / ".local").stat().st_mode) == 0o700
    listener.send_signal(2)
    listener.communicate(timeout=PATIENCE)


@pytest.mark.long
def test_a_failed_deployment_stops_the_emulator_that_it_started(project: Project) -> None:
    template = project.home / "aws.yaml"
    template.write_text(template.read_text().replace("AWS::SQS::Queue", "AWS::SQS::Nothing"))
    code, output, errors = project.run("client.py", "4")
    assert code == 2 and output == "" and "Traceback" not in errors
    assert "aws.yaml" in errors.split("\n")[0] or "the local emulator" in errors.split("\n")[0]
    assert not project.up() and project.pid("emulator") is None
    shutil.copy(ROOT / "aws.yaml", template)
    assert project.run("client.py", "4")[0] == 0


@pytest.mark.long
def test_the_emulator_of_another_folder_is_told_from_another_program(project: Project, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Project(tmp_path / "other")
    other.env["GATEWAY_PORT"] = str(project.port)
    listener = project.start("client.py", "listen")
    until(lambda: project.pid("server"))
    code, output, errors = other.run("server.py")
    assert (code, output) == (2, "") and errors.count("\n") == 1
    assert f"Port {project.port} is taken by the emulator of another folder" in errors
    elsewhere = project.env | {"GATEWAY_PORT": str(other.port)}
    project.env, used = elsewhere, project.env
    assert f"The emulator of this folder runs, but not on port {other.port}." in project.run("server.py")[2]
    project.env = used
    assert project.run("client.py", "4")[0] == 0  # nobody was disturbed
    listener.send_signal(2)
    listener.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1"])
def test_a_port_that_is_none_is_a_sentence(project: Project, port: str) -> None:
    project.env["GATEWAY_PORT"] = port
    code, output, errors = project.run("server.py")
    assert (code, output) == (2, "") and errors.startswith(f"GATEWAY_PORT is {port}") and errors.count("\n") == 1


def test_a_bucket_that_the_emulator_lacks_is_no_reason_to_deploy_on_aws(project: Project) -> None:
    code, _, errors = project.run("server.py", "status", "--bucket", "nosuch")
    assert code == 2
    assert errors.endswith(
        "There is no bucket nosuch in the local emulator. Leave out --bucket, which --local does not need.\n"
    )
