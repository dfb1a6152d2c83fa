"""The pulse: heartbeat and figures of a worker, published four times a second.

It is a trio task like others, so it stops when the loop is blocked: that is what the
supervisor's watchdog looks for. How late it wakes is the loop's delay.
"""

import os
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import trio

from hubbub.server.memory import Memory, Tide, trim
from hubbub.server.reactor.reactor import Reactor
from hubbub.server.rooms.hub import Hub
from hubbub.server.stats.counters import Counters
from hubbub.server.stats.scoreboard import Record

PERIOD = 0.25
_DELAYS = int(60 / PERIOD)


class Log(Protocol):
    """The worker's log, as far as its figures matter here."""

    @property
    def dropped(self) -> int:
        """Lines that could not be written."""

    def flush(self, final: bool = False) -> None:
        """Tell how many lines were held back."""


class Pulse:
    """Publishes one worker's record.

    Args:
        judge: called with the private memory and the time at every reading.
    """

    def __init__(
        self,
        record: Record,
        counters: Counters,
        reactor: Reactor,
        hub: Hub,
        memory: Memory,
        log: Log,
        judge: Callable[[int, float], None],
    ) -> None:
        self._record = record
        self._counters = counters
        self._reactor = reactor
        self._hub = hub
        self._memory = memory
        self._log = log
        self._judge = judge
        self._delays: deque[int] = deque(maxlen=_DELAYS)
        self._tide = Tide()
        self._fixed = 0
        """Descriptors that are not the reactor's: they stay what they are."""

    async def run(self) -> None:
        """Publish until cancelled."""
        # Listed once, while there are few; one of them is the listing's own.
        listed = len(os.listdir("/proc/self/fd")) - 1
        self._fixed = listed - self._reactor.descriptors
        due = trio.current_time()
        while True:
            self._record.set("heartbeat", time.monotonic_ns())
            self.publish()
            self._log.flush()
            if self._tide.turned(self._counters.outbox_bytes):
                trim()
            due += PERIOD
            await trio.sleep_until(due)
            late = trio.current_time() - due
            self._delays.append(int(late * 1e6))
            if late > PERIOD:
                due = trio.current_time()

    def publish(self) -> None:
        """Publish every figure as it stands."""
        private, shared = self._memory.read()
        self._judge(private, time.monotonic())
        delays = sorted(self._delays) or [0]
        self._counters.publish(self._record)
        self._record.publish(
            {
                "connections": len(self._reactor.connections),
                "rooms": len(self._hub.rooms),
                "logs_dropped": self._log.dropped,
                "memory_private": private,
                "memory_shared": shared,
                "fds": self._fixed + self._reactor.descriptors,
                "cpu": time.process_time_ns(),
                "delay_p50": delays[len(delays) // 2],
                "delay_p99": delays[min(len(delays) - 1, len(delays) * 99 // 100)],
                "delay_max": delays[-1],
            }
        )
