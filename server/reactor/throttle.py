"""The throttle: who sends more than a share is read no faster than the share.

Its bytes wait in the kernel and TCP slows the client down, so nothing is lost and
nobody else pays. There are two reasons to hold a connection:

- **Its rate.** Each connection has a bucket of `limits.burst` messages that fills with
  `limits.rate` a second. It is kept as one number, the time at which the bucket will be
  full again (the generic cell rate algorithm, ITU-T I.371). A connection whose bucket
  has not been full for `limits.flood` seconds, and that sends on, is closed.
- **A crowd that cannot follow.** Where more than half of a room's members have bytes
  of earlier batches waiting, and take them, it is not they who are slow. The publisher
  is read again when they have caught up, or after a moment in any case. Members who
  have stopped reading are waited for by nobody.
"""

from collections.abc import Callable, Collection, Iterable
from itertools import islice
from time import monotonic
from typing import Final, cast

import trio

from hubbub.codes import Close
from hubbub.server.reactor.connection import Connection, Phase
from hubbub.server.reactor.sockets import Sockets
from hubbub.server.rooms.room import Member

PERIOD: Final = 0.005
"""Seconds between two looks at who is held."""
PATIENCE: Final = 0.25
"""Longest time in seconds that a publisher waits for a crowd, and that a member may
take nothing and still be waited for."""
_SLICE: Final = 500
_SAMPLE: Final = 256
"""Members looked at in a large room."""


def congested(members: Collection[Member], now: float) -> bool:
    """Return whether more than half of these are behind and catching up."""
    looked = min(len(members), _SAMPLE)
    recent = now - PATIENCE
    behind = 0
    for member in cast("Iterable[Connection]", islice(members, looked)):
        box = member.outbox
        if box is not None and box.moved > recent:
            behind += 1
    return 2 * behind > looked


class Throttle:
    """Holds and releases connections.

    Args:
        sockets: the table of connections, with the limits.
        tick: serves what there is to do; returns whether some of it remains.

    Attributes:
        price: seconds that one message takes at the rate; 0: no limit.
        ahead: seconds that a connection's `spent` may be ahead of now.
    """

    def __init__(self, sockets: Sockets, tick: Callable[[], bool]) -> None:
        limits = sockets.limits
        self.price = 1 / limits.rate if limits.rate else 0.0
        self.ahead = limits.burst * self.price
        self._sockets = sockets
        self._tick = tick
        self._flood = limits.flood
        self._over: dict[Connection, float] = {}
        """When each bucket that has run dry since it was full did so first."""
        self._behind: dict[Connection, tuple[Collection[Member], float]] = {}
        """The crowd that each publisher waits for, and until when at most."""
        self._wanted = trio.Event()

    def over(self, c: Connection) -> None:
        """Hold an open connection that has sent more than its bucket held."""
        since = self._over.setdefault(c, self._sockets.now)
        if self._sockets.now - since > self._flood:
            self._sockets.counters.floods += 1
            self._sockets.close(c, Close.POLICY, "too many messages")
            return
        self._hold(c)

    def wait_for(
        self, members: Collection[Member], authors: Iterable[Member | None]
    ) -> None:
        """Hold the authors of a batch until its members have caught up."""
        until = self._sockets.now + PATIENCE
        for author in cast("Iterable[Connection | None]", authors):
            if author is not None and author.phase == Phase.OPEN:
                if author not in self._behind:
                    self._behind[author] = members, until
                self._hold(author)

    def _hold(self, c: Connection) -> None:
        self._sockets.hold(c)
        self._wanted.set()

    async def run(self) -> None:
        """Release who has waited long enough, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted = trio.Event()
            while self._over or self._behind:
                await trio.sleep(PERIOD)
                self._sockets.now = monotonic()
                held = list({**self._over, **self._behind})
                for start in range(0, len(held), _SLICE):
                    for c in held[start : start + _SLICE]:
                        self.review(c, self._sockets.now)
                    await trio.lowlevel.checkpoint()
                # No event tells the reactor of bytes that it has read already.
                while self._tick():
                    await trio.lowlevel.checkpoint()

    def review(self, c: Connection, now: float) -> None:
        """Look at one connection that is, or was a moment ago, held."""
        waits = self._behind.get(c)
        if waits is not None:
            crowd, until = waits
            if now < until and c.phase == Phase.OPEN and congested(crowd, now):
                return
            del self._behind[c]
        if c.spent <= now or c.phase != Phase.OPEN:
            self._over.pop(c, None)  # Its bucket is full again.
        if c in self._sockets.held and c.spent <= now + self.ahead:
            self._sockets.release(c)
