"""deploy/: the unit of systemd and the script that installs it, alone and as the machines of aws.yaml run it."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.world import PATIENCE, ROOT

from lab2 import __version__
from lab2.stats.server.pacing import LAST_EFFORT_S

DEPLOY = ROOT / "deploy"
UNIT = (DEPLOY / "lab2-server.service").read_text()


def service() -> dict[str, str]:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT)
    return dict(parser["Service"])


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    """Only its program is not installed here, so another stands in for it."""
    here = tmp_path / "lab2-server.service"
    here.write_text(UNIT.replace(service()["ExecStart"], sys.executable))
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(here)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_stop_has_the_time_that_the_server_takes_for_it() -> None:
    assert int(service()["TimeoutStopSec"]) > LAST_EFFORT_S


@pytest.mark.long  # pip takes its time
@pytest.mark.timeout(600)
def test_the_installed_service_starts_from_a_wheel_and_from_the_checkout(tmp_path: Path) -> None:
    """All but systemctl, below a folder of its own, with the environment of a machine that has just started."""
    bare = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or "proxy" in name.lower()}
    bare |= {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home")}
    python = shutil.which("python3", path=bare["PATH"])
    if not python or subprocess.run([python, "-c", "import sys; sys.exit(sys.version_info < (3, 10))"]).returncode:
        bare["PATH"] = f"{Path(sys.executable).parent}:{bare['PATH']}"
    folder = tmp_path / "deploy"
    shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns("*.whl"))
    wheels = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(wheels, check=True, capture_output=True, timeout=10 * PATIENCE)
    no_index = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}  # nobody is there
    for source in (folder, DEPLOY):
        root = tmp_path / source.parent.name
        command = ["sh", str(source / "install.sh"), "eu-west-3", "bucket"]
        environment = bare | {"DESTDIR": str(root)} | (no_index if source == folder else {})
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20 * PATIENCE)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"lab2-server {__version__}\n"
        assert (root / "etc/systemd/system/lab2-server.service").read_text() == UNIT
        settings = dict(line.split("=") for line in (root / "etc/lab2-server.env").read_text().splitlines())
        assert settings == {"AWS_REGION": "eu-west-3", "LAB2_BUCKET": "bucket"}
        (program,) = shlex.split(service()["ExecStart"])
        told = subprocess.run(
            [f"{root}{program}", "--version"], env=bare | settings, capture_output=True, text=True, timeout=PATIENCE
        )
        assert told.stdout == f"lab2-server {__version__}\n"


def test_what_a_machine_says_goes_to_its_log_group(tmp_path: Path) -> None:
    """All but dnf and systemctl, below a folder of its own."""
    command = ["sh", str(DEPLOY / "cloudwatch.sh"), "eu-west-3", "/lab2/server"]
    subprocess.run(command, env=os.environ | {"DESTDIR": str(tmp_path)}, check=True, timeout=PATIENCE)
    drop_in = (tmp_path / "etc/systemd/system/lab2-server.service.d/cloudwatch.conf").read_text()
    unit = tmp_path / "lab2-server.service"
    unit.write_text(f"{UNIT}\n{drop_in}".replace("/opt/lab2/venv/bin/lab2-server", sys.executable))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)], capture_output=True, text=True,
        timeout=PATIENCE,
    )  # fmt: skip
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    log = "/var/log/lab2-server.log"
    assert f"StandardOutput=append:{log}\n" in drop_in
    assert (tmp_path / "etc/logrotate.d/lab2-server").read_text().startswith(f"{log} {{\n")
    agent = json.loads((tmp_path / "opt/aws/amazon-cloudwatch-agent/etc/lab2.json").read_text())
    assert agent["agent"] == {"region": "eu-west-3"}
    (followed,) = agent["logs"]["logs_collected"]["files"]["collect_list"]
    assert (followed["file_path"], followed["log_group_name"]) == (log, "/lab2/server")


# What the user data of a machine calls besides the shell, in its place. Calls other than these fail.
PROGRAMS = {
    "aws": """#!/bin/sh
        case "$1 $2" in
            "s3 sync") test "$3" = s3://lab2-1-eu-west-3/deploy && mkdir -p "$4" && cp -R BUCKET/. "$4" ;;
            "autoscaling complete-lifecycle-action") echo "$@" ;;
            *) exit 1 ;;
        esac""",
    "curl": """#!/bin/sh
        case "$*" in
            *PUT*) echo a-token ;;
            *a-token*/instance-id) echo i-123 ;;
            *) exit 1 ;;
        esac""",
    "sleep": "#!/bin/sh\nON_SLEEP",
    "shutdown": "#!/bin/sh\necho shut down",
}


@pytest.mark.parametrize("arrives", ["at once", "later", "never"])
def test_a_new_machine_serves_what_is_in_the_bucket_or_ends_itself(tmp_path: Path, arrives: str) -> None:
    """The user data of aws.yaml, with stand-ins for what it calls, and a folder in the place of /opt/lab2."""
    script = re.search(r"UserData:\n +Fn::Base64: !Sub \|\n((?: {12}.*\n)+)", (ROOT / "aws.yaml").read_text())[1]  # type: ignore[index]
    bucket, machine, programs = (tmp_path / name for name in ("bucket", "machine", "programs"))
    for each in (bucket, machine, programs):
        each.mkdir()
    script = re.sub("^ {12}", "", script, flags=re.MULTILINE).replace("/opt/lab2", str(machine))
    script = script.replace("${Bucket}", "lab2-1-eu-west-3").replace("${AWS::Region}", "eu-west-3")
    assert "${" not in script
    fill = f"touch {bucket}/lab2-1.1.0-py3-none-any.whl; echo 'echo installed $*' > {bucket}/install.sh; "
    fill += f"echo 'echo followed $*' > {bucket}/cloudwatch.sh"
    for name, text in PROGRAMS.items():
        text = text.replace("BUCKET", str(bucket)).replace("ON_SLEEP", fill if arrives == "later" else "")
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    if arrives == "at once":
        subprocess.run(fill, shell=True, check=True)
    done = subprocess.run(
        ["bash", "-c", script], env={"PATH": f"{programs}:/usr/bin:/bin"}, capture_output=True, text=True,
        timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if arrives == "never":
        assert done.stdout == "shut down\n"
        return
    *_, installed, followed, completed = done.stdout.splitlines()
    assert installed == "installed eu-west-3 lab2-1-eu-west-3" and followed == "followed eu-west-3 /lab2/server"
    assert completed.split()[:2] == ["autoscaling", "complete-lifecycle-action"]
    assert "--lifecycle-action-result CONTINUE" in completed and completed.endswith("--instance-id i-123")
