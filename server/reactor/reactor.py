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
from collections.abc import Callable
from time import monotonic
from typing import Protocol

import trio

from hubbub.codes import Close
from hubbub.server.dialects.message import Dialect
from hubbub.server.reactor.connection import Connection, Phase
from hubbub.server.reactor.sockets import Sessions, Sockets
from hubbub.server.reactor.throttle import Throttle
from hubbub.server.stats.counters import Counters
from hubbub.settings import Limits

BUDGET = 0.005
"""Seconds of plain calls before other tasks get their turn."""
_LINGER = 0.001
"""Seconds to wait in place for the next event; epoll_wait(2) counts in milliseconds."""
_BATCH = 512
_READ = 65536
_LARGE = 4096
"""Bytes of a read after which the clock is looked at."""

_IN = select.EPOLLIN
_OUT = select.EPOLLOUT
_COMPRESSED = len(Dialect)
"""The first variant of connections that have negotiated compression."""
_read = os.read


class Source(Protocol):
    """Another fd in the reactor's epoll: the listener, a bus link."""

    def ready(self, mask: int) -> None:
        """Handle what epoll reports; must not raise."""


class Flush(Protocol):
    """What ends a tick: the bus, then answers, then rooms."""

    def flush(self, deadline: float) -> bool:
        """Write what this tick has gathered; return whether work is left over."""

    @property
    def full(self) -> bool:
        """Whether so much is gathered that it must be flushed before more is read."""


class Reactor(Sockets):
    """The loop that serves the table of connections.

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
        super().__init__(limits, counters)
        self._sources: dict[int, Source] = {}
        self._rest: list[tuple[int, int]] = []
        """Events of a batch that was broken off: time was up, or rooms were full."""
        self._large = False
        """Whether the last event may have been much work."""
        self._report = report
        self.throttle = Throttle(self, self.tick)
        self._price = self.throttle.price
        self._ahead = self.throttle.ahead
        self._flush: Flush

    def attach(self, sessions: Sessions, flush: Flush) -> None:
        """Connect the reactor with what clients' bytes mean and what ends a tick."""
        self._sessions = sessions
        self._handlers = sessions.handlers
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
        """Serve what is ready within the time budget; return whether work remains.

        It lingers: where sockets get ready a few hundred times a second or more, the
        next is waited for here. A turn through trio's own loop takes 20 µs, as much
        as two or three messages.
        """
        self.now = monotonic()
        deadline = self.now + BUDGET
        lingers = deadline - BUDGET / 2
        connections, flush = self.connections, self._flush
        poll = self._epoll.poll
        wait, more = 0.0, True
        while True:
            events: list[tuple[int, int]] = []
            if not (more and flush.full):
                if self._rest:
                    events, self._rest = self._rest, []
                else:
                    events = poll(wait, _BATCH)
                    if self._unfed:
                        events += self._take_unfed(events)
            for at, (fd, mask) in enumerate(events, 1):
                connection = connections.get(fd)
                if connection is None:
                    source = self._sources.get(fd)
                    if source is None:
                        continue
                    source.ready(mask)
                    self._large = True
                else:
                    try:
                        if mask != _OUT:
                            self._readable(connection)
                        if mask & _OUT:
                            self._writable(connection)
                    except MemoryError:
                        raise
                    except Exception as error:
                        self.fault(connection, error)
                if self._large or not at & 7:
                    self._large = False
                    if flush.full or monotonic() >= deadline:
                        # 500 sockets that are full of pings are seconds of work. Those
                        # who were not reached are next. Were the kernel asked anew,
                        # the same few could be first for ever.
                        self._rest = events[at:]
                        break
            # However long reading took: what is gathered must get out, too.
            now = monotonic()
            more = flush.flush(deadline if now < lingers else now + BUDGET / 2)
            if self._ended:
                self.close_numbers()
            if self._rest or self._unfed:
                more = True
            self.now = now = monotonic()
            if not events or now >= deadline:
                return more
            wait = 0.0 if more or now > lingers else _LINGER

    def _take_unfed(self, events: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return events for those with more to be fed, who are not in `events`."""
        unfed, self._unfed = self._unfed, []
        told = {fd for fd, _ in events}
        return [(c.fd, _IN) for c in unfed if c.fd not in told]

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

    # Reading

    def _readable(self, c: Connection) -> None:
        decoder = c.decoder
        if decoder is not None and decoder.more:
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
        elif decoder is not None:
            c.seen = self.now
            self.feed(c, data)
        elif c.phase == Phase.OPENING:
            self._large = True
            self._sessions.open(c, data)
        else:
            self.discard(c, len(data))

    def feed(self, c: Connection, data: bytes) -> None:
        """Take bytes of an open connection."""
        decoder = c.decoder
        assert decoder is not None
        events = decoder.feed(data)
        size, now, spent = len(data), self.now, c.spent
        if c.variant >= _COMPRESSED:  # What came may be a thousand times as much.
            size = sum(len(payload) for _, payload in events)
        # What it sends at its rate takes it so far into the future; see Throttle.
        if spent < now:
            spent = now
        c.spent = spent = spent + self._price * (len(events) + (size >> 10))
        if events:
            self._handlers[c.kind](c, events)
        if decoder.idle and size <= _LARGE and spent - now <= self._ahead:
            return
        self._large = True
        failure = decoder.failure
        if c.phase != Phase.OPEN:
            pass
        elif failure is not None:
            self.counters.protocol_errors += 1
            self.close(c, failure.code, failure.reason)
        elif spent - now > self._ahead and not c.patient:
            self.throttle.over(c)
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
