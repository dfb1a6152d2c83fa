"""Ceilings of a worker's memory: it sheds, says why, leaves, and is replaced."""

from typing import Any

import pytest

from tests.e2e.conftest import Cluster, wait_for
from tests.e2e.people import plain
from tests.e2e.raw import join
from tests.e2e.test_first_milestone import closing_code

pytestmark = pytest.mark.slow

FLAGS = ("--faults", "--identify", "--set", "memory.soft=40MiB")
HARD = ("--set", "memory.hard=80MiB")
MIB = 1 << 20


def told(cluster: Cluster, step: str) -> list[dict[str, Any]]:
    entries = cluster.journal()
    return [e for e in entries if e["event"] == "memory" and e["step"] == step]


def test_a_leak_is_told_and_ends_with_1013(cluster: Cluster) -> None:
    cluster.start("--workers", "2", *FLAGS, *HARD)
    url = cluster.url("/rooms/lobby")
    victim, survivor, other = plain(url, 0), plain(url, 1), plain(url, 1)
    assert cluster.worker(0)["memory"]["soft"] == 40 * MIB
    assert cluster.worker(0)["memory"]["hard"] == 80 * MIB
    assert cluster.run("fault", "0", "leak", "60MB/s").returncode == 0
    assert closing_code(victim) == 1013
    wait_for(lambda: cluster.worker(0)["generation"] == 2)
    row = cluster.worker(0)
    assert row["restarts"] == {"planned": 0, "crash": 0, "watchdog": 0, "memory": 1}
    assert (row["last_exit"]["kind"], row["last_exit"]["code"]) == ("memory", 75)
    steps = [told(cluster, step) for step in ("shed", "outgrown", "leave")]
    assert [len(entries) for entries in steps] == [1, 1, 1]
    shed, outgrown, leave = (entries[0] for entries in steps)
    assert shed["private"] <= outgrown["private"] <= leave["private"]
    assert 36 * MIB <= shed["ceiling"] <= 44 * MIB < shed["private"] + 8 * MIB
    assert leave["private"] > leave["ceiling"] == 80 * MIB
    assert leave["types"][0]["type"] == "bytearray"
    assert leave["growth_per_minute"] > 0
    assert leave["connections"] == 1
    survivor.send("still here")
    assert other.recv(5) == "still here"


def test_what_grows_at_once_meets_the_kernels_limit(cluster: Cluster) -> None:
    cluster.start("--workers", "1", *FLAGS, *HARD)
    with join(cluster.port, "/rooms/lobby") as member:
        assert cluster.run("fault", "0", "balloon", "1GB").returncode == 0
        assert member.read_close() == 1013
    wait_for(lambda: cluster.worker(0)["generation"] == 2)
    assert cluster.worker(0)["last_exit"]["kind"] == "memory"
    assert "Traceback" not in cluster.log_text()


def test_above_the_soft_ceiling_outboxes_are_shed_and_nobody_else_leaves(
    cluster: Cluster,
) -> None:
    cluster.start("--workers", "1", *FLAGS, "--set", "memory.hard=0")
    url = cluster.url("/rooms/lobby")
    speaker, listener = plain(url), plain(url)
    assert cluster.run("fault", "0", "balloon", "60MB").returncode == 0
    wait_for(lambda: told(cluster, "outgrown"))
    assert cluster.worker(0)["generation"] == 1
    speaker.send("hello")
    assert listener.recv(5) == "hello"
