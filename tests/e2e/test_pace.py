"""Who publishes faster than it may, or than others can read, is slowed down: nothing
is lost, and nobody pays for it."""

import time
from collections.abc import Iterator
from threading import Thread

import pytest

from tests.e2e.conftest import Cluster
from tests.e2e.people import plain
from tests.e2e.raw import TEXT, Raw, frame, join

pytestmark = pytest.mark.slow

PATH = "/rooms/busy"
_PACE = 8
"""Messages of 4 KiB that a slow crowd reads in 5 ms: 6 MiB a second."""


@pytest.fixture
def members() -> Iterator[list[Raw]]:
    made: list[Raw] = []
    yield made
    for one in made:
        one.socket.close()


def test_what_is_over_the_rate_comes_later_and_whole(
    cluster: Cluster, members: list[Raw]
) -> None:
    rate, burst, count = 800, 100, 900
    cluster.start(
        *("--workers", "1", "--set", f"limits.rate={rate}"),
        *("--set", f"limits.burst={burst}"),
    )
    speaker, listener = join(cluster.port, PATH), plain(cluster.url(PATH))
    members.append(speaker)
    begun = time.monotonic()
    for number in range(count):
        speaker.send(frame(TEXT, b"%01016d" % number))
    for number in range(count):
        assert int(listener.recv(5)) == number
    took = time.monotonic() - begun
    # Each counts as two, because it has a KiB.
    due = (2 * count - burst) / rate
    assert 0.8 * due < took < due + 2
    assert cluster.worker(0)["floods"] == 0


def test_a_crowd_that_reads_more_slowly_than_its_publisher_writes_is_not_slow(
    cluster: Cluster, members: list[Raw]
) -> None:
    cluster.start("--workers", "1", "--set", "limits.rate=0")
    crowd = [join(cluster.port, PATH, 65536) for _ in range(3)]
    speaker = join(cluster.port, PATH)
    members += [*crowd, speaker]
    texts = [b"%06d" % number + b"x" * 4000 for number in range(2000)]
    writing = Thread(
        target=lambda: speaker.send(*(frame(TEXT, text) for text in texts))
    )
    writing.start()
    for number, text in enumerate(texts):
        if not number % _PACE:
            time.sleep(0.005)  # The pace is what is tested.
        for one in crowd:
            assert one.read_frame() == (TEXT, text)
    writing.join()
    assert cluster.worker(0)["slow_closed"] == 0
    assert cluster.worker(0)["held"]
