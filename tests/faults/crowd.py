"""A crowd: members and publishers in one thread, which go on while things break.

One epoll loop on raw sockets: 600 members and 3,000 deliveries a second cost a tenth
of one CPU, so that the server has the rest. It records everything (history.py) and
judges nothing (checker.py).
"""

import gc
import os
import random
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import TypeVar

from tests.faults.client import Client
from tests.faults.history import History, Kind, Sent, Session

_POLL = 0.05
_CONNECT_EVERY = 0.0005
"""Seconds between connects of a crowd that arrives: no storm, 600 in 0.3 s."""
_RETRY = (0.1, 0.4)
"""Bounds of the pause after a connect that failed, seconds."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Size:
    """How large a crowd is, and how it behaves."""

    rooms: int = 40
    members: int = 15
    """Of each room, a third of them native."""
    publishers: int = 1
    """Of each room; they are no members."""
    rate: float = 5.0
    """Messages a second of each publisher."""
    payload: int = 256
    """Bytes of a message."""
    jitter: float = 3.0
    """Who was cut off comes back after 0 to this many seconds."""


class Crowd:
    """Clients of one server.

    Start it, wait until all have joined, break something, wait, `rest`, then check
    `history`. Methods are for the scenario's thread.

    Args:
        port: of the server on loopback.
        size: of the crowd.
        seed: of everything left to chance.
        identified: whether the server says which worker serves whom (--identify).
    """

    def __init__(
        self, port: int, size: Size, seed: int = 1, identified: bool = True
    ) -> None:
        self.port = port
        self.size = size
        self.identified = identified
        self.history = History()
        self.epoll = select.epoll()
        self.by_number: dict[int, Client] = {}
        self.sent: dict[bytes, Sent] = {}
        self.clients: list[Client] = []
        self.reconnecting = True
        self.error: BaseException | None = None
        self._random = random.Random(seed)
        self._publishing_since = 0.0
        self._published = 0
        self._publishers: list[Client] = []
        self._numbers = count()
        self._due: list[tuple[float, int, Client]] = []
        self._order = count()
        self._calls: deque[Callable[[], None]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.epoll.register(self._wake, select.EPOLLIN)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="crowd", daemon=True)

    # For the scenario

    def start(self) -> None:
        """Let everybody connect: publishers first, members room after room in turn."""
        size = self.size
        rooms = [f"room-{number}" for number in range(size.rooms)]
        for _ in range(size.publishers):
            for room in rooms:
                self._add(Kind.PUBLISHER, room, 0)
        for number in range(size.members):
            for room in rooms:
                self._add(Kind.PLAIN if number % 3 else Kind.NATIVE, room, 0)
        # Collecting a million records of one run would stop the crowd for long.
        gc.disable()
        self._thread.start()

    def add(self, kind: Kind, room: str, receive_buffer: int = 0) -> Client:
        """Let one more client connect; it belongs to the crowd from now on."""
        return self.call(lambda: self._add(kind, room, receive_buffer))

    def call(self, function: Callable[[], Result]) -> Result:
        """Run `function` in the crowd's thread; return what it returned."""
        done = threading.Event()
        results: list[Result] = []

        def run() -> None:
            results.append(function())
            done.set()

        self._calls.append(run)
        os.eventfd_write(self._wake, 1)
        while not done.wait(0.1):
            self.raise_error()
            assert self._thread.is_alive(), "the crowd has ended"
        return results[0]

    def publish(self, on: bool) -> None:
        """Let publishers speak, or be silent."""

        def turn() -> None:
            self._publishing_since = time.monotonic() if on else 0.0
            self._published = 0

        self.call(turn)

    def members(self) -> list[Client]:
        return [one for one in self.clients if one.kind is not Kind.PUBLISHER]

    def away(self) -> int:
        """Return how many clients are not connected."""
        self.raise_error()
        return sum(not client.is_open for client in self.clients)

    def unanswered(self) -> int:
        """Return how many messages wait for their acknowledgement on live streams."""
        self.raise_error()
        return sum(
            sent.acked is None
            for client in self._publishers
            if client.is_open and client.session is not None
            for sent in client.session.sent[-1000:]
        )

    def heard(self) -> int:
        """Return how many messages members have received."""
        self.raise_error()
        return sum(len(one.heard) for one in self.history.sessions)

    def leave(self) -> None:
        """Let everybody break off and stay away."""

        def turn() -> None:
            self.reconnecting = False
            self._due.clear()
            for client in self.clients:
                client.leave()

        self.call(turn)

    def close(self) -> None:
        """End the crowd and its thread.

        Raises:
            RuntimeError: something the crowd never expects happened; the cause says
                what.
        """
        self._stopping = True
        if self._thread.is_alive():
            os.eventfd_write(self._wake, 1)
            self._thread.join(10)
        gc.enable()
        self.reconnecting = False
        for client in self.clients:
            client.leave()
        self.epoll.close()
        os.close(self._wake)
        self.raise_error()

    def raise_error(self) -> None:
        """Raise what ended the crowd's thread, if anything did."""
        if self.error is not None:
            raise RuntimeError("the crowd failed") from self.error

    # For clients

    def begun(self, session: Session) -> None:
        self.history.sessions.append(session)

    def over(self, client: Client, session: Session) -> None:
        if session.told_to_leave or not self.reconnecting:
            return
        bounds = _RETRY if session.joined is None else (0.0, self.size.jitter)
        self._later(self._random.uniform(*bounds), client)

    def strange(self, session: Session, payload: bytes) -> None:
        self.history.strange.append((session, payload))

    # The loop

    def _add(self, kind: Kind, room: str, receive_buffer: int) -> Client:
        client = Client(self, next(self._numbers), kind, room, receive_buffer)
        self.clients.append(client)
        if kind is Kind.PUBLISHER:
            self._publishers.append(client)
        self._later(len(self._due) * _CONNECT_EVERY, client)
        return client

    def _later(self, pause: float, client: Client) -> None:
        # A number between, because clients have no order.
        heappush(self._due, (time.monotonic() + pause, next(self._order), client))

    def _run(self) -> None:
        try:
            while not self._stopping:
                for number, mask in self.epoll.poll(self._pause(), 256):
                    if number == self._wake:
                        os.eventfd_read(self._wake)
                    elif client := self.by_number.get(number):
                        client.ready(mask)
                while self._calls:
                    self._calls.popleft()()
                now = time.monotonic()
                while self._due and self._due[0][0] <= now:
                    heappop(self._due)[2].connect()
                self._publish(now)
        except BaseException as error:
            # Handed to the scenario's thread, which raises it.
            self.error = error

    def _total_rate(self) -> float:
        return self.size.rate * len(self._publishers)

    def _pause(self) -> float:
        now = time.monotonic()
        until = now + _POLL
        if self._due:
            until = min(until, self._due[0][0])
        if self._publishing_since and self._publishers:
            due = (self._published + 1) / self._total_rate()
            until = min(until, self._publishing_since + due)
        return max(0.0, until - now)

    def _publish(self, now: float) -> None:
        if not self._publishing_since:
            return
        due = int((now - self._publishing_since) * self._total_rate())
        while self._published < due:
            publisher = self._publishers[self._published % len(self._publishers)]
            publisher.publish(self.size.payload, self.sent.__setitem__)
            self._published += 1
