"""Talk in rooms of a running server: paced, or as fast as it goes."""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from hubbub.loadtest.bench.connect import reset
from hubbub.loadtest.bench.crowd import speak
from hubbub.loadtest.bench.peers.hearing import Hearing
from hubbub.loadtest.bench.peers.peer import Server
from hubbub.loadtest.bench.peers.wire import Wire
from hubbub.loadtest.bench.row import Invalid

_LATER = 0.1
"""Seconds in which what nobody sent would come."""
_LOOK = 0.001
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Pumped:
    """What a saturated round was."""

    rate: float
    """Deliveries a second."""
    each: float
    """Seconds of the server's CPU a delivery."""


class Rooms:
    """Rooms of one size; the first member of each speaks, the others hear.

    A context manager that resets all members. Where nobody can be left out
    (`Wire.echo`), who speaks hears, too, and that is a delivery like any other.

    Args:
        server: where they are.
        wire: how they speak and hear.
        members: all of them, room by room.
        size: members of a room.
        patience: seconds without a byte after which what is missing is lost.

    Attributes:
        count: how many rooms there are.
    """

    def __init__(
        self,
        server: Server,
        wire: Wire,
        members: Sequence[socket.socket],
        size: int,
        patience: float = _PATIENCE,
    ) -> None:
        self._server = server
        self._spoken = wire.spoken
        self._members = members
        self._speakers = members[::size]
        self.count = len(self._speakers)
        hearing = [
            (one, number // size)
            for number, one in enumerate(members)
            if wire.echo or number % size
        ]
        self._silent = [] if wire.echo else self._speakers
        self._hearers = size if wire.echo else size - 1
        sockets, rooms = zip(*hearing, strict=True)
        self._crowd = Hearing(sockets, rooms, len(wire.delivered), patience)

    def __enter__(self) -> "Rooms":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in self._members:
            reset(one)
        self._crowd.__exit__(kind, error, trace)

    def talk(self, rate: float, seconds: float) -> tuple[float, float]:
        """Let all speakers speak in turn, `rate` messages a second in all.

        Returns:
            The server's CPU a delivery in µs, and the 99th percentile of the
            deliveries' latencies in ms.

        Raises:
            Invalid: something was lost, somebody was closed, the rate was not kept.
        """
        crowd, turn = self._crowd, self.count
        # Whole turns: then who is next is the first again, as the crowd counts.
        messages = max(1, round(seconds * rate / turn)) * turn
        crowd.latencies.clear()
        before = self._server.cpu_seconds()
        try:
            speak(crowd, self._speakers, messages, rate, self._hearers, self._spoken)
        except BlockingIOError as error:
            raise Invalid("the server read too slowly what was said") from error
        finally:
            crowd.rest()
        crowd.check(messages // turn)
        spent = self._server.cpu_seconds() - before
        return spent / (messages * self._hearers) * 1e6, crowd.p99_ms()

    def pump(self, window: int, seconds: float) -> Pumped:
        """Say windows in one room for `seconds`, each when the last was heard by all.

        Args:
            window: messages said at once.
            seconds: how long; one window at least.

        Raises:
            Invalid: something was lost, somebody was closed.
        """
        said, crowd = self._spoken * window, self._crowd
        heard = self._hearers * window * crowd.size
        windows = 0
        began, before = time.monotonic(), self._server.cpu_seconds()
        while windows == 0 or time.monotonic() < began + seconds:
            total = crowd.received + heard
            self._say(said)
            crowd.drain_to(total)
            windows += 1
        took = time.monotonic() - began
        deliveries = self._hearers * window * windows
        spent = self._server.cpu_seconds() - before
        return Pumped(deliveries / took, spent / deliveries)

    def check(self) -> None:
        """Make sure that nothing comes any more.

        Raises:
            Invalid: a message came twice, or to who said it.
        """
        total = self._crowd.received
        self._crowd.drain_until(time.monotonic() + _LATER)
        self._crowd.drain_to(total)
        for one in self._silent:
            try:
                said = len(one.recv(4096))
            except BlockingIOError:
                continue
            raise Invalid(
                f"who spoke got {said} bytes" if said else "who spoke was closed"
            )

    def _say(self, data: bytes) -> None:
        """Say all of `data`, which can be more than the kernel takes at once."""
        left = memoryview(data)
        end = time.monotonic() + _PATIENCE
        while left:
            if time.monotonic() > end:
                raise Invalid("the server does not read what is said")
            try:
                left = left[self._speakers[0].send(left) :]
            except BlockingIOError:
                self._crowd.drain(_LOOK)
