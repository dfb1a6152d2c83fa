"""One room of 1,000 members, as fast as it goes.

The speaker says a window of messages at once and the next when every member has heard
the last of them: the loop is closed, nobody falls behind, nobody is closed as slow.
What comes within one tick is joined to one write a member, so the windows differ; the
best of those tried is the figure.
"""

import socket
import time
from dataclasses import dataclass
from statistics import median

from hubbub.loadtest.bench.cluster import UNLIMITED, Cluster, serve
from hubbub.loadtest.bench.connect import upgrade
from hubbub.loadtest.bench.crowd import DELIVERED, SPOKEN, Crowd
from hubbub.loadtest.bench.floor import Floor
from hubbub.loadtest.bench.row import Invalid, Options, Row, Target, middle
from hubbub.loadtest.bench.sides import floor_side

_MEMBERS = 1000
_WINDOWS = (64, 256, 600)
"""Messages under way; 600 of them are nearly what the server reads at once."""
_TRY = 0.25
"""Part of a round that each window is tried for."""
_FLOOR_RATE = 100_000
"""Deliveries a second that the floor is expected to make at least."""


@dataclass(frozen=True, slots=True)
class _Pumped:
    """What a saturated round was."""

    deliveries: int
    took: float
    used: float

    @property
    def rate(self) -> float:
        return self.deliveries / self.took


def _pump(
    cluster: Cluster,
    crowd: Crowd,
    speaker: socket.socket,
    window: int,
    seconds: float,
) -> _Pumped:
    """Say windows for `seconds`, each when the one before was heard by everybody.

    Raises:
        Invalid: something was lost, somebody was closed.
    """
    said = SPOKEN * window
    heard = len(crowd.sockets) * window * len(DELIVERED)
    windows = 0
    began, before = time.monotonic(), cluster.cpu_seconds()
    while windows == 0 or time.monotonic() < began + seconds:
        if speaker.send(said) < len(said):
            raise Invalid("the kernel did not take a window at once")
        crowd.drain_to(crowd.received + heard)
        windows += 1
    took, used = time.monotonic() - began, cluster.cpu_seconds() - before
    return _Pumped(len(crowd.sockets) * window * windows, took, used)


def measure(options: Options) -> list[Row]:
    """Return the row: the worker's CPU a delivery, and deliveries a second."""
    members = options.sized(_MEMBERS)
    messages = max(1, round(options.seconds * _FLOOR_RATE / members))
    rounds: list[tuple[float, float]] = []
    pumped: list[_Pumped] = []
    path = "/rooms/bench"
    with (
        Floor() as floor,
        serve(*UNLIMITED) as cluster,
        Crowd(floor.connect(members)) as floor_crowd,
        Crowd(upgrade(cluster.port, [path] * members)) as crowd,
        upgrade(cluster.port, [path])[0] as speaker,
    ):
        floor_round = floor_side(floor, floor_crowd, members, messages, 0)
        tried = {
            window: _pump(cluster, crowd, speaker, window, options.seconds * _TRY).rate
            for window in _WINDOWS
        }
        best = max(tried, key=lambda window: tried[window])
        for _ in range(options.rounds):
            before = floor_round()
            one = _pump(cluster, crowd, speaker, best, options.seconds)
            rounds.append((before, one.used / one.deliveries * 1e6))
            pumped.append(one)
    return [
        Row(
            name="saturated",
            what=f"one room of {members}, saturated, {best} messages under way",
            unit="µs CPU/delivery",
            floor=middle(rounds, 0),
            hubbub=middle(rounds, 1),
            beside="a loop of send(), one a delivery, as fast as the receiver takes it",
            target=Target("deliveries_s", at_least=1_000_000),
            more={
                "deliveries_s": median(one.rate for one in pumped),
                "deliveries_cpu_s": 1e6 / middle(rounds, 1),
                "worker_share": median(one.used / one.took for one in pumped),
            }
            | {f"window_{window}_deliveries_s": tried[window] for window in tried},
            note="the limit of messages a second is off",
            rounds=tuple(rounds),
        )
    ]
