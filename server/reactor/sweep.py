"""The sweep: deadlines of connections, without a timer for any of them.

Twice a second it walks the table in slices with a checkpoint between them. So a
deadline is late by up to a second; no limit here needs to be sharper.

A worker that was stopped or blocked for a while finds all that was said meanwhile on
its links and sockets, and has to say it to its members at once. Who then has more
unsent than usual is not slow: for a few seconds the limits of outboxes are larger.
"""

from time import monotonic

import trio

from hubbub.codes import Close
from hubbub.server.reactor.connection import Connection, Phase
from hubbub.server.reactor.outbox import SEALED
from hubbub.server.reactor.reactor import Reactor
from hubbub.server.reactor.session import Sessions
from hubbub.server.websocket.frames import PING, encode_frame
from hubbub.server.websocket.request import Refused
from hubbub.settings import Settings

PERIOD = 0.5
LATE = 0.5
"""Seconds that a sweep must be late for the worker to have been stopped or blocked."""
LENIENT = 5.0
"""Seconds that members have to take what has piled up."""
_LENIENCY = 8
_SLICE = 500
_PING = encode_frame(PING, b"")


class Sweep:
    """Pings the silent, ends the stalled, the slow and the dead."""

    def __init__(
        self, reactor: Reactor, sessions: Sessions, settings: Settings
    ) -> None:
        self._reactor = reactor
        self._sessions = sessions
        self._limits = settings.limits
        self._heartbeat = settings.heartbeat
        self._strict_from = 0.0

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            due = trio.current_time() + PERIOD
            await trio.sleep_until(due)
            self.be_lenient(trio.current_time(), trio.current_time() - due)
            table = list(self._reactor.connections.values())
            for start in range(0, len(table), _SLICE):
                self._reactor.now = monotonic()
                for connection in table[start : start + _SLICE]:
                    self._judge_safely(connection)
                self._reactor.close_numbers()
                await trio.lowlevel.checkpoint()

    def be_lenient(self, now: float, late: float) -> None:
        """Set how outboxes are judged at `now`, when a sweep comes so much too late."""
        if late > LATE:
            self._strict_from = now + LENIENT
        self._reactor.leniency = _LENIENCY if now < self._strict_from else 1

    def _judge_safely(self, c: Connection) -> None:
        try:
            self.judge(c, self._reactor.now)
        except MemoryError:
            raise
        except Exception as error:
            self._reactor.fault(c, error)

    def judge(self, c: Connection, now: float) -> None:
        """Apply every deadline to one connection."""
        if c.phase == Phase.OPEN:
            self._judge_open(c, now)
        elif c.phase == Phase.OPENING:
            if now - c.seen > self._limits.handshake:
                self._sessions.refuse(
                    c, Refused(408, "Send the whole request at once.")
                )
        elif c.phase == Phase.CLOSING and now > c.seen:
            self._reactor.drop(c, reset=c.outbox is not SEALED)

    def _judge_open(self, c: Connection, now: float) -> None:
        box = c.outbox
        if box is not None and now - box.moved > self._limits.stalled:
            self._reactor.counters.slow_stalled += 1
            self._reactor.end_slow(c)
            return
        if c.patient and box is not None:
            c.seen = box.moved  # Nothing is read from it while it has an outbox.
        if c in self._reactor.held:
            c.seen = now  # Nor is it from one that is held.
            c.stuck = None
        if now - c.seen <= self._heartbeat.interval:
            pass
        elif c.pinged <= c.seen:
            # Judged by times: between two sweeps a client may answer and be silent
            # for longer than the interval again.
            c.pinged = now
            self._reactor.send(c, _PING)
        elif now - c.pinged > self._heartbeat.timeout:
            self._reactor.counters.silent += 1
            self._reactor.close(c, Close.INTERNAL, "no answer to a ping")
            return
        decoder = c.decoder
        if decoder is None or not decoder.in_progress:
            c.stuck = None
        elif c.stuck is None or c.stuck[0] != decoder.serial:
            c.stuck = (decoder.serial, now)
        elif now - c.stuck[1] > self._limits.message_time:
            self._reactor.counters.protocol_errors += 1
            self._reactor.close(c, Close.POLICY, "message took too long")
