"""The watchdog: who is late, and what follows from it.

Pure: it is given the time, how late the supervisor's own loop was, and a pulse of
each worker; it returns events for the slot table. Every deadline is measured from the
latest of three times: when the worker came into its state, its last heartbeat (where
a heartbeat is what is waited for), and the last *grant*. A supervisor that finds its
own loop late by more than a second was stopped, or the machine slept: the workers may
have been stopped with it, so everybody is granted a fresh deadline before anybody is
judged.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hubbub.settings import Drain, Restarts, Watchdog
from hubbub.supervisor.slot import Event, State

OWN_LATENESS: Final = 1.0
"""Lateness of the supervisor's loop from which on it distrusts its clock, seconds."""
DEAF: Final = 1.0
"""How long a worker may live after its channel closed, seconds: it is exiting."""
UNREADY_DRAIN: Final = 2.0
"""How long a worker may drain that never had a connection, seconds."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What is known of one worker at this moment."""

    slot: int
    generation: int
    state: State
    since: float
    """When it came into this state, seconds."""
    ready: bool
    """Whether it ever was ready; from then on heartbeats count."""
    heartbeat: float
    """Its last sign of life on the scoreboard, seconds; 0: none."""
    deaf_at: float | None
    """When its channel closed, seconds; None: it is open."""


class Judge:
    """Applies the deadlines.

    Args:
        watchdog, restarts, drain: the settings the deadlines come from.
    """

    def __init__(self, watchdog: Watchdog, restarts: Restarts, drain: Drain) -> None:
        self._watchdog = watchdog
        self._boot = restarts.boot
        self._grace = drain.grace
        self.granted = 0.0
        """When everybody last got a fresh deadline, seconds."""

    def judge(
        self, now: float, lateness: float, pulses: Iterable[Pulse]
    ) -> list[tuple[Pulse, Event]]:
        """Return an event for each worker that is late, one a worker at most.

        Args:
            now: monotonic time, seconds.
            lateness: by how much the supervisor's loop missed its own deadline.
            pulses: the workers that are there.
        """
        if lateness > OWN_LATENESS:
            self.granted = now
        verdicts = []
        for pulse in pulses:
            event = self._event(now, pulse)
            if event is not None:
                verdicts.append((pulse, event))
        return verdicts

    def _event(self, now: float, pulse: Pulse) -> Event | None:
        """Judge one worker."""

        def over(since: float, limit: float) -> bool:
            return now - max(since, self.granted) >= limit

        heartbeat = max(pulse.since, pulse.heartbeat)
        silent = over(heartbeat, self._watchdog.late)
        match pulse.state:
            case State.REQUESTED | State.ALIVE if over(pulse.since, self._boot):
                return Event.BOOT_LATE
            case State.READY if silent:
                return Event.HEARTBEAT_LATE
            case State.SUSPECT if pulse.heartbeat > pulse.since:
                return Event.HEARTBEAT_BACK
            case State.SUSPECT if over(pulse.since, self._watchdog.dump):
                return Event.DUMP_OVER
            case State.DRAINING if pulse.ready and silent:
                return Event.HEARTBEAT_LATE
            case State.DRAINING if over(pulse.since, self._drain_limit(pulse)):
                return Event.DRAIN_OVER
            case State.ALIVE | State.READY | State.DRAINING:
                if pulse.deaf_at is not None and over(pulse.deaf_at, DEAF):
                    return Event.CHANNEL
        return None

    def _drain_limit(self, pulse: Pulse) -> float:
        return self._grace if pulse.ready else min(self._grace, UNREADY_DRAIN)
