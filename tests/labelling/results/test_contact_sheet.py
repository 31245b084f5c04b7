"""The contact sheet: drawn, written whole or not at all, or refused in a sentence."""

from __future__ import annotations

import resource

from support.labeller import piped
from support.world import PATIENCE, World


def test_a_report_on_nothing_is_no_error_but_a_sheet_of_nothing_is(world: World) -> None:
    code, output, errors = piped(world, "report", typed="")
    assert (code, errors) == (0, "") and "not known" in output
    code, _, errors = piped(world, "report", "--sheet", "sheet.png", typed="")
    assert code == 2 and "Upload some first" in errors


def test_a_full_disk_under_a_sheet_leaves_the_one_that_was_there(samples: World) -> None:
    sheet = samples.home / "sheet.png"
    sheet.write_bytes(b"the last one")

    def fill_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))

    program = samples.start("hotdog.py", "report", "--sheet", "sheet.png", preexec_fn=fill_disk)
    _, errors = program.communicate(timeout=PATIENCE)
    assert program.returncode == 2 and "can't be written: File too large. Give another file to --sheet." in errors
    assert sheet.read_bytes() == b"the last one" and [*samples.home.glob(".sheet*")] == []


def test_a_sheet_is_written_to_a_pipe_too(samples: World) -> None:
    program = samples.start("hotdog.py", "report", "--sheet", "/dev/stderr", encoding="latin-1")
    _, errors = program.communicate(timeout=PATIENCE)
    assert program.returncode == 0 and errors.startswith("\x89PNG")


def test_a_sheet_that_can_not_be_written_is_one_sentence(samples: World) -> None:
    code, _, errors = piped(samples, "report", "--sheet", str(samples.home), typed="")
    assert code == 2 and "Give another file to --sheet" in errors and len(errors.splitlines()) == 1
