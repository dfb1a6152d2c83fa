import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from hubbub.loadtest import chaos


class Cluster:
    """A cluster of made-up workers, which answers as it is told to."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.server = self
        self.answer: dict[str, Any] | None = {"error": "there is no request 'restart'"}
        self.asked: list[dict[str, object]] = []

    def add(self, slot: int, pid: int | None, state: str = "ready") -> None:
        self.rows.append(
            {
                "slot": slot,
                "generation": 1,
                "pid": pid,
                "state": state,
                "connections": 3,
            }
        )

    async def status(self) -> dict[str, Any] | None:
        return {"workers": [dict(row) for row in self.rows]}

    def ask(self, request: dict[str, object]) -> dict[str, Any] | None:
        self.asked.append(request)
        for row in self.rows:
            row["generation"] += 1
        return self.answer


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    made = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield made
    made.kill()
    made.wait()


async def test_only_ready_workers_are_there() -> None:
    cluster = Cluster()
    cluster.add(0, 10)
    cluster.add(1, None, "waiting")
    cluster.add(2, 12, "draining")
    cluster.add(3, 13)
    assert [one.slot for one in await chaos.workers(cluster)] == [0, 3]


async def test_cluster_out_of_reach_has_no_workers() -> None:
    class Silent(Cluster):
        async def status(self) -> dict[str, Any] | None:
            return None

    assert await chaos.workers(Silent()) == []
    assert await chaos.kill_one(Silent(), random.Random(1)) is None


async def test_worker_is_killed(process: subprocess.Popen[bytes]) -> None:
    cluster = Cluster()
    cluster.add(0, process.pid)
    killed = await chaos.kill_one(cluster, random.Random(1))
    assert killed == (0, 1, process.pid, 3)
    assert process.wait(10) == -signal.SIGKILL


async def test_spared_slots_are_left_alone(process: subprocess.Popen[bytes]) -> None:
    cluster = Cluster()
    cluster.add(5, process.pid)
    assert await chaos.kill_one(cluster, random.Random(1), {5}) is None
    assert process.poll() is None


async def test_process_that_is_no_worker_any_more_is_not_hit(
    process: subprocess.Popen[bytes],
) -> None:
    cluster = Cluster()
    cluster.add(0, process.pid)
    [worker] = await chaos.workers(cluster)
    cluster.rows[0]["generation"] = 2
    assert not await chaos.send(cluster, worker, signal.SIGKILL)
    assert process.poll() is None


async def test_worker_that_is_gone_gets_no_signal(
    process: subprocess.Popen[bytes],
) -> None:
    cluster = Cluster()
    cluster.add(0, process.pid)
    [worker] = await chaos.workers(cluster)
    process.kill()
    process.wait()
    assert not await chaos.send(cluster, worker, signal.SIGTERM)


async def test_cluster_that_knows_how_restarts_by_itself(
    process: subprocess.Popen[bytes],
) -> None:
    cluster = Cluster()
    cluster.answer = {"ok": True}
    cluster.add(0, process.pid)
    cluster.add(1, process.pid)
    marks: list[str] = []
    assert await chaos.restart(cluster, marks.append) == 2
    assert cluster.asked == [{"type": "restart"}]
    assert marks == []
    assert process.poll() is None
