"""Run tests on a copy of the repository, and see to it that nothing is left of them."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import psutil

ROOT: Final = Path(__file__).resolve().parents[3]
_TREES: Final = ("hubbub", "server", "supervisor", "loadtest", "tests")
_FILES: Final = ("pyproject.toml",)
_FIGURE: Final = re.compile(r"(?<!\d of \d)(?<!\d of \d\d) FAILED$")
"""A figure of a scenario's report that is over its limit; not the report's head."""
_PLACE: Final = re.compile(r": in test_\w+\n +(.+)")
"""The line of a test in which something went wrong."""
_PR_SET_CHILD_SUBREAPER: Final = 36


@dataclass
class Outcome:
    """What became of a run of tests."""

    seconds: float
    ended: bool
    """False: it was stopped at its time limit."""
    red: dict[str, list[str]] = field(default_factory=dict)
    """Failed tests, each with the lines that say what is wrong."""
    green: set[str] = field(default_factory=set)
    """Tests that passed."""
    output: str = ""


def copy_tree(source: Path, target: Path) -> None:
    """Copy what the tests of a repository need, compiled files included."""
    ignore = shutil.ignore_patterns(".*")
    for name in _TREES:
        shutil.copytree(source / name, target / name, symlinks=True, ignore=ignore)
    for name in _FILES:
        shutil.copy2(source / name, target / name)


def forget_compiled(root: Path, file: str) -> None:
    """Remove what Python has compiled of a source file: times have whole seconds."""
    path = root / file
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


def make_environment(root: Path) -> Path:
    """Make a virtual environment beside the copy at `root`; return its interpreter.

    It has every package of this one, by symbolic links, but `hubbub` is the copy:
    whatever a test starts, by whatever way, is what was mutated.

    Raises:
        RuntimeError: it is not, and every mutation would survive.
    """
    ours, folder = Path(sysconfig.get_path("purelib")), root.parent / "venv"
    packages = folder / ours.relative_to(sys.prefix)
    packages.mkdir(parents=True)
    for entry in ours.iterdir():
        if not re.fullmatch(r".*hubbub.*\.pth|__pycache__", entry.name):
            (packages / entry.name).symlink_to(entry)
    (packages / "hubbub.pth").write_text(f"{root}\n")
    shutil.copy2(Path(sys.prefix) / "pyvenv.cfg", folder)
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(Path(sys.executable).resolve())
    command = python.with_name("hubbub")
    command.write_text(f"#!{python}\nfrom hubbub.__main__ import main\nmain()\n")
    command.chmod(0o755)
    script = "import hubbub.server.worker as one; print(one.__file__)"
    done = subprocess.run(
        [python, "-c", script],
        cwd="/",
        env=_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    if not Path(done.stdout.strip()).is_relative_to(root):
        raise RuntimeError(f"{command} runs {done.stdout.strip()}, not {root}")
    return python


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}


def run(root: Path, python: Path, tests: Iterable[str], limit: float) -> Outcome:
    """Run tests of the tree at `root` and end every process that they leave.

    Args:
        root: a copy of the repository.
        python: the interpreter of its environment.
        tests: node ids.
        limit: longest time, seconds.
    """
    wanted = list(dict.fromkeys(tests))
    report, base = root.parent / "report.xml", root.parent / "t"
    report.unlink(missing_ok=True)
    command: list[str | Path] = [
        *(python, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *("--tb=short", f"--junitxml={report}", f"--basetemp={base}", *wanted),
    ]
    begun = time.monotonic()
    with (root.parent / "output").open("w+") as output:
        process = subprocess.Popen(
            command,
            cwd=root,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            process.wait(limit)
            ended = True
        except subprocess.TimeoutExpired:
            ended = False
        finally:
            end_descendants()
            process.wait()
            _reap()
        seconds = time.monotonic() - begun
        output.seek(0)
        text = output.read()
    shutil.rmtree(base, ignore_errors=True)
    outcome = Outcome(seconds, ended, output=text)
    if report.exists():
        _take_report(report, wanted, outcome)
    return outcome


def _take_report(report: Path, wanted: list[str], outcome: Outcome) -> None:
    named = {(_class(test), test.rpartition("::")[2]): test for test in wanted}
    for case in ElementTree.parse(report).iter("testcase"):
        where, name = case.get("classname", ""), case.get("name", "")
        # A test that is named without parameters stands for all of its cases.
        test = named.get((where, name)) or named.get((where, name.partition("[")[0]))
        if test is None:
            continue
        wrong = [*case.iter("failure"), *case.iter("error")]
        if wrong:
            text = "\n".join(one.text or "" for one in wrong)
            outcome.red.setdefault(test, []).extend(_telling(text))
        elif case.find("skipped") is None:
            outcome.green.add(test)
    outcome.green -= set(outcome.red)


def _class(test: str) -> str:
    return test.partition("::")[0].removesuffix(".py").replace("/", ".")


def _telling(text: str) -> list[str]:
    """Return the lines of a failure that say what is wrong: a scenario's figures, or
    else what pytest says, behind the line of the test where it happened."""
    lines = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    failed = [line for line in lines if _FIGURE.search(line)]
    if failed:
        return [_figure(line) for line in failed]
    place = _PLACE.search(text)
    where = f"{place[1]} → " if place else ""
    return [where + line.removeprefix("AssertionError: ") for line in lines if line]


def _figure(line: str) -> str:
    """Return a line of a scenario's report in words: figure, measured, limit."""
    name, measured, limit, *_ = [*re.split(r"\s{2,}", line), "", ""]
    return f"{name}: {measured}, wanted {limit}"


def become_subreaper() -> None:
    """Become the parent of every orphan among our descendants (prctl(2)), so that
    none of them can hide from `end_descendants`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def end_descendants() -> None:
    """SIGKILL every descendant, until there is none."""
    while left := [p for p in psutil.Process().children(recursive=True) if _runs(p)]:
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(left, 2)


def _reap() -> None:
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                return
        except ChildProcessError:
            return


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
