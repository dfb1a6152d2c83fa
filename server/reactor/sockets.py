"""The client sockets of a worker: sending to them and ending them.

What the kernel does not take waits in a bounded outbox. Whoever is ended gets a close
frame that it can read, and its number goes back to the kernel only between batches of
events, so that it cannot be somebody else's while events of the old one remain.
"""

import os
import select
import socket
import struct
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

import trio

from hubbub.codes import CLOSES, Close
from hubbub.server.reactor.connection import Connection, Phase
from hubbub.server.reactor.outbox import SEALED, Outbox
from hubbub.server.stats.counters import Counters
from hubbub.server.websocket.frames import CLOSE, PONG, encode_close, encode_frame
from hubbub.settings import MIB, Limits

_LINGER = 1.0
"""Seconds a connection that we close has to read its close frame and end."""
_MOST_DISCARDED = 16 * MIB
"""Bytes read from a connection that is closing: the largest message of any, once."""

_IN = select.EPOLLIN
_OUT = select.EPOLLOUT
_RESET = struct.pack("ii", 1, 0)
_write = os.write


Handler = Callable[[Connection, list[tuple[int, bytes]]], None]


class Sessions(Protocol):
    """What clients' bytes mean: implemented by session.Sessions."""

    def open(self, connection: Connection, data: bytes) -> None:
        """Take bytes of the opening handshake."""

    @property
    def handlers(self) -> Sequence[Handler]:
        """Who takes messages of an open connection, by its `kind`."""

    def leave_all(self, connection: Connection) -> None:
        """End all memberships; the connection takes nothing more."""


