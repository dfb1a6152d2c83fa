"""The zygote and what it forks: real processes, forked and killed."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubbub.supervisor.spawner import ANSWER

Start = Callable[..., Any]
"""Starts a cluster; see conftest."""

pytestmark = pytest.mark.slow


def test_processes_have_names_and_exactly_their_own_descriptors(start: Start) -> None:
    cluster = start().ready()
    names = set()
    for pid in cluster.pids():
        names.add(Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode())
    assert names == {
        "hubbub: supervisor",
        "hubbub: zygote",
        "hubbub: worker 0/1",
        "hubbub: worker 1/1",
    }
    zygote = cluster.zygote()
    # Standard three, channel, listener, scoreboard, interest.
    assert len(os.listdir(f"/proc/{zygote}/fd")) == 7
    for row in cluster.workers():
        # Standard three, listener, scoreboard (mapped: twice), interest, channel,
        # dump; the fake's link to its peer and its file, which come when it hears
        # of its peer.
        folder = f"/proc/{row['pid']}/fd"
        cluster.until(lambda folder=folder: len(os.listdir(folder)) == 11)
        assert os.getsid(row["pid"]) == zygote
    tasks = os.listdir(f"/proc/{cluster.process.pid}/task")
    assert len(tasks) == 1


def test_killed_zygote_is_replaced_and_workers_are_untouched(start: Start) -> None:
    cluster = start().ready()
    pids = [row["pid"] for row in cluster.workers()]
    zygote = cluster.zygote()
    os.kill(zygote, signal.SIGKILL)
    gone = cluster.wait_journal("zygote_exit", pid=zygote)
    cluster.until(lambda: cluster.zygote() != zygote)
    assert cluster.journal("zygote_ready")[-1]["at"] - gone["at"] < 1.0
    assert [row["pid"] for row in cluster.workers()] == pids
    os.kill(pids[0], signal.SIGKILL)
    cluster.wait_worker(0, state="ready", generation=2)


def test_zygote_and_worker_killed_together_are_both_replaced(start: Start) -> None:
    cluster = start().ready()
    os.kill(cluster.zygote(), signal.SIGKILL)
    os.kill(cluster.workers()[0]["pid"], signal.SIGKILL)
    cluster.wait_worker(0, state="ready", generation=2)


def test_stopped_zygote_costs_a_dead_worker_seconds(start: Start) -> None:
    cluster = start().ready()
    zygote = cluster.zygote()
    os.kill(zygote, signal.SIGSTOP)
    os.kill(cluster.workers()[0]["pid"], signal.SIGKILL)
    cluster.wait_journal("zygote_exit", pid=zygote)
    row = cluster.wait_worker(0, state="ready")
    assert row["restarts"]["crash"] == 1
    (gone,) = cluster.journal("exit", slot=0)
    ready = cluster.journal("ready", slot=0)[-1]
    assert ANSWER <= ready["at"] - gone["at"] < 5
    (killed,) = cluster.journal("zygote_killed")
    assert (killed["pid"], killed["reason"]) == (zygote, "does not fork")


def test_zygote_that_never_gets_ready_is_killed(start: Start) -> None:
    cluster = start(entry="hung_import:run_worker", restarts={"boot": 1.5}).ready()
    first = cluster.journal("zygote_start")[0]["pid"]
    (killed,) = cluster.journal("zygote_killed")
    assert (killed["pid"], killed["reason"]) == (first, "not ready in time")


def test_supervisor_that_was_stopped_too_does_not_blame_the_zygote(
    start: Start,
) -> None:
    cluster = start().ready()
    zygote = cluster.zygote()
    os.kill(zygote, signal.SIGSTOP)
    os.kill(cluster.workers()[0]["pid"], signal.SIGKILL)
    cluster.wait_journal("exit", slot=0)
    select.select([], [], [], 0.5)  # it asks for another within that
    cluster.signal(signal.SIGSTOP)
    select.select([], [], [], ANSWER)  # the point is that time passes
    cluster.signal(signal.SIGCONT)
    os.kill(zygote, signal.SIGCONT)
    cluster.wait_worker(0, state="ready", generation=2)
    assert not cluster.journal("zygote_killed")


def test_strangers_are_reaped(start: Start) -> None:
    cluster = start().ready()
    # A process whose parent is gone falls to the subreaper.
    zygote = cluster.zygote()
    os.kill(zygote, signal.SIGKILL)
    cluster.wait_journal("zygote_exit", pid=zygote)
    os.kill(cluster.workers()[0]["pid"], signal.SIGKILL)
    cluster.wait_worker(0, state="ready", generation=2)
    states = [
        Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        for pid in cluster.pids()
    ]
    assert "Z" not in states


def test_server_that_cannot_be_imported_is_exit_code_three(start: Start) -> None:
    cluster = start(entry="no_such_module:run")
    assert cluster.wait() == 3
    line = cluster.wait_log("server_not_importable")
    assert line["reason"].startswith("ModuleNotFoundError: No module named")
    assert not cluster.pids()


def test_nothing_outlives_a_killed_supervisor(start: Start) -> None:
    cluster = start(workers=3).ready()
    # One is stopped, and cannot see its channel close.
    os.kill(cluster.workers()[2]["pid"], signal.SIGSTOP)
    before = cluster.pids()
    assert len(before) == 5
    pidfds = [os.pidfd_open(pid) for pid in before]
    cluster.signal(signal.SIGKILL)
    for pidfd in pidfds:
        assert select.select([pidfd], [], [], 2.0)[0]
        os.close(pidfd)
    cluster.wait_nobody()


def test_worker_module_is_imported_in_the_zygote_alone() -> None:
    script = (
        "import sys, hubbub.supervisor.run;"
        "bad = {'trio', 'structlog', 'click', 'msgpack', 'hubbub.server.worker'};"
        "print(sorted(bad & set(sys.modules)))"
    )
    output = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert output == "[]\n"
