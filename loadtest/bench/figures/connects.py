"""Connecting: full WebSocket upgrades a second on one worker.

Connections are opened into rooms of 10 and kept until the round ends (file limits
allow some thousands at a time), then reset, so that no port stays taken.
"""

import socket
import time
from statistics import median

from hubbub.loadtest.bench.cluster import Cluster, serve
from hubbub.loadtest.bench.connect import IN_FLIGHT, connect, request, reset
from hubbub.loadtest.bench.floor import Floor
from hubbub.loadtest.bench.machine import settle
from hubbub.loadtest.bench.row import Options, Row, Target, in_turns, middle

_CONNECTS = 6000
_ROOM = 10
_WARM = 100
_BUSY = 0.9
"""Part of the wall time from which a worker counts as busy all the time."""


class _Arrivals:
    """One side's rounds.

    Attributes:
        rates: connects a second of wall time, by round.
        shares: part of the wall time that the server's CPU was in use, by round.
    """

    def __init__(self, server: Floor | Cluster) -> None:
        self.rates: list[float] = []
        self.shares: list[float] = []
        self._server = server

    def arrive(self, count: int, keep: bool = True) -> float:
        """Connect `count` times; return the server's CPU a connect in µs.

        Args:
            count: how many.
            keep: whether each connection lives until all are there.
        """
        port = self._server.port
        kept: list[socket.socket] = []
        requests = [
            request(port, f"/rooms/arrive{number // _ROOM}") for number in range(count)
        ]
        began, before = time.monotonic(), self._server.cpu_seconds()
        if keep:
            connect(port, requests, lambda _, sock, __: kept.append(sock))
        else:
            connect(port, requests, lambda _, sock, __: reset(sock))
        used, took = self._server.cpu_seconds() - before, time.monotonic() - began
        for one in kept:
            reset(one)
        settle(self._server.cpu_seconds)
        self.rates.append(count / took)
        self.shares.append(used / took)
        return used / count * 1e6


def measure(options: Options) -> list[Row]:
    """Return the rows: connections that stay, and those that leave at once."""
    count = options.sized(_CONNECTS)
    with Floor() as floor, serve() as cluster:
        answer = _answer(cluster)
        staying, leaving = _Arrivals(cluster), _Arrivals(cluster)

        def floor_round() -> float:
            floor.ask("welcome", count, answer)
            used = _Arrivals(floor).arrive(count)
            floor.finish()
            floor.ask("forget")
            floor.finish()
            return used

        _Arrivals(cluster).arrive(min(count, _WARM))
        rounds = in_turns(
            options.rounds,
            floor_round,
            lambda: staying.arrive(count),
            lambda: leaving.arrive(count, keep=False),
        )
    return [
        _row("connects", "stay", count, staying, [(r[0], r[1]) for r in rounds]),
        _row("connects.close", "leave", count, leaving, [(r[0], r[2]) for r in rounds]),
    ]


def _answer(cluster: Cluster) -> str:
    heads: list[bytes] = []

    def note(number: int, sock: socket.socket, head: bytes) -> None:
        heads.append(head)
        reset(sock)

    connect(cluster.port, [request(cluster.port, "/rooms/arrive")], note)
    return heads[0].decode()


def _row(
    name: str,
    what: str,
    count: int,
    arrivals: _Arrivals,
    rounds: list[tuple[float, float]],
) -> Row:
    share = median(arrivals.shares)
    limit = "the worker" if share >= _BUSY else "the generator"
    return Row(
        name=name,
        what=f"{count} connects that {what}, {IN_FLIGHT} under way",
        unit="µs CPU/connect",
        floor=middle(rounds, 0),
        hubbub=middle(rounds, 1),
        beside="a loop of accept(), recv(), send() of the same bytes",
        target=Target("connects_s", at_least=10_000) if what == "stay" else None,
        more={
            "connects_s": median(arrivals.rates),
            "connects_cpu_s": 1e6 / middle(rounds, 1),
            "worker_share": share,
        },
        note=f"{limit} was the limit: the worker used {share:.0%} of its CPU",
        rounds=tuple(rounds),
    )
