"""Completion scripts: both shells source them, and bash completes commands, options and choices."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab2.cli import client, hotdog, server
from lab2.cli.parser import Program

PROGRAMS = {"lab2-client": client.program, "lab2-server": server.program, "lab2-hotdog": hotdog.program}


def script(name: str, shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Write the completion script of a program to a file."""
    with pytest.raises(SystemExit) as end:
        PROGRAMS[name](name).parse(["--print-completion", shell])
    assert end.value.code == 0
    path = tmp_path / f"{name}.{shell}"
    path.write_text(capsys.readouterr().out)
    return path


def shell(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def completed(path: Path, line: str) -> set[str]:
    """Return what bash offers for the last word of a command line."""
    words = line.split(" ")
    code = (
        f"source {path}; COMP_WORDS=({' '.join(word or repr('') for word in words)}); COMP_CWORD={len(words) - 1}; "
        f'read -ra spec <<< "$(complete -p {words[0]})"; '
        'for at in "${!spec[@]}"; do [ "${spec[$at]}" = -F ] && function="${spec[$((at + 1))]}"; done; '
        '$function; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return set(shell("bash", "--norc", "-c", code).split())


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lab2-server st", {"status"}),
        ("lab2-server --dr", {"--drain"}),
        ("lab2-client fi", {"file"}),
        ("lab2-client file --output c", {"csv"}),
        ("lab2-hotdog label --pick us", {"useful"}),
        ("lab2-server status --dr", set()),
    ],
)
def test_bash_completes(line: str, offered: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert completed(script(line.split()[0], "bash", tmp_path, capsys), line) == offered


def test_bash_completes_paths_where_a_path_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "series.txt").touch()
    path = script("lab2-client", "bash", tmp_path, capsys)
    assert completed(path, f"lab2-client file {tmp_path}/ser") == {f"{tmp_path}/series.txt"}


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
@pytest.mark.parametrize("name", PROGRAMS)
def test_zsh_takes_the_script(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = script(name, "zsh", tmp_path, capsys)
    code = f'autoload -Uz compinit; compinit -u -d {tmp_path}/dump; eval "$(<{path})"; print -r -- $_comps[{name}]'
    assert shell("zsh", "-f", "-c", code).strip() == "_shtab_" + name.replace("-", "_")


def test_without_shtab_a_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    program: Program = server.program("server.py")
    with pytest.raises(SystemExit) as end:
        program.parse(["--print-completion", "zsh"])
    assert end.value.code == 2 and "pip install shtab" in capsys.readouterr().err