class Sockets:
    """The table of connections.

    Args:
        limits: settings of the data path.
        counters: what it counts.
    """

    def __init__(self, limits: Limits, counters: Counters) -> None:
        self.limits = limits
        self.counters = counters
        self.connections: dict[int, Connection] = {}
        self.backlogged: dict[Connection, None] = {}
        """Open connections with an outbox."""
        self.now = monotonic()
        self.leniency = 1
        """Factor on the limits of outboxes; see `Sweep`."""
        self.held: dict[Connection, None] = {}
        """Connections that are not read for a while; the throttle releases them."""
        self._epoll = select.epoll()
        self._unfed: list[Connection] = []
        """Connections whose decoder has more of what they have sent."""
        self._ended: list[int] = []
        self._emptied = trio.Event()
        self._sessions: Sessions

    def adopt(self, connection: Connection) -> None:
        """Serve a new connection."""
        self.connections[connection.fd] = connection
        self._epoll.register(connection.fd, _IN)

    def hold(self, c: Connection) -> None:
        """Read no more from an open connection until it is released."""
        if c not in self.held:
            self.counters.held += 1
            self.held[c] = None
            self._arm(c)

    def release(self, c: Connection) -> None:
        """Read from a held connection again: first what it has sent before."""
        del self.held[c]
        self._arm(c)
        if c.decoder is not None and c.decoder.more:
            self._unfed.append(c)

    def _arm(self, c: Connection) -> None:
        """Tell the epoll what is of interest now."""
        behind = c.outbox is not None and c.outbox is not SEALED
        # A patient one's input waits until its output is gone: nothing grows.
        deaf = c in self.held or (behind and c.patient)
        self._epoll.modify(c.fd, (0 if deaf else _IN) | (_OUT if behind else 0))

    async def wait_empty(self) -> None:
        """Wait until the last connection has ended."""
        while self.connections:
            self._emptied = trio.Event()
            await self._emptied.wait()

    # Writing

    def send(self, c: Connection, data: bytes) -> None:
        """Send `data` to an open connection, behind its outbox if it has one."""
        if c.outbox is not None:
            self.push(c, data)
            return
        try:
            sent = _write(c.fd, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.drop(c)
            return
        if sent < len(data):
            self.push(c, data, sent)

    def push(self, c: Connection, data: bytes, sent: int = 0) -> None:
        """Put what the kernel did not take into the outbox; judge the limits.

        Judged is what was unsent before: one large batch, which a JSON member may
        get six times as long as it was said, makes nobody slow who takes it in time.
        So an outbox holds its limit and one batch at most.
        """
        box = c.outbox
        if box is None:
            box = c.outbox = Outbox(monotonic())
            self.backlogged[c] = None
            self._arm(c)
        elif box.ending:
            return
        elif box.size > self.limits.outbox * self.leniency and not c.patient:
            self.counters.slow_outbox += 1
            self.end_slow(c)
            return
        box.push(data, sent)
        self.counters.outbox_bytes += len(data) - sent
        budget = self.limits.outbox_budget * self.leniency
        if self.counters.outbox_bytes > budget:
            self.shed(self.counters.outbox_bytes - budget + budget // 16)

    def shed(self, excess: int) -> None:
        """Drop outboxes of so many bytes together, largest first, with their owners.

        One that is closing already and still among the largest is dropped: those who
        read a little slowly must not pay for what thousands left unread. Where the
        budget of a worker is exceeded, this goes a sixteenth below it: looking for the
        largest of so many at every write would take a millisecond each time.
        """
        for c in sorted(self.backlogged, key=_outbox_size, reverse=True):
            excess -= _outbox_size(c)
            if c.phase == Phase.OPEN:
                self.counters.slow_budget += 1
                self.end_slow(c)
            else:
                self.drop(c, reset=True)
            if excess <= 0:
                return

    def pong(self, c: Connection, payload: bytes) -> None:
        """Answer a ping at once; behind an outbox only the latest is answered."""
        if c.outbox is None:
            self.send(c, encode_frame(PONG, payload))
        elif not c.outbox.ending:
            c.outbox.pong = payload

    def _writable(self, c: Connection) -> None:
        box = c.outbox
        if box is None or c.fd < 0:
            return
        try:
            sent = box.write(c.fd)
        except BlockingIOError:
            return
        except OSError:
            self.drop(c)
            return
        box.moved = self.now
        self.counters.outbox_bytes -= sent
        if box.size:
            return
        self.backlogged.pop(c, None)
        c.outbox = SEALED if box.ending else None
        self._arm(c)
        if box.ending:
            self._shut(c)
            return
        if c.decoder is not None and c.decoder.more:
            self._unfed.append(c)  # It was patient.
        if box.pong is not None:
            self.send(c, encode_frame(PONG, box.pong))

    # Ending

    def close(
        self, c: Connection, code: int, reason: str = "", linger: float = _LINGER
    ) -> None:
        """End an open connection with a close frame that its client will see.

        The close frame goes behind what is unsent, then the socket is shut down for
        writing and read (bytes discarded) until the client ends it or `linger`
        seconds have passed: closing with unread input would reset the connection
        and take the code away from the client.
        """
        if c.phase != Phase.OPEN:
            return
        self._sessions.leave_all(c)
        if not reason and code in CLOSES:
            reason = CLOSES[Close(code)].reason
        self.finish(c, encode_close(code, reason), linger)

    def answer_close(self, c: Connection, payload: bytes) -> None:
        """Answer a client's close frame with its code (RFC 6455 section 5.5.1)."""
        if c.phase != Phase.OPEN:
            return  # We were first: an earlier message of this read ended it.
        self._sessions.leave_all(c)
        self.finish(c, encode_frame(CLOSE, payload[:2]))

    def finish(self, c: Connection, data: bytes, linger: float = _LINGER) -> None:
        """Send the last bytes of a connection and let its client end it."""
        c.phase = Phase.CLOSING
        c.reader = c.decoder = None
        c.strikes = 0
        c.seen = monotonic() + linger
        if c in self.held:
            self.release(c)  # What it sends is discarded from now on.
        if c.outbox is None:
            self.send(c, data)
            if c.outbox is None:
                self._shut(c)
                return
        else:
            c.outbox.push(data)
            self.counters.outbox_bytes += len(data)
        c.outbox.ending = True

    def discard(self, c: Connection, size: int) -> None:
        """Count bytes that came from a connection that is closing.

        They are read so that the client can read its code; one that floods on instead
        is not worth a core for a second.
        """
        c.strikes += size
        if c.strikes > _MOST_DISCARDED:
            self.drop(c, reset=True)

    def end_slow(self, c: Connection) -> None:
        """End a slow consumer: what it did not take is dropped, the code is sent."""
        box = c.outbox
        if box is None or box.ending:
            return
        self.counters.outbox_bytes -= box.cut()
        self.close(c, Close.SLOW)

    def _shut(self, c: Connection) -> None:
        c.outbox = SEALED
        if c.fd >= 0:
            handle = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, c.fd)
            try:
                handle.shutdown(socket.SHUT_WR)
            except OSError:
                handle.detach()
                self.drop(c)
            else:
                handle.detach()

    def drop(self, c: Connection, reset: bool = False) -> None:
        """End a connection without a word; `reset` frees the kernel's buffers too."""
        if c.phase == Phase.CLOSED:
            return
        if c.phase == Phase.OPEN:
            self._sessions.leave_all(c)
        c.phase = Phase.CLOSED
        del self.connections[c.fd]
        self._epoll.unregister(c.fd)
        if c.outbox is not None and c.outbox is not SEALED:
            self.counters.outbox_bytes -= c.outbox.size
            self.backlogged.pop(c, None)
        self.held.pop(c, None)
        c.outbox = SEALED
        if reset:
            handle = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, c.fd)
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            handle.detach()
        self._ended.append(c.fd)
        if not self.connections:
            self._emptied.set()
        c.fd = -1
        c.reader = c.decoder = None


def _outbox_size(connection: Connection) -> int:
    return connection.outbox.size if connection.outbox is not None else 0
