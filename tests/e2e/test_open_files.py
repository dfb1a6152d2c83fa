"""A worker without a free descriptor waits for one, and does not spin meanwhile."""

import os
import resource
import socket
import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Cluster, wait_for
from tests.e2e.raw import upgrade

pytestmark = pytest.mark.slow

LIMIT = 64
CONNECTS = 100
WATCHED = 1.0
"""Seconds in which the worker's CPU time is looked at."""
TICK = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def crowd() -> Iterator[list[socket.socket]]:
    made: list[socket.socket] = []
    yield made
    for one in made:
        one.close()


def cpu(pid: int) -> float:
    """Return the CPU time that a process has taken, seconds."""
    with open(f"/proc/{pid}/stat") as file:
        cells = file.read().rpartition(")")[2].split()
    return (int(cells[11]) + int(cells[12])) / TICK


def test_a_worker_without_descriptors_does_not_spin(
    cluster: Cluster, crowd: list[socket.socket]
) -> None:
    cluster.start("--workers", "1")
    pid = cluster.worker(0)["pid"]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    for _ in range(CONNECTS):
        crowd.append(socket.create_connection(("127.0.0.1", cluster.port), 5))
        crowd[-1].send(upgrade("/rooms/lobby"))
    wait_for(lambda: cluster.worker(0)["accept_pauses"])
    served = cluster.worker(0)["connections"]
    assert 0 < served < LIMIT
    before = cpu(pid)
    time.sleep(WATCHED)  # What it does while nothing happens is the question.
    assert cpu(pid) - before < 0.2 * WATCHED
    for one in crowd[:served]:
        one.close()
    # Who waited is let in.
    assert crowd[served].recv(4096).startswith(b"HTTP/1.1 101 ")
