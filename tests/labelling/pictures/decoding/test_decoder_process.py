"""The process that decodes has bounded memory, or says that it can't be bounded."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import cv2
import numpy
import pytest
from support.pictures import peak_memory
from support.variants import drawing, saved
from support.world import PATIENCE, ROOT

from lab2.labelling.pictures.decoding.decoder import Decoder


def test_a_picture_of_108_megapixels_is_shown_in_bounded_memory(decoder: Decoder) -> None:
    """As a JPEG: its 324 MB of pixels are never in memory. Half of them would be, as a PNG, which is allowed too."""
    data = cv2.imencode(".jpg", numpy.full((9000, 12000), 200, numpy.uint8))[1].tobytes()
    before = peak_memory(decoder)
    assert decoder.decode(data, 960, 640).width == 853
    assert peak_memory(decoder) - before < 100 * 2**20


def test_where_memory_can_not_be_limited_pictures_are_shown_and_one_sentence_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import resource\ndef refuse(*_): raise ValueError('not allowed to raise maximum limit')\n"
        "resource.setrlimit = refuse\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("lab2.labelling.pictures.decoding.decoder._warned", set())
    for _ in range(2):
        decoder = Decoder()
        assert [decoder.decode(saved(drawing(), "JPEG"), 60, 40).width for _ in range(2)] == [60, 60]
        decoder.close()
    (line,) = capsys.readouterr().err.splitlines()
    assert "can't be limited here (not allowed to raise maximum limit)" in line


def test_under_a_small_memory_limit_of_the_shell_no_whole_picture_is_called_damaged() -> None:
    code = (
        "from lab2.labelling.pictures.decoding.decoder import Decoder; from support.variants import drawing, saved; "
        "print(Decoder().decode(saved(drawing(), 'JPEG'), 60, 40).width)"
    )
    limit = 4 * 2**30
    program = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONPATH": f"{ROOT}:{ROOT}/tests"}, capture_output=True,
        text=True, timeout=PATIENCE, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert program.stdout == "60\n", program.stderr
