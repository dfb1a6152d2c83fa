"""The Autobahn test suite in an environment of its own.

The suite runs on CPython 2.7 only; on Python 3 it installs and does not start. The last
virtualenv that makes environments for 2.7 is older than 20.22. Both are installed once
into a folder that git ignores, and used again as long as neither has changed.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SUITE = "autobahntestsuite==25.10.1"
VIRTUALENV = "virtualenv<20.22"

_PROBE = """
import platform, ssl, sys
sys.stdout.write(platform.python_implementation() + " %d.%d" % sys.version_info[:2])
"""


def find_python2() -> Path | None:
    """Return a CPython 2.7 that really runs: `PYTHON27`, on PATH or in pyenv."""
    return next((path for path in _candidates() if runs_python2(path)), None)


def runs_python2(path: Path) -> bool:
    """Whether `path` runs CPython 2.7 with TLS; a shim on PATH may run nothing."""
    try:
        done = subprocess.run(
            [path, "-c", _PROBE], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout == "CPython 2.7"


def _candidates() -> Iterator[Path]:
    if named := os.environ.get("PYTHON27"):
        yield Path(named)
    for folder in os.get_exec_path():
        yield Path(folder, "python2.7")
    roots = [Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()]
    if pyenv := shutil.which("pyenv"):
        told = subprocess.run([pyenv, "root"], capture_output=True, text=True)
        roots += [Path(line) for line in told.stdout.splitlines()]
    for root in roots:
        # The newest first; names such as 2.7.18 sort well enough for one minor version.
        yield from sorted(root.glob("versions/2.7*/bin/python2.7"), reverse=True)


def install_suite(folder: Path, python2: Path) -> Path:
    """Install the suite below `folder`, unless it is there; return its `wstest`.

    Raises:
        subprocess.CalledProcessError: an installation failed; its output has the cause.
    """
    folder.mkdir(exist_ok=True)
    stamp, wanted = folder / "installed", f"{SUITE} {VIRTUALENV} {python2}\n"
    tool, suite = folder / "virtualenv", folder / "suite"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            print(f"installing {SUITE} for {python2}, some 30 seconds", flush=True)
            stamp.unlink(missing_ok=True)
            for old in (tool, suite):
                shutil.rmtree(old, ignore_errors=True)
            _run(sys.executable, "-m", "venv", tool)
            _run(tool / "bin/pip", "install", "--quiet", VIRTUALENV)
            _run(tool / "bin/virtualenv", "--quiet", "-p", python2, suite)
            _run(suite / "bin/pip", "install", "--quiet", SUITE)
            stamp.write_text(wanted)
    return suite / "bin/wstest"


def _run(*command: str | Path) -> None:
    subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
