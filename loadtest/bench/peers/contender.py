"""One server of the comparison, and what it does when it has its turn.

A turn that fails (something lost, a connection closed, a rate not kept) tells why, and
the rest of its stage is left out; the next stage begins with a fresh server.
"""

import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Protocol

from hubbub.loadtest.bench.connect import reset
from hubbub.loadtest.bench.crowd import Crowd
from hubbub.loadtest.bench.floor import Floor
from hubbub.loadtest.bench.machine import raise_file_limit, settle
from hubbub.loadtest.bench.peers.peer import Relay, Server
from hubbub.loadtest.bench.peers.talk import Rooms
from hubbub.loadtest.bench.peers.wire import Wire, arrive
from hubbub.loadtest.bench.row import Invalid, Late, Options
from hubbub.loadtest.bench.sides import floor_side

IDLE = 10_000
SMALL = 10
"""Members of a small room."""
SMALL_RATE = 2.0
"""Messages a second in each of the small rooms."""
BIG = 1000
"""Members of the big room, its speaker not counted."""
BIG_RATE = 20.0
"""Messages a second in the big room."""
_WINDOWS = (8, 64, 256)
"""Messages under way when saturated; the best is the figure."""
_LONGEST = 3.0
"""Seconds a window may be expected to take; a longer one is not tried."""
_PART = 0.2
"""Part of a round of the other figures that one takes here."""
_WARM = 500
"""Connections that came and went before memory is looked at."""
_SPARE = 200
"""Descriptors that a server wants besides."""
_FLOOR_RATE = 100_000
"""Deliveries a second that the floor is expected to make at least."""

Figures = dict[str, float]


def schedule(rounds: int) -> list[str]:
    """Return the turns of a run, in order.

    Args:
        rounds: of the other figures; here rounds are shorter, and more.
    """
    rounds = 2 * rounds - 1
    return [
        *("arrive", *["rooms"] * rounds, "leave rooms"),
        *("enter", *["room"] * rounds),
        *("windows", *["saturated"] * rounds, "leave room"),
    ]


class Contender(Protocol):
    """Who takes turns; a context manager that ends what it has started."""

    def __enter__(self) -> "Contender":
        """Return itself."""

    def __exit__(self, *_: object) -> None:
        """End everything."""

    def turn(self, name: str) -> Figures:
        """Do what a turn of `schedule` says; return what was measured.

        Raises:
            Late: it measured nothing; the next turn may.
            Invalid, OSError: it failed; further turns of this stage return nothing.
        """


