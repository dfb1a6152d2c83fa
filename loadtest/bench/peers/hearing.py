"""A crowd that knows how long each message took.

Messages are told apart by counting: what a member gets is all of one size and in order,
so the bytes it has say which message has just come, and the pace says when that one was
due. Nothing is decoded, and a generator that runs late is no excuse for a server, nor
one that is held up by it.
"""

import socket
import time
from collections.abc import Sequence

from hubbub.loadtest.bench.crowd import Crowd
from hubbub.loadtest.bench.row import Invalid

_BUFFER = bytearray(1 << 20)
_EVENTS = 1024


class Hearing(Crowd):
    """Sockets drained by one epoll loop, each delivery timed.

    Args:
        sockets: non-blocking TCP sockets.
        groups: the number of the group (room) of each; a message is for one group, and
            groups take turns, the first one first.
        size: bytes that each member gets of one message.
        patience: seconds without a byte after which what is missing is lost.

    Attributes:
        latencies: seconds from when a message was due to a member's read, of all runs
            since it was emptied.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        groups: Sequence[int],
        size: int,
        patience: float,
    ) -> None:
        super().__init__(sockets, patience, size)
        self.latencies: list[float] = []
        numbers = [one.fileno() for one in sockets]
        self._group = dict(zip(numbers, groups, strict=True))
        self._count = max(groups) + 1
        self._got = dict.fromkeys(numbers, 0)
        self._start: float | None = None
        self._pause = 0.0

    def begin(self, start: float, rate: float) -> None:
        """Time deliveries from now on: message n is due at `start` + n / `rate`."""
        self._start, self._pause = start, 1 / rate
        self._got = dict.fromkeys(self._got, 0)

    def rest(self) -> None:
        """Time nothing until the next `begin`."""
        self._start = None

    def drain(self, wait: float = 0.0) -> None:
        """Read what is there, as any crowd; note when each delivery came."""
        if self._start is None:
            super().drain(wait)
            return
        whole = int(wait * 1000)
        events = self._epoll.poll((whole - 0.5) / 1000 if whole else 0, _EVENTS)
        reads, discard, size = self._reads, socket.MSG_TRUNC, self.size
        got, group, groups, note = self._got, self._group, self._count, self.latencies
        start, pause, clock = self._start, self._pause, time.monotonic
        try:
            for fd, _ in events:
                more = reads[fd](_BUFFER, 0, discard)
                now = clock()
                if not more:
                    raise Invalid("the server closed a connection")
                had = got[fd]
                got[fd] = had + more
                self.received += more
                for turn in range(had // size, (had + more) // size):
                    due = start + (turn * groups + group[fd]) * pause
                    note.append(now - due)
        except OSError as error:
            raise Invalid(f"a connection was lost: {error.strerror}") from error

    def check(self, messages: int) -> None:
        """Make sure that each member got as much as it should since `begin`.

        Args:
            messages: that each should have got.

        Raises:
            Invalid: somebody got more than others, who got less.
        """
        wrong = [got for got in self._got.values() if got != messages * self.size]
        if wrong:
            raise Invalid(f"{len(wrong)} members got too much or too little")

    def p99_ms(self) -> float:
        """Return the 99th percentile of the latencies, in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1000
