"""Two workers, every message crossing the bus, beside one worker.

Both workers share the CPU that the one has: what crosses costs both of them, and their
sum is the figure. Speakers sit on the first worker, all who hear on the second.
"""

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from hubbub.loadtest.bench.cluster import Cluster, serve
from hubbub.loadtest.bench.connect import connect, request, reset, upgrade
from hubbub.loadtest.bench.crowd import Crowd
from hubbub.loadtest.bench.machine import settle
from hubbub.loadtest.bench.row import (
    Invalid,
    Options,
    Row,
    Target,
    in_turns,
    middle,
)
from hubbub.loadtest.bench.sides import Speakers, cluster_side

_HEADER = b"Hubbub-Worker: "
_SPEAKING, _HEARING = 0, 1
"""Slots."""
_TRIES = 40


def measure(options: Options) -> list[Row]:
    """Return a row for one large room, and one for many small ones."""
    return [
        _row(
            options, "mesh", 1, options.sized(1000), 20.0, Target("ratio", at_most=1.25)
        ),
        _row(options, "mesh.rooms", options.sized(200), 9, 10.0, None),
    ]


def _row(
    options: Options,
    name: str,
    rooms: int,
    hearers: int,
    each: float,
    target: Target | None,
) -> Row:
    rate = rooms * each
    messages = max(rooms, round(options.seconds * rate))
    paths = [f"/rooms/crossed{number}" for number in range(rooms)]
    with (
        serve() as one,
        serve("--identify", workers=2) as two,
        Crowd(upgrade(one.port, paths * hearers)) as one_crowd,
        Speakers(upgrade(one.port, paths)) as one_speakers,
        _apart(two, paths, hearers) as (two_crowd, two_speakers),
    ):
        rounds = in_turns(
            options.rounds,
            cluster_side(one, one_crowd, one_speakers, hearers, messages, rate),
            cluster_side(two, two_crowd, two_speakers, hearers, messages, rate),
        )
    size = "one room" if rooms == 1 else f"{rooms} rooms"
    return Row(
        name=name,
        what=f"two workers, {size} of {hearers + 1}, {rate:g} messages/s that all "
        "cross the bus",
        unit="µs CPU/delivery",
        floor=middle(rounds, 0),
        hubbub=middle(rounds, 1),
        beside="one worker with the same rooms; no loop of send()",
        target=target,
        rounds=rounds,
    )


@contextmanager
def _apart(
    cluster: Cluster, paths: list[str], hearers: int
) -> Iterator[tuple[Crowd, list[socket.socket]]]:
    """Give members of each room on the second worker and a speaker on the first.

    Which worker accepts is the cluster's choice: connections are made until there are
    enough in the right places. Those in the wrong ones stay until then, since a worker
    that has fewer gets the next, and are reset before anything is said.

    Raises:
        Invalid: the places were not filled, as `connect`.
    """
    wanted = Counter({(path, _HEARING): hearers for path in paths})
    wanted.update({(path, _SPEAKING): 1 for path in paths})
    placed: dict[tuple[str, int], list[socket.socket]] = {key: [] for key in wanted}
    spare: list[socket.socket] = []
    try:
        for _ in range(_TRIES):
            missing = [
                key[0]
                for key, places in placed.items()
                for _ in range(wanted[key] - len(places))
            ]
            if not missing:
                break
            for path, slot, made in _identified(cluster.port, missing):
                places = placed[path, slot]
                full = len(places) == wanted[path, slot]
                (spare if full else places).append(made)
        else:
            raise Invalid(f"{len(missing)} places on a worker stayed free")
        for one in spare:
            reset(one)
        spare.clear()
        settle(cluster.cpu_seconds)
        hearing = [one for path in paths for one in placed[path, _HEARING]]
        with Crowd(hearing) as crowd:
            yield crowd, [placed[path, _SPEAKING][0] for path in paths]
    finally:
        for one in [*spare, *(one for places in placed.values() for one in places)]:
            one.close()


def _identified(port: int, paths: list[str]) -> list[tuple[str, int, socket.socket]]:
    """Connect to each of `paths`; return it, the slot that answered, and the socket."""
    made: list[tuple[str, int, socket.socket]] = []

    def note(number: int, sock: socket.socket, head: bytes) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        slot = head.partition(_HEADER)[2].partition(b"/")[0]
        made.append((paths[number], int(slot), sock))

    connect(port, (request(port, path) for path in paths), note)
    return made