class Serving:
    """A server under the load that all get.

    Args:
        start: starts it, afresh each time.
        wire: how its members speak and hear.
        options: sizes, and the length of a round.
    """

    def __init__(
        self,
        start: Callable[[], AbstractContextManager[Server]],
        wire: Wire,
        options: Options,
    ) -> None:
        self._start = start
        self._wire = wire
        self._options = options
        self._seconds = options.seconds * _PART
        self._window = 0
        self._server: Server | None = None
        self._rooms: Rooms | None = None
        self._held = ExitStack()

    def __enter__(self) -> "Serving":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def turn(self, name: str) -> Figures:
        """As `Contender.turn`."""
        try:
            if name in ("arrive", "enter"):
                self._server = self._held.enter_context(self._start())
            elif self._rooms is None:
                return {}
            if isinstance(self._server, Relay):
                self._server.resume()
            try:
                figures = self._take(name)
            finally:
                if isinstance(self._server, Relay):
                    self._server.pause()
        except Late:
            raise
        except (Invalid, OSError):
            self._end()
            raise
        return figures

    def _take(self, name: str) -> Figures:
        assert self._server is not None
        if name == "arrive":
            return self._arrive(self._server)
        if name == "enter":
            count = self._options.sized(BIG) + 1
            members = arrive(self._server.port, self._wire, ["big"] * count)
            room = self._meet(self._server, members, count)
            with suppress(Late):
                room.talk(BIG_RATE, 0)
            return {}
        assert self._rooms is not None
        return self._talk(self._rooms, name)

    def _arrive(self, server: Server) -> Figures:
        """Come to small rooms: how fast, and what each member holds when idle."""
        files = raise_file_limit() - _SPARE
        count = min(self._options.sized(IDLE, SMALL), files // SMALL * SMALL)
        for one in arrive(server.port, self._wire, ["warm"] * min(count, _WARM)):
            reset(one)
        settle(server.cpu_seconds)
        memory, used = server.private_bytes(), server.cpu_seconds()
        names = [f"small{number // SMALL}" for number in range(count)]
        began = time.monotonic()
        members = arrive(server.port, self._wire, names)
        took = time.monotonic() - began
        rooms = self._meet(server, members, SMALL)
        settle(server.cpu_seconds)
        figures = {
            "connects_s": count / took,
            "connect_us": (server.cpu_seconds() - used) / count * 1e6,
            "idle_bytes": (server.private_bytes() - memory) / count,
            "idle_connections": float(count),
        }
        with suppress(Late):
            rooms.talk(SMALL_RATE * rooms.count, 0)
        return figures

    def _talk(self, rooms: Rooms, name: str) -> Figures:
        """Do what a turn says with members that are there."""
        if name in ("leave rooms", "leave room"):
            rooms.check()
            self._end()
            return {}
        if name == "windows":
            self._window = self._best_window(rooms)
            return {"saturated_window": self._window}
        if name == "saturated":
            pumped = rooms.pump(self._window, self._seconds)
            return {"saturated_s": pumped.rate, "saturated_us": pumped.each * 1e6}
        rate = BIG_RATE if name == "room" else SMALL_RATE * rooms.count
        used, latency = rooms.talk(rate, self._seconds)
        return {f"{name}_us": used, f"{name}_p99_ms": latency}

    def _best_window(self, rooms: Rooms) -> int:
        tried: dict[int, float] = {}
        for window in _WINDOWS:
            deliveries = window * self._options.sized(BIG)
            if tried and deliveries > max(tried.values()) * _LONGEST:
                break
            tried[window] = rooms.pump(window, self._seconds / len(_WINDOWS)).rate
        return max(tried, key=lambda window: tried[window])

    def _meet(self, server: Server, members: list[socket.socket], size: int) -> Rooms:
        rooms = Rooms(server, self._wire, members, size)
        self._rooms = self._held.enter_context(rooms)
        return rooms

    def _end(self) -> None:
        """Let members go and the server end."""
        self._rooms = self._server = None
        self._held.close()


class Bare:
    """The floor, sending the same to as many: what nobody can do without."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._seconds = options.seconds * _PART
        self._held = ExitStack()
        self._floor: Floor | None = None
        self._crowd: Crowd | None = None

    def __enter__(self) -> "Bare":
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def turn(self, name: str) -> Figures:
        """As `Contender.turn`."""
        big, rooms = self._options.sized(BIG), self._options.sized(IDLE, SMALL) // SMALL
        if name in ("arrive", "enter"):
            count = big if name == "enter" else rooms * (SMALL - 1)
            self._floor = self._held.enter_context(Floor())
            self._crowd = self._held.enter_context(Crowd(self._floor.connect(count)))
        elif name in ("leave rooms", "leave room"):
            self._held.close()
        elif name == "rooms":
            return {"rooms_us": self._send(SMALL - 1, SMALL_RATE * rooms)[0]}
        elif name == "room":
            return {"room_us": self._send(big, BIG_RATE)[0]}
        elif name == "saturated":
            used, rate = self._send(big, 0)
            return {"saturated_us": used, "saturated_s": rate}
        return {}

    def _send(self, hearers: int, rate: float) -> tuple[float, float]:
        """Return µs of CPU a delivery, and deliveries a second."""
        assert self._floor is not None
        assert self._crowd is not None
        pace = rate or _FLOOR_RATE / hearers
        messages = max(1, round(self._seconds * pace))
        began = time.monotonic()
        used = floor_side(self._floor, self._crowd, hearers, messages, rate)()
        return used, hearers * messages / (time.monotonic() - began)
