"""Run the three programs with the oldest and the newest libraries that requirements.txt allows: `make versions`.

The emulator pins its botocore, so no test in its venv can tell whether others work. Here it runs in the venv of the
tests, and each of the programs' main jobs runs against it from two further venvs, kept in `.versions/`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

from support.venvs import venv_with
from support.world import PATIENCE, ROOT, start_emulator

from lab2.aws.session import AwsSession
from lab2.local import emulator

REQUIREMENTS = (ROOT / "requirements.txt").read_text().split()
LOWEST = [line.replace(">=", "==") for line in REQUIREMENTS]
LOWEST += [line.replace("boto3==", "botocore==") for line in LOWEST if line.startswith("boto3==")]
SERIES = "3 5.5 8\n1;2\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        process, url = start_emulator(Path(folder))
        try:
            os.environ |= {"AWS_ENDPOINT_URL": url, "AWS_REGION": emulator.REGION, "HOME": folder}
            os.environ |= {"AWS_ACCESS_KEY_ID": "000000000012", "AWS_SECRET_ACCESS_KEY": "test"}
            emulator.deploy(AwsSession(), (ROOT / "aws.yaml").read_text())
            for name, requirements in (("lowest", LOWEST), ("newest", ["--upgrade", *REQUIREMENTS])):
                started = monotonic()
                python = venv_with(ROOT / ".versions" / name, "--only-binary=:all:", *requirements)
                os.environ["LAB2_BUCKET"] = f"lab2-000000000012-{name}"
                AwsSession().s3.create_bucket(Bucket=os.environ["LAB2_BUCKET"])
                main_jobs(python, Path(folder))
                print(f"{name}: {versions(python)}: passed in {monotonic() - started:.0f} s", flush=True)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def versions(python: Path) -> str:
    """Return what is installed that we named, and botocore."""
    listed = subprocess.run([python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True).stdout.split()
    return " ".join(line for line in listed if line.startswith(("boto", "numpy", "opencv")))


def main_jobs(python: Path, home: Path) -> None:
    """Run each program's main job to its end, and compare what it says."""

    def run(program: str, *args: str, typed: str = "") -> str:
        command = [python, ROOT / program, *args]
        pipes = {"input": typed, "stdout": subprocess.PIPE, "text": True}
        return str(subprocess.run(command, cwd=home, check=True, timeout=60, **pipes).stdout)

    def expect(wanted: str, said: str) -> None:
        if wanted not in said:
            sys.exit(f"{python} did not say {wanted!r} but:\n{said}")

    server = subprocess.Popen([python, ROOT / "server.py"], cwd=home, stdout=subprocess.DEVNULL)
    try:
        expect(" 5.5 ", run("client.py", "3", "5.5", "8"))
        expect(" 5.5 ", run("client.py", "--private-answers", "3", "5.5", "8"))
        expect('"median": 1.5', run("client.py", "file", "-", "--output", "json", typed=SERIES * 20))
    finally:
        server.terminate()
        if server.wait(PATIENCE):
            sys.exit(f"server.py of {python} ended with {server.returncode}")
    expect("42 correct, 0 wrong", run("server.py", "verify"))
    expect("lab2_dead", run("server.py", "status"))
    run("hotdog.py", "upload", str(ROOT / "underbase"))
    run("hotdog.py", "label", "--annotator", "ada", "--display", "terminal", typed="1\n0\n1\n0\n")
    expect("ada", run("hotdog.py", "report", "--sheet", "sheet.png"))
    if (home / "sheet.png").read_bytes()[:4] != b"\x89PNG":
        sys.exit(f"{python} drew no contact sheet")
    (home / "sheet.png").unlink()


if __name__ == "__main__":
    main()
