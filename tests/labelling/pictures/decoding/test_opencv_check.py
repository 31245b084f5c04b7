"""An OpenCV that can't be used is said once, with the cure, whatever is wrong with it."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest
from support.world import ROOT

from lab2.aws.session import OLDEST_BOTO3
from lab2.errors import UserError
from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.decoding.opencv_check import OLDEST_OPENCV


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        ("", "the package cv2 is incomplete"),  # what is left after one of two mixed packages was uninstalled
        ("__version__ = '5.0.0'", "the package cv2 is incomplete"),
        ("imdecode = imencode = resize = putText = error = 1; __version__ = '4.10.0'", "OpenCV 4.10.0 is too old"),
        ("raise AttributeError('module cv2.dnn has no attribute DictValue')", "has no attribute DictValue"),
        ("raise RuntimeError", "RuntimeError"),
        ("import numpy.no_such", "No module named 'numpy.no_such'"),
        ("import os; os.abort()", "OpenCV crashes while it is loaded"),
    ],
)
def test_an_opencv_that_can_not_be_used_is_said_with_the_cure(
    package: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "__init__.py").write_text(package)
    monkeypatch.syspath_prepend(str(tmp_path))
    with closing(Decoder()) as decoder, pytest.raises(UserError, match=re.escape(reason)) as raised:
        decoder.check_opencv()
    assert f"Try: pip install --force-reinstall 'opencv-python>={OLDEST_OPENCV}'" in str(raised.value)


def test_the_oldest_libraries_are_those_that_pip_may_install() -> None:
    requirements = (ROOT / "requirements.txt").read_text().splitlines()
    assert f"boto3>={'.'.join(map(str, OLDEST_BOTO3))}" in requirements
    assert any(line.startswith(f"opencv-python>={OLDEST_OPENCV}.") for line in requirements)
