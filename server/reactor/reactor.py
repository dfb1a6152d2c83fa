"""The reactor: one task, one epoll, plain calls.

It waits with trio on its own epoll (an epoll fd is itself pollable), drains a batch
of events and handles each ready connection with a plain call: no task, timer, lock
or channel per connection. A tick is a batch of ready sockets, then one write to
every bus link and one flush of the rooms they touched.

Events can be stale: a connection may be closed while another is handled. So every
handler acts on the result of read and write, a closed connection leaves the table
and the epoll at once, and its number is given back to the kernel only at the end of
the batch, so that it cannot be somebody else's while events of this batch remain.
"""

import os
import select
import socket
import struct
from collections.abc import Callable
from time import monotonic
from typing import Protocol

import trio

from hubbub.codes import CLOSES, Close
from hubbub.server.reactor.connection import Connection, Phase
from hubbub.server.reactor.outbox import SEALED, Outbox
from hubbub.server.stats.counters import Counters
from hubbub.server.websocket.frames import CLOSE, PONG, encode_close, encode_frame
from hubbub.settings import Limits

BUDGET = 0.005
"""Seconds of plain calls before other tasks get their turn."""
_BATCH = 512
_READ = 65536
_LINGER = 1.0
"""Seconds a connection that we close has to read its close frame and end."""

_IN = select.EPOLLIN
_OUT = select.EPOLLOUT
_RESET = struct.pack("ii", 1, 0)
_read = os.read
_write = os.write


class Source(Protocol):
    """Another fd in the reactor's epoll: the listener, a bus link."""

    def ready(self, mask: int) -> None:
        """Handle what epoll reports; must not raise."""


class Sessions(Protocol):
    """What clients' bytes mean: implemented by session.Sessions."""

    def open(self, connection: Connection, data: bytes) -> None:
        """Take bytes of the opening handshake."""

    def receive(self, connection: Connection, events: list[tuple[int, bytes]]) -> None:
        """Take messages of an open connection."""

    def leave_all(self, connection: Connection) -> None:
        """End all memberships; the connection takes nothing more."""


class Flush(Protocol):
    """What ends a tick: the bus, then answers, then rooms."""

    def flush(self, deadline: float) -> bool:
        """Write what this tick has gathered; return whether work is left over."""

    @property
    def full(self) -> bool:
        """Whether so much is gathered that it must be flushed before more is read."""


