"""CI runs what a contributor runs: the workflow and the hooks call targets and tools that exist."""

from __future__ import annotations

import os
import re
import subprocess

import yaml
from support.world import ROOT

from tools import bare

MAKEFILE = (ROOT / "Makefile").read_text()
JOBS = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
STEPS = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]


def test_the_workflow_calls_targets_and_scripts_that_exist() -> None:
    targets = [target for step in STEPS for target in re.findall(r"^make ([\w-]+)$", step)]
    assert {"check", "test"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
    assert ".ci/run" in STEPS and os.access(ROOT / ".ci" / "run", os.X_OK)
    for step in STEPS:
        for script in re.findall(r"\bsh (\S+)", step):
            assert (ROOT / script).exists(), script


def test_the_workflow_tests_the_oldest_python_that_the_package_takes() -> None:
    (oldest,) = re.findall(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert oldest in JOBS["test"]["strategy"]["matrix"]["python"]


def test_each_hook_is_a_check_of_make() -> None:
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    for hook in local["hooks"]:
        tool = " ".join(hook["entry"].removeprefix(".venv/bin/").split()[:2]).partition(" --")[0]
        assert f"$(BIN)/{tool}" in MAKEFILE, tool


def test_ci_leaves_no_long_test_out() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    targets = [target for line in lines for target in re.findall(r"^(?!#).*\bmake (\w+)", line)]
    tested = {"check", "bare", "long", "crashes", "fuzz", "queues", "versions", "conformance"}
    assert tested <= set(targets)


def test_make_help_lists_every_target() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    told = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.findall(r"^  make ([a-z]+)", told.stdout, re.MULTILINE) == phony.split()
    assert max(map(len, told.stdout.splitlines())) <= 120


def test_bare_systems_have_what_the_readme_asks_for_and_run_its_commands() -> None:
    start = (ROOT / "README.md").read_text().partition("## Start")[2].partition("Without make")[0]
    asked, commands = start.partition("\n\n    ")[0], re.findall(r"^    (make \w+)", start, re.MULTILINE)
    assert set(bare.PACKAGES) == set(re.findall(r"`([\w-]+)`", asked))
    source = (ROOT / "tools" / "bare.py").read_text()
    assert commands and all(f'"{command}"' in source for command in commands)
