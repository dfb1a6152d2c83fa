"""Finding a Python 2.7 that runs, among stand-ins that do not."""

from pathlib import Path

import pytest

from tests.conformance.python2 import find_python2, install_suite, runs_python2

REAL = "printf 'CPython 2.7'"
SHIM = "echo 'pyenv: python2.7: command not found' >&2; exit 127"


def make_command(folder: Path, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / "python2.7"
    made.write_text(f"#!/bin/sh\n{script}\n")
    made.chmod(0o755)
    return made


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Python 2.7."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.delenv("PYTHON27", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    "script", [SHIM, "printf 'CPython 3.11'", "printf 'PyPy 2.7'", "exit 0"]
)
def test_command_that_is_no_python2_does_not_run(tmp_path: Path, script: str) -> None:
    assert not runs_python2(make_command(tmp_path, script))


def test_command_that_is_not_there_does_not_run(tmp_path: Path) -> None:
    assert not runs_python2(tmp_path / "python2.7")


def test_machine_without_python2_has_none(home: Path) -> None:
    assert find_python2() is None


def test_shim_on_path_does_not_hide_the_one_in_pyenv(home: Path) -> None:
    make_command(home / "bin", SHIM)
    real = make_command(home / "pyenv/versions/2.7.18/bin", REAL)
    assert find_python2() == real


def test_named_one_comes_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_command(home / "bin", REAL)
    named = make_command(home / "elsewhere", REAL)
    monkeypatch.setenv("PYTHON27", str(named))
    assert find_python2() == named


def test_installed_suite_is_used_again(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "installed").write_text(
        "autobahntestsuite==25.10.1 virtualenv<20.22 /usr/bin/python2.7\n"
    )
    wstest = install_suite(folder, Path("/usr/bin/python2.7"))
    assert wstest == folder / "suite/bin/wstest"
