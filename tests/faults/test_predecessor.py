"""A cluster was killed, and one of its workers does not notice for a while: the next
start has the same port all the same."""

import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import Cluster, wait_for
from tests.faults.conftest import MakeReport

pytestmark = pytest.mark.fault

_START = 3.0
"""Longest start, seconds."""
_BLOCKED_MS = 500
"""Age of a heartbeat from which on a worker is blocked for sure."""


def test_s31_port_of_a_predecessor_whose_worker_is_blocked(
    reporting: MakeReport, tmp_path: Path
) -> None:
    words = "its supervisor killed, a worker blocked, the same port asked for"
    cluster = Cluster(tmp_path)
    with reporting("S31", words) as report:
        try:
            cluster.start("--workers", "2", "--faults")
            port, blocked = cluster.port, psutil.Process(cluster.worker(0)["pid"])
            assert cluster.run("fault", "0", "block", "60s").returncode == 0
            wait_for(lambda: cluster.worker(0)["heartbeat_age_ms"] > _BLOCKED_MS)
            cluster.send_signal(signal.SIGKILL)
            cluster.wait()
            begun = time.monotonic()
            report.equal("its worker holds the port", blocked.is_running(), True)
            cluster.start("--workers", "2", port=port)
            took = time.monotonic() - begun
            report.at_most("serving again after", took, _START, "s")
            report.equal("on the same port", cluster.port, port)
        finally:
            cluster.end()
