"""What all processes have told so far, added up, second by second."""

import time
from collections import deque
from typing import Any, NamedTuple

import trio

from hubbub.loadtest.histogram import Histogram
from hubbub.loadtest.results import Point, Server, Spread, Worker

LATE_MS = 20.0
"""Lag of the generator, 99th percentile, above which it ran late."""


def server_of(status: dict[str, Any] | None) -> Server | None:
    """Return the workers of a cluster's status for the series."""
    if status is None:
        return None
    return Server(
        workers=[
            Worker(
                slot=row["slot"],
                private=row["memory"]["private"] if row["pid"] else None,
                connections=row["connections"],
                restarts=sum(row["restarts"].values()),
            )
            for row in status["workers"]
        ]
    )


def spread(latency: Histogram) -> Spread | None:
    """Return the percentiles of a second; None if nothing was received."""
    if not latency.total:
        return None
    return Spread(
        p50=latency.percentile(0.5),
        p99=latency.percentile(0.99),
        max=latency.percentile(1.0),
    )


class Lately(NamedTuple):
    """Figures of about the last second."""

    sent_s: float
    received_s: float
    latency_ms: Spread | None
    lag_ms_max: float


class Gauge:
    """Sums over all processes.

    Attributes:
        latency: since the start.
        lag: since the start.
        recent: latencies since the last point.
        most: most clients connected at once.
        points: the series so far.
    """

    def __init__(self) -> None:
        self.latency = Histogram()
        self.lag = Histogram()
        self.recent = Histogram()
        self.most = 0
        self.points: list[Point] = []
        self._lag = Histogram()
        self._heard = trio.Event()
        self._looks: deque[tuple[float, int, int]] = deque()
        self._told: dict[int, dict[str, Any]] = {}
        self._before = dict.fromkeys(("sent", "received", "errors"), 0)

    def hear(self, process: int, told: dict[str, Any]) -> None:
        """Take the figures that a process tells four times a second."""
        self._told[process] = told
        for mine, name in ((self.latency, "latency"), (self.recent, "latency")):
            mine.add(Histogram.from_sparse(told[name]))
        for mine in (self.lag, self._lag):
            mine.add(Histogram.from_sparse(told["lag"]))
        self.most = max(self.most, self.total("connected"))
        self._heard.set()
        self._heard = trio.Event()

    def lose(self, process: int) -> None:
        """Take it that a process has ended before its time, with all its clients."""
        if process in self._told:
            self._told[process] |= {"connected": 0, "ramped": True, "whole": 0}
            self._heard.set()
            self._heard = trio.Event()

    def total(self, name: str) -> int:
        """Return the sum of one count over all processes."""
        return sum(told[name] for told in self._told.values())

    def by_kind(self, name: str) -> dict[str, int]:
        """Return the sums of counts by kind: `errors` or `counts`."""
        sums: dict[str, int] = {}
        for told in self._told.values():
            for kind, count in told[name].items():
                sums[kind] = sums.get(kind, 0) + count
        return sums

    def violations(self) -> list[tuple[str, int, int, int, int, str]]:
        """Return the first violations of all processes, in the order of time."""
        found: list[tuple[str, int, int, int, int, str]] = []
        for told in self._told.values():
            found += [tuple(one) for one in told["violations"]]
        return sorted(found, key=lambda one: one[4])

    async def wait_ramped(self, processes: int) -> None:
        """Wait until every client of all processes has connected or failed to."""
        while len(self._told) < processes or not all(
            told["ramped"] for told in self._told.values()
        ):
            await self._heard.wait()

    async def wait_whole(self, since: int) -> int:
        """Wait until all clients, of whom some have been away, are connected.

        Args:
            since: after the last moment when all were, ns.

        Returns:
            When the last one came, ns.
        """
        while True:
            told = self._told.values()
            latest = max((one["whole"] for one in told), default=0)
            # A process that has not told since then may have lost some, too.
            if latest > since and all(
                one["whole"] and one["at"] >= latest for one in told
            ):
                return int(latest)
            await self._heard.wait()

    def lately(self) -> Lately:
        """Return the figures of the last second for those who look on."""
        now = time.monotonic()
        self._looks.append((now, self.total("sent"), self.total("received")))
        while len(self._looks) > 2 and now - self._looks[1][0] >= 1:
            self._looks.popleft()
        then, sent, received = self._looks[0]
        seconds = max(now - then, 0.001)
        last = self.points[-1] if self.points else None
        return Lately(
            sent_s=(self._looks[-1][1] - sent) / seconds,
            received_s=(self._looks[-1][2] - received) / seconds,
            latency_ms=spread(self.recent) or (last.latency_ms if last else None),
            lag_ms_max=max(self._lag.percentile(1.0), last.lag_ms_max if last else 0.0),
        )

    def point(self, t: float, server: Server | None) -> Point:
        """Close a second of the series."""
        now = {name: self.total(name) for name in ("sent", "received")}
        now["errors"] = sum(self.by_kind("errors").values())
        made = Point(
            t=round(t, 3),
            connected=self.total("connected"),
            sent=now["sent"] - self._before["sent"],
            received=now["received"] - self._before["received"],
            errors=now["errors"] - self._before["errors"],
            lag_ms_max=self._lag.percentile(1.0),
            latency_ms=spread(self.recent),
            server=server,
        )
        self._before = now
        self.recent, self._lag = Histogram(), Histogram()
        self.points.append(made)
        return made
