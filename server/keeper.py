"""The keeper of a worker's memory: does what the ceilings call for, and says why."""

import gc
from collections.abc import Callable, Mapping

import trio

from hubbub.server.ceilings import Ceilings, Growth, Step
from hubbub.server.last_words import last_words
from hubbub.server.memory import trim
from hubbub.server.reactor.reactor import Reactor
from hubbub.server.rooms.hub import Hub


class Keeper:
    """Judges every reading of the memory.

    Args:
        ceilings: the worker's.
        reactor: whose largest outboxes are shed.
        hub: whose rooms are counted in the last words.
        tell: passes a message to the supervisor.

    Attributes:
        outgrown: set when the worker has to leave at once.
    """

    def __init__(
        self,
        ceilings: Ceilings,
        reactor: Reactor,
        hub: Hub,
        tell: Callable[[dict[str, object]], None],
    ) -> None:
        self._ceilings = ceilings
        self._reactor = reactor
        self._hub = hub
        self._tell = tell
        self._growth = Growth()
        self.outgrown = trio.Event()

    def judge(self, private: int, now: float) -> None:
        """Take a reading; shed, or leave, where it calls for that."""
        self._growth.add(private, now)
        step = self._ceilings.judge(private, now)
        if step is Step.NOTHING or self.outgrown.is_set():
            return
        hard = step is Step.LEAVE
        ceiling = self._ceilings.hard if hard else self._ceilings.soft
        self._say(step, private, ceiling)
        if step is Step.SHED:
            # First who reads too slowly, then what nobody needs.
            self._reactor.shed(self._reactor.counters.outbox_bytes // 2)
            gc.collect()
            trim()
        elif hard:
            self.outgrown.set()

    def _say(self, step: Step, private: int, ceiling: int) -> None:
        figures: Mapping[str, int] = {
            "connections": len(self._reactor.connections),
            "rooms": len(self._hub.rooms),
            "outbox_bytes": self._reactor.counters.outbox_bytes,
        }
        words = last_words(private, ceiling, self._growth.per_minute, figures)
        self._tell({"type": "memory", "step": step.value, **words})
