"""Run the README's commands in bare Debians: `make bare`, or `make bare SUITES=trixie`.

All suites are made side by side by debootstrap in a temporary folder, with the packages that the README names and no
others, and this commit is cloned into each. There, one suite after the other, `make run` must lead to its first prompt
and an answer, and `make test` must pass. What is mounted and started in it ends with each command, however that ends:
it has mounts and processes of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import pexpect
from support.world import ROOT

PACKAGES = ["python3", "python3-venv", "make", "git"]
NEWEST = ("testing",)  # suites that get the newest releases of all libraries; the others get those of locks/
SETTINGS = ["etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt"]  # to reach a registry
CHROOT = 'mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" && exec chroot "$1" sh -c "cd /lab2 && $2"'
VERSIONS = ".venv/bin/python --version && .venv/bin/pip list | grep -E '^(boto|numpy|opencv|pandas)'"
PATIENCE = 600  # seconds to the first prompt, on a machine that is busy with other tests


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # clean up
    with tempfile.TemporaryDirectory(prefix="lab2-bare-") as folder:
        roots = {suite: Path(folder) / suite for suite in sys.argv[1:]}
        with ThreadPoolExecutor() as threads:
            list(threads.map(install, roots, roots.values()))
        for suite, root in roots.items():
            try_commands(suite, root)
            shutil.rmtree(root)


def install(suite: str, root: Path) -> None:
    """Install a Debian and clone this commit into it."""
    started = monotonic()
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, root]
    done = subprocess.run(["unshare", "--mount", *command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"debootstrap of {suite} failed:\n{done.stdout[-2000:]}{done.stderr}")
    for setting in SETTINGS:
        if (Path("/") / setting).exists():
            (root / setting).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path("/") / setting, root / setting)
    # What a mirror holds of a suite that changes daily may be weeks old.
    (root / "etc" / "apt" / "apt.conf.d" / "old-mirror").write_text('Acquire::Check-Valid-Until "false";\n')
    subprocess.run(["git", "clone", "--quiet", ROOT, root / "lab2"], check=True)
    print(f"{suite}: installed in {monotonic() - started:.0f} s", flush=True)


def try_commands(suite: str, root: Path) -> None:
    """Do in it what the README says."""
    started = monotonic()
    name, *arguments = inside(root, "make run")
    person = pexpect.spawn(name, arguments, env=environment(root), encoding="utf-8", timeout=PATIENCE)
    person.delaybeforesend = 0
    person.expect_exact("Number 1 of 10")
    print(f"{suite}: make run, first prompt after {monotonic() - started:.0f} s", flush=True)
    for typed in ("3", "5.5", "8", ""):
        person.sendline(typed)
    person.expect_exact("Another message?")
    said = str(person.before)
    person.sendline("n")  # it waits for an answer that isn't there yet
    person.expect(pexpect.EOF)
    person.close()
    if person.exitstatus or not re.search(r"1  3 5\.5 8 +5\.5 +5\.5 +8 +3", said + str(person.before)):
        sys.exit(f"{suite}: make run ended with {person.exitstatus}:\n{said}{person.before}")
    for command in (*(["make locks"] if suite in NEWEST else []), "make test", VERSIONS):
        started = monotonic()
        subprocess.run(inside(root, command), env=environment(root), check=True)
        print(f"{suite}: {command}: {monotonic() - started:.0f} s", flush=True)


def inside(root: Path, command: str) -> list[str]:
    """Return the command line that runs a command in the clone in that system."""
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", CHROOT, "sh", str(root), command]


def environment(root: Path) -> dict[str, str]:
    """Return the variables of this process, less those that name what is not in that system."""
    named = {name: value for name, value in os.environ.items() if value.startswith("/")}
    missing = {name for name, value in named.items() if not (root / value[1:]).exists()}
    kept = {name: value for name, value in os.environ.items() if name not in missing}
    return kept | {"HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "xterm"}


if __name__ == "__main__":
    main()
