"""Ping-pong in rooms of 2: each member answers what it hears.

One ball a room is in the air at any time, so this is what a server costs that has
nothing to join: one small read and one small write a delivery.
"""

import select
import socket
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import median

from hubbub.loadtest.bench.cluster import UNLIMITED, Cluster, serve
from hubbub.loadtest.bench.connect import upgrade
from hubbub.loadtest.bench.crowd import DELIVERED, SPOKEN, Crowd
from hubbub.loadtest.bench.floor import Floor
from hubbub.loadtest.bench.machine import waits
from hubbub.loadtest.bench.row import Invalid, Options, Row, Target, middle
from hubbub.loadtest.bench.sides import floor_side

_ROOMS = 200
_WARM = 0.2
"""Seconds played before it counts."""
_EVENTS = 1024
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class _Played:
    """What a game was."""

    deliveries: int
    burst: float
    """Deliveries of the worker between two of its waits, on average."""
    rate: float
    """Deliveries a second."""
    used: float
    """Seconds of the worker's CPU."""


class _Players:
    """Members that answer; counts each ball that came.

    Args:
        players: two of each room side by side.
    """

    def __init__(self, players: Sequence[socket.socket]) -> None:
        self._players = players
        self._by_fd = {one.fileno(): one for one in players}
        self._epoll = select.epoll()
        for fd in self._by_fd:
            self._epoll.register(fd, select.EPOLLIN)

    def play(self, cluster: Cluster, seconds: float) -> _Played:
        """Serve one ball a room, answer for `seconds`, let the last ones fall.

        Raises:
            Invalid: a ball was lost, somebody was closed.
        """
        worker = cluster.workers[0]
        waited = waits(worker)
        began, before = time.monotonic(), cluster.cpu_seconds()
        for first in self._players[::2]:
            first.send(SPOKEN)
        rooms = len(self._players) // 2
        size, data, answered, ended = len(DELIVERED), SPOKEN, 0, 0
        by_fd, poll = self._by_fd, self._epoll.poll
        playing = True
        while ended < rooms:
            events = poll(_PATIENCE, _EVENTS)
            if not events:
                raise Invalid(f"{rooms - ended} balls were lost")
            for fd, _ in events:
                player = by_fd[fd]
                # One ball a room: what comes is one frame, and whole.
                if len(player.recv(4096)) != size:
                    raise Invalid("what came was not one message")
                if playing:
                    player.send(data)
                    answered += 1
                else:
                    ended += 1
            playing = time.monotonic() < began + seconds
        deliveries = answered + ended
        return _Played(
            deliveries=deliveries,
            burst=deliveries / max(1, waits(worker) - waited),
            rate=deliveries / (time.monotonic() - began),
            used=cluster.cpu_seconds() - before,
        )

    def close(self) -> None:
        """Close what waits for events; the sockets are their owner's."""
        self._epoll.close()


def measure(options: Options) -> list[Row]:
    """Return the row: the worker's CPU a delivery."""
    rooms = options.sized(_ROOMS)
    paths = [f"/rooms/pair{number // 2}" for number in range(2 * rooms)]
    rounds: list[tuple[float, float]] = []
    games: list[_Played] = []
    eager: list[float] = []
    with (
        Floor() as floor,
        serve(*UNLIMITED) as cluster,
        Crowd(floor.connect(2 * rooms)) as floor_crowd,
        Crowd(sockets := upgrade(cluster.port, paths)),
        closing(_Players(sockets)) as players,
    ):
        players.play(cluster, _WARM)
        for _ in range(options.rounds):
            game = players.play(cluster, options.seconds)
            burst = max(1, min(rooms, round(game.burst)))
            floor_round = floor_side(
                floor, floor_crowd, burst, game.deliveries // burst, game.rate / burst
            )
            rounds.append((floor_round(), game.used / game.deliveries * 1e6))
            games.append(game)
            eager.append(floor_side(floor, floor_crowd, 1, game.deliveries // 4, 0)())
    return [
        Row(
            name="pingpong",
            what=f"ping-pong in {rooms} rooms of 2",
            unit="µs CPU/delivery",
            floor=middle(rounds, 0),
            hubbub=middle(rounds, 1),
            beside="a loop of send() at the same rate, waiting as often as the worker",
            target=Target("ratio", at_most=2.0),
            more={
                "deliveries_s": median(game.rate for game in games),
                "burst": median(game.burst for game in games),
                "worker_share": median(
                    game.used * game.rate / game.deliveries for game in games
                ),
                "floor_without_pauses_us": median(eager),
            },
            note="the limit of messages a second is off",
            rounds=tuple(rounds),
        )
    ]
