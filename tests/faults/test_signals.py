"""Signals at any moment of a start, and then SIGTERM: every time an end in order."""

import os
import random
import select
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.conftest import COMMAND, Cluster
from tests.faults.conftest import MakeReport

pytestmark = pytest.mark.fault

_HANG = 10.0
"""A start that has not ended so long after its SIGTERM hangs, seconds."""
_GONE = 2.0
"""Who is there so long after the supervisor's end is an orphan, seconds."""
_WITHIN = 0.3
"""When signals come, seconds from the start."""
_HARMLESS = (
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCHLD,
    signal.SIGWINCH,
    signal.SIGPIPE,
    signal.SIGCONT,
)
_STOPS = (signal.SIGTERM, signal.SIGINT)
_EARLY = {130, *(-number for number in (*_HARMLESS, *_STOPS))}
"""How it may end before it hears signals itself: nothing was started."""


def pids_in(folder: Path) -> list[int]:
    """Return the processes whose working directory this is."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.readlink(f"/proc/{name}/cwd") == str(folder):
                    found.append(int(name))
            except OSError:
                continue
    return found


def wait_gone(folder: Path) -> list[int]:
    """Wait until nobody is left; return who is, and end them."""
    end = time.monotonic() + _GONE
    while (left := pids_in(folder)) and time.monotonic() < end:
        select.select([], [], [], 0.01)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(20, id="quick"),
        pytest.param(200, id="full", marks=pytest.mark.long),
    ],
)
def test_s32_signal_race(reporting: MakeReport, tmp_path: Path, count: int) -> None:
    chance = random.Random(32)
    cluster = Cluster(tmp_path)
    codes: Counter[int] = Counter()
    hangs, orphans, late, files, sent = 0, 0, 0, 0, 0
    longest = 0.0
    words = f"signals within 0.3 s of the start, then SIGTERM, {count} times"
    with reporting("S32", words) as report:
        for _ in range(count):
            moments = sorted(chance.uniform(0, _WITHIN) for _ in range(4))
            numbers = [chance.choice(_HARMLESS) for _ in moments[1:]]
            # The second stop in a row means: at once.
            numbers.append(chance.choice(_STOPS))
            begun = time.monotonic()
            with cluster.log.open("ab") as log:
                process = subprocess.Popen(
                    [
                        *(COMMAND, "serve", "--port", "0", "--workers", "2"),
                        *("--run-dir", str(cluster.run_dir)),
                    ],
                    stdout=log,
                    stderr=log,
                    cwd=tmp_path,
                    env=cluster.environment(),
                )
            for moment, number in zip(moments, numbers, strict=True):
                left = begun + moment - time.monotonic()
                select.select([], [], [], max(0.0, left))
                process.send_signal(number)
                sent += 1
            if chance.random() < 0.5:
                process.send_signal(signal.SIGTERM)
            asked = time.monotonic()
            try:
                code = process.wait(_HANG)
            except subprocess.TimeoutExpired:
                hangs += 1
                process.kill()
                code = process.wait()
            took = time.monotonic() - asked
            longest = max(longest, took)
            codes[code] += 1
            orphans += len(wait_gone(tmp_path))
            late += code in _EARLY and cluster.run_dir.exists()
            files += cluster.run_dir.exists()
        told = ", ".join(f"{code}: {number}" for code, number in codes.most_common())
        report.tell("signals", sent)
        report.tell("exit codes", told)
        report.equal("others than 0 and early ends", set(codes) - {0} - _EARLY, set())
        report.at_least("ends with 0", codes[0], count // 4)
        report.equal("early ends that left something", late, 0)
        report.at_most("hangs", hangs, 0)
        report.at_most("longest end", longest, _HANG, "s")
        report.at_most("orphans", orphans, 0)
        report.at_most("run directories left", files, 0)
        lines = cluster.log.read_text().splitlines()
        ours = [one for one in lines if 'File "' in one and "hubbub/" in one]
        report.equal("tracebacks of ours", ours or "none", "none")
