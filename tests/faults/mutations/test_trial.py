"""What runs tests on a copy tells red from green, and leaves nothing behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.mutations.trial import ROOT

pytestmark = pytest.mark.slow

TESTS = """
import os
import subprocess

import pytest

from hubbub.one import ANSWER


@pytest.mark.parametrize("number", [1, 2])
def test_red(number):
    assert ANSWER == number


def test_green():
    sleeper = subprocess.Popen(["sleep", "60"], start_new_session=True)
    # Its own parent ends before it: only a subreaper finds it.
    if os.fork() == 0:
        subprocess.Popen(["sleep", "60"], start_new_session=True)
        os._exit(0)
    os.wait()


def test_hangs():
    subprocess.run(["sleep", "60"])
"""
SCRIPT = """
import dataclasses, json, pathlib, sys
from tests.faults.mutations import trial

trial.become_subreaper()
root = pathlib.Path(sys.argv[1])
python = trial.make_environment(root)
tests = ["tests/test_one.py::test_" + name for name in ("red", "green", "hangs")]
for chosen, limit in ((tests[:2], 30), (tests[2:], 2)):
    outcome = trial.run(root, python, chosen, limit)
    print(json.dumps([outcome.ended, outcome.red, list(outcome.green)]))
print(len(trial.psutil.Process().children(recursive=True)))
"""


def test_run_tells_red_from_green_and_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    (root / "tests").mkdir(parents=True)
    (root / "hubbub/server").mkdir(parents=True)
    (root / "hubbub/server/worker.py").touch()
    (root / "hubbub/one.py").write_text("ANSWER = 1\n")
    (root / "tests/test_one.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(root)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    first, second, left = map(json.loads, done.stdout.splitlines())
    where = "tests/test_one.py::"
    shown = "assert ANSWER == number → assert 1 == 2"
    assert first == [True, {f"{where}test_red": [shown]}, [f"{where}test_green"]]
    assert second == [False, {}, []]
    assert left == 0
