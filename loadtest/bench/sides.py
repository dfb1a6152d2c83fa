"""The two sides of a paced figure: the floor and a cluster under the same messages."""

import socket
from collections.abc import Callable, Sequence
from types import TracebackType

from hubbub.loadtest.bench.cluster import Cluster
from hubbub.loadtest.bench.crowd import DELIVERED, Crowd, speak
from hubbub.loadtest.bench.floor import Floor


class Speakers(list[socket.socket]):
    """Sockets that speak; a context manager that closes them."""

    def __enter__(self) -> "Speakers":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in self:
            one.close()


def floor_side(
    floor: Floor, crowd: Crowd, hearers: int, messages: int, rate: float
) -> Callable[[], float]:
    """Return what measures a round of the floor: µs of CPU a delivery.

    Args:
        floor: who sends.
        crowd: its sockets, in groups of `hearers`.
        hearers: sockets that get each message.
        messages: how many; each goes to the next group.
        rate: messages a second of all groups together.
    """
    deliveries = hearers * messages

    def measure() -> float:
        before = floor.cpu_seconds()
        floor.ask("send", hearers, messages, rate, len(DELIVERED))
        crowd.drain_to(crowd.received + deliveries * len(DELIVERED))
        floor.finish()
        return (floor.cpu_seconds() - before) / deliveries * 1e6

    return measure


def cluster_side(
    cluster: Cluster,
    crowd: Crowd,
    speakers: Sequence[socket.socket],
    hearers: int,
    messages: int,
    rate: float,
) -> Callable[[], float]:
    """Return what measures a round of a cluster: µs of its workers' CPU a delivery.

    Args:
        cluster: the servers.
        crowd: the members who only listen.
        speakers: one a room, taking turns.
        hearers: members of each room, its speaker not counted.
        messages: how many.
        rate: messages a second of all speakers together.
    """
    speak(crowd, speakers, len(speakers), rate, hearers)

    def measure() -> float:
        before = cluster.cpu_seconds()
        speak(crowd, speakers, messages, rate, hearers)
        return (cluster.cpu_seconds() - before) / (hearers * messages) * 1e6

    return measure
