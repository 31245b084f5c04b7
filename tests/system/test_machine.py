"""A user without a home or a name."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.world import PATIENCE, ROOT, World


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ([], {"HOME": None}),
        ([], {"HOME": ""}),
        ([], {"HOME": "/"}),
        ([], {"AWS_PROFILE": "", "AWS_SESSION_TOKEN": "", "LAB2_BUCKET": ""}),
        (["-OO"], {"PYTHONSAFEPATH": "1"}),
    ],
)
def test_a_client_answers_without_a_home_with_empty_variables_and_optimised(
    world: World, server: object, options: list[str], settings: dict[str, str | None]
) -> None:
    environment = {name: value for name, value in (world.env | settings).items() if value is not None}
    done = subprocess.run(
        [sys.executable, *options, str(ROOT / "client.py"), "3", "5.5"], env=environment, cwd=world.home,
        capture_output=True, text=True, timeout=3 * PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].split() == ["1", "3", "5.5", "4.25", "4.25", "5.5", "3"]


NOBODY = """
import pwd, runpy, sys

def nobody(uid):
    raise KeyError(uid)

pwd.getpwuid = nobody
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("hotdog.py report", 0, "hot dog"),
        ("hotdog.py upload underbase/b5ee1b165ac3-IMG_0417.jpg", 0, "1 already there"),
        ("client.py --wait 0", 0, "No numbers were typed"),
    ],
)
def test_who_has_no_home_and_no_name_can_do_what_needs_neither(samples: World, line: str, code: int, said: str) -> None:
    environment = {name: value for name, value in samples.env.items() if name not in ("HOME", "LOGNAME", "USER")}
    done = subprocess.run(
        [sys.executable, "-c", NOBODY, *line.split()], env=environment, cwd=ROOT, capture_output=True, text=True,
        input="", timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == code and said in done.stdout + done.stderr and "Traceback" not in done.stderr
