"""A slow consumer costs itself its connection, and nobody else anything."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Cluster, wait_for
from tests.e2e.people import plain
from tests.e2e.raw import Raw, join

pytestmark = pytest.mark.slow

MESSAGE = "x" * 4096
PATH = "/rooms/busy"


@pytest.fixture
def sleepers() -> Iterator[list[Raw]]:
    made: list[Raw] = []
    yield made
    for one in made:
        one.socket.close()


def slow_closed(cluster: Cluster) -> dict[str, int]:
    found: dict[str, int] = cluster.worker(0)["slow_closed_by"]
    return found


def test_full_outbox_closes_the_slow_member_alone(
    cluster: Cluster, sleepers: list[Raw]
) -> None:
    cluster.start("--workers", "1")
    sleepers += [join(cluster.port, PATH, 4096) for _ in range(3)]
    speaker, listener = (plain(cluster.url(PATH)) for _ in range(2))
    count = 500  # 2 MB: over the outbox and what the kernel takes.
    for number in range(count):
        speaker.send(f"{number} {MESSAGE}")
        assert listener.recv(5) == f"{number} {MESSAGE}"
    # Figures are published four times a second.
    wait_for(lambda: cluster.worker(0)["slow_closed"] == 3)
    assert slow_closed(cluster) == {"outbox": 3, "budget": 0, "stalled": 0}
    for sleeper in sleepers:
        # It wakes up in time: what it gets is whole, in order, and ends with 4008.
        frames = list(sleeper.read_frames())
        heard = [payload.split(b" ")[0] for opcode, payload in frames if opcode == 1]
        assert heard == [b"%d" % number for number in range(len(heard))]
        assert frames[-1][0] == 8
        assert int.from_bytes(frames[-1][1][:2], "big") == 4008
    wait_for(lambda: cluster.worker(0)["connections"] == 2)
    wait_for(lambda: cluster.worker(0)["outbox_bytes"] == 0)


def test_unsent_bytes_that_do_not_move_are_slow_too(
    cluster: Cluster, sleepers: list[Raw]
) -> None:
    cluster.start("--workers", "1", "--set", "limits.stalled=1s")
    sleepers.append(join(cluster.port, PATH, 4096))
    speaker = plain(cluster.url(PATH))
    # Over the kernel's buffers, under the outbox's limit.
    while not cluster.worker(0)["outbox_bytes"]:
        for _ in range(25):
            speaker.send(MESSAGE)
        assert speaker.ping().wait(5)
        wait_for(lambda: cluster.worker(0)["heartbeat_age_ms"] < 100)
    wait_for(lambda: slow_closed(cluster)["stalled"] == 1)
    wait_for(lambda: cluster.worker(0)["connections"] == 1)
    assert slow_closed(cluster) == {"outbox": 0, "budget": 0, "stalled": 1}


def test_outboxes_of_a_worker_share_one_budget(
    cluster: Cluster, sleepers: list[Raw]
) -> None:
    cluster.start(
        *("--workers", "1", "--set", "limits.outbox=4MiB"),
        *("--set", "limits.outbox_budget=5MiB"),
    )
    sleepers += [join(cluster.port, PATH, 4096) for _ in range(4)]
    larger = join(cluster.port, "/rooms/larger", 4096)
    sleepers.append(larger)
    speaker, shouter = plain(cluster.url(PATH)), plain(cluster.url("/rooms/larger"))
    listener = plain(cluster.url(PATH))
    for _ in range(500):
        shouter.send(MESSAGE)
    for number in range(450):
        speaker.send(f"{number} {MESSAGE}")
        assert listener.recv(5) == f"{number} {MESSAGE}"
    wait_for(lambda: slow_closed(cluster)["budget"])
    closed = slow_closed(cluster)
    assert (closed["outbox"], closed["stalled"]) == (0, 0)
    *_, (opcode, payload) = larger.read_frames()
    assert (opcode, payload[:2]) == (8, (4008).to_bytes(2, "big")), "largest first"
    assert cluster.worker(0)["outbox_bytes"] <= 5 << 20


def test_a_worker_that_was_stopped_says_the_rest_and_closes_nobody(
    cluster: Cluster, sleepers: list[Raw]
) -> None:
    """Twice what an outbox takes has piled up on its link by then."""
    cluster.start("--workers", "2", "--identify", "--set", "limits.rate=0")
    speaker = plain(cluster.url(PATH), 0)
    members = [plain(cluster.url(PATH), 1) for _ in range(3)]
    stopped = cluster.worker(1)["pid"]
    os.kill(stopped, signal.SIGSTOP)
    try:
        count = 600  # 2.4 MB
        for number in range(count):
            speaker.send(f"{number} {MESSAGE}")
        # Until its sweep is late by more than it need be.
        wait_for(lambda: cluster.worker(1)["heartbeat_age_ms"] > 1500)
    finally:
        os.kill(stopped, signal.SIGCONT)
    for member in members:
        for number in range(count):
            assert member.recv(5) == f"{number} {MESSAGE}"
    assert cluster.worker(1)["slow_closed"] == 0
    assert cluster.worker(1)["bus_gaps"] == 0