class Reactor:
    """The table of connections and the loop that serves them.

    Args:
        limits: settings of the data path.
        counters: what it counts.
        report: called with an exception that a connection's handler let rise.
    """

    def __init__(
        self,
        limits: Limits,
        counters: Counters,
        report: Callable[[BaseException], None],
    ) -> None:
        self.limits = limits
        self.counters = counters
        self.connections: dict[int, Connection] = {}
        self.backlogged: dict[Connection, None] = {}
        """Open connections with an outbox."""
        self.now = monotonic()
        self._epoll = select.epoll()
        self._sources: dict[int, Source] = {}
        self._rest: list[tuple[int, int]] = []
        """Events of a batch that was broken off: time was up, or rooms were full."""
        self._unfed: list[Connection] = []
        """Connections whose decoder has more of what they have sent."""
        self._ended: list[int] = []
        self._emptied = trio.Event()
        self._report = report
        self._sessions: Sessions
        self._flush: Flush

    def attach(self, sessions: Sessions, flush: Flush) -> None:
        """Connect the reactor with what clients' bytes mean and what ends a tick."""
        self._sessions = sessions
        self._flush = flush

    # The loop

    async def run(self) -> None:
        """Serve until cancelled."""
        fd = self._epoll.fileno()
        more = False
        while True:
            if more:
                await trio.lowlevel.checkpoint()
            else:
                await trio.lowlevel.wait_readable(fd)
            more = self.tick()

    def tick(self) -> bool:
        """Serve what is ready within the time budget; return whether work remains."""
        self.now = now = monotonic()
        deadline = now + BUDGET
        connections, flush = self.connections, self._flush
        while True:
            events: list[tuple[int, int]] = []
            if not flush.full:
                events = self._rest or self._poll()
                self._rest = []
            for at, (fd, mask) in enumerate(events, 1):
                connection = connections.get(fd)
                if connection is None:
                    source = self._sources.get(fd)
                    if source is None:
                        continue
                    source.ready(mask)
                else:
                    try:
                        if mask & ~_OUT:
                            self._readable(connection)
                        if mask & _OUT:
                            self._writable(connection)
                    except MemoryError:
                        raise
                    except Exception as error:
                        self.fault(connection, error)
                if flush.full or monotonic() >= deadline:
                    # 500 sockets that are full of pings are seconds of work. Those
                    # who were not reached are next. Were the kernel asked anew, the
                    # same few could be first for ever.
                    self._rest = events[at:]
                    break
            # However long reading took: what is gathered must get out, too.
            more = flush.flush(max(deadline, monotonic() + BUDGET / 2))
            self.close_numbers()
            if not events or monotonic() >= deadline:
                return more or bool(self._rest) or bool(self._unfed)

    def _poll(self) -> list[tuple[int, int]]:
        """Return the events of the next batch."""
        events = self._epoll.poll(0, _BATCH)
        if self._unfed:
            unfed, self._unfed = self._unfed, []
            told = {fd for fd, _ in events}
            events += [(c.fd, _IN) for c in unfed if c.fd not in told]
        return events

    def close_numbers(self) -> None:
        """Give the numbers of ended sockets back; only between batches of events."""
        if self._rest:
            return
        for fd in self._ended:
            os.close(fd)
        self._ended.clear()

    @property
    def descriptors(self) -> int:
        """How many sockets the reactor holds; never counted by listing /proc."""
        return len(self.connections) + len(self._sources)

    def watch(self, fd: int, source: Source, mask: int = _IN) -> None:
        """Put another fd into the epoll; `source.ready` is called when it is ready."""
        if fd in self._sources:
            self._epoll.modify(fd, mask)
        else:
            self._epoll.register(fd, mask)
        self._sources[fd] = source

    def unwatch(self, fd: int) -> None:
        """Take a watched fd out of the epoll; do this before closing it."""
        if self._sources.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def adopt(self, connection: Connection) -> None:
        """Serve a new connection."""
        self.connections[connection.fd] = connection
        self._epoll.register(connection.fd, _IN)

    async def wait_empty(self) -> None:
        """Wait until the last connection has ended."""
        while self.connections:
            self._emptied = trio.Event()
            await self._emptied.wait()

    # Reading

    def _readable(self, c: Connection) -> None:
        if c.decoder is not None and c.decoder.more:
            c.seen = self.now
            self.feed(c, b"")  # What came before comes first.
            return
        try:
            data = _read(c.fd, _READ)
        except BlockingIOError:
            return
        except OSError:
            self.drop(c)
            return
        if not data:
            self.drop(c)
        elif c.phase == Phase.OPEN:
            c.seen = self.now
            self.feed(c, data)
        elif c.phase == Phase.OPENING:
            self._sessions.open(c, data)

    def feed(self, c: Connection, data: bytes) -> None:
        """Take bytes of an open connection."""
        decoder = c.decoder
        assert decoder is not None
        events = decoder.feed(data)
        if events:
            self._sessions.receive(c, events)
        failure = decoder.failure
        if failure is not None and c.phase == Phase.OPEN:
            self.counters.protocol_errors += 1
            self.close(c, failure.code, failure.reason)
        elif decoder.more and not (c.patient and c.outbox is not None):
            self._unfed.append(c)

    def fault(self, c: Connection, error: Exception) -> None:
        """A bug met one connection: it ends, nobody else notices."""
        self.counters.errors += 1
        self._report(error)
        try:
            if c.phase == Phase.OPEN:
                self.close(c, Close.INTERNAL)
            else:
                self.drop(c)
        except MemoryError:
            raise
        except Exception as second:
            # Its memberships cannot be ended; as it is, nothing reaches it any more.
            self._report(second)
            c.phase = Phase.CLOSING
            self.drop(c)

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
            self._epoll.modify(c.fd, _IN | _OUT)
        elif box.ending:
            return
        elif box.size > self.limits.outbox and not c.patient:
            self.counters.slow_outbox += 1
            self.end_slow(c)
            return
        box.push(data, sent)
        self.counters.outbox_bytes += len(data) - sent
        if c.patient:
            # Its input waits until its output is gone: nothing grows.
            self._epoll.modify(c.fd, _OUT)
        if self.counters.outbox_bytes > self.limits.outbox_budget:
            self._shed()

    def _shed(self) -> None:
        """Bring the outboxes of this worker back into their budget, largest first.

        One that is closing already and still among the largest is dropped: those who
        read a little slowly must not pay for what thousands left unread. And it goes
        a sixteenth below the budget: looking for the largest of so many at every
        write would take a millisecond each time.
        """
        budget = self.limits.outbox_budget
        excess = self.counters.outbox_bytes - budget + budget // 16
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
        self._epoll.modify(c.fd, _IN)
        if box.ending:
            self._shut(c)
            return
        c.outbox = None
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
        c.seen = monotonic() + linger
        if c.outbox is None:
            self.send(c, data)
            if c.outbox is None:
                self._shut(c)
                return
        else:
            c.outbox.push(data)
            self.counters.outbox_bytes += len(data)
        c.outbox.ending = True

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
