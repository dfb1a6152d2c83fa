"""A machine that slept: nobody's heartbeat is late because the clock went on."""

import os
import select
import signal

import pytest

from tests.e2e.conftest import Cluster

pytestmark = pytest.mark.slow

LATE = 2.0


def test_a_cluster_that_was_stopped_as_a_whole_blames_nobody(cluster: Cluster) -> None:
    cluster.start("--workers", "2", "--set", f"watchdog.late={LATE:g}s")
    assert cluster.process is not None
    workers = [row["pid"] for row in cluster.status()["workers"]]
    for pid in (cluster.process.pid, *workers):
        os.kill(pid, signal.SIGSTOP)
    select.select([], [], [], LATE + 1)  # The point is that time passes.
    os.kill(cluster.process.pid, signal.SIGCONT)
    # It has looked at heartbeats that are older than its limit when it answers.
    states = [row["state"] for row in cluster.status()["workers"]]
    for pid in workers:
        os.kill(pid, signal.SIGCONT)
    assert states == ["ready", "ready"]
    assert [row["generation"] for row in cluster.status()["workers"]] == [1, 1]
    assert not [e for e in cluster.journal() if e["event"] == "heartbeat_late"]
