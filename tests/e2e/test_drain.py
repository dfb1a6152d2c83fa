"""A worker that ends says everything it owes, and goodbye, before it is gone."""

import select
import signal
import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Cluster, wait_for
from tests.e2e.people import plain
from tests.e2e.raw import CLOSE, TEXT, Raw, join

pytestmark = pytest.mark.slow

PATH = "/rooms/busy"
LATE = 0.3
"""Seconds that the reader lets pass: a worker that waits for nobody is gone by then."""


@pytest.fixture
def members() -> Iterator[list[Raw]]:
    made: list[Raw] = []
    yield made
    for one in made:
        one.socket.close()


def test_who_is_behind_gets_the_rest_and_then_the_code(cluster: Cluster) -> None:
    cluster.start("--workers", "1")
    with join(cluster.port, PATH, 4096) as behind:
        speaker = plain(cluster.url(PATH))
        count = 0
        # Over what the kernel takes, under the outbox's limit.
        while not cluster.worker(0)["outbox_bytes"]:
            for _ in range(25):
                speaker.send(f"{count} " + "x" * 4096)
                count += 1
            assert speaker.ping().wait(5)
            wait_for(lambda: cluster.worker(0)["heartbeat_age_ms"] < 100)
        cluster.send_signal(signal.SIGTERM)
        wait_for(lambda: "draining" in cluster.log_text())
        select.select([], [], [], LATE)  # The point is that time passes.
        *heard, (opcode, payload) = behind.read_frames()
        assert [(kind, int(text.split()[0])) for kind, text in heard] == [
            (TEXT, number) for number in range(count)
        ]
        assert (opcode, int.from_bytes(payload[:2], "big")) == (CLOSE, 1001)
    assert cluster.wait() == 0


def test_a_drain_at_its_slowest_takes_its_time(
    cluster: Cluster, members: list[Raw]
) -> None:
    cluster.start("--workers", "1", "--set", "drain.rate=1")
    members += [join(cluster.port, PATH) for _ in range(60)]
    numbers = {one.socket.fileno(): one for one in members}
    ends = select.poll()
    for number in numbers:
        ends.register(number, select.POLLIN)
    cluster.send_signal(signal.SIGTERM)
    closed: list[float] = []
    while numbers:
        told = ends.poll(5000)
        assert told, "nobody is closed any more"
        for number, _ in told:
            ends.unregister(number)
            assert numbers.pop(number).read_close() == 1001
            closed.append(time.monotonic())
    # At most one in 20 ms.
    assert closed[-1] - closed[0] > 0.02 * len(closed) / 2
    assert cluster.wait() == 0
