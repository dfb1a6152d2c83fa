"""Workers are killed at random."""

import random
from collections import deque
from typing import ClassVar, Final

from hubbub.loadtest import chaos
from hubbub.loadtest.scenarios.scenario import Scenario, Stage

_PAUSE: Final = 3.0
"""Seconds between two kills, on average."""
_QUIET: Final = 2.0
"""Seconds at the end without a kill, so that everybody can be back."""
_MOST: Final = 4
"""Kills of one slot in _WINDOW seconds: a cluster gives a slot up that keeps dying."""
_WINDOW: Final = 31.0


class Kill(Scenario):
    """Rooms of ten; a worker is killed at random every few seconds.

    With SIGKILL, the next one when everybody has been back for three seconds. Its
    clients return within a second; what they said last may be lost with the worker.
    Members of other workers must not miss anything else, nor lose their connections.
    """

    name: ClassVar[str] = "kill"
    rooms: ClassVar[int] = 100
    returns: ClassVar[float | None] = 1.0
    forgiven: ClassVar[frozenset[str]] = frozenset(
        {
            "lost",
            "lost_ECONNRESET",
            "send_ECONNRESET",
            "send_EPIPE",
            "connect_ECONNRESET",
            "upgrade_lost",
        }
    )
    local: ClassVar[bool] = True

    def __init__(self) -> None:
        self._kills: deque[tuple[float, int]] = deque()
        self._killed = self._served = 0
        self._took: list[float] = []

    async def act(self, stage: Stage) -> None:
        """Kill one worker after the other while there is time to return."""
        chance = random.Random(stage.plan.seed)
        end = stage.elapsed + stage.plan.duration
        pause = min(_PAUSE, stage.plan.duration / 4)
        quiet = min(_QUIET, stage.plan.duration / 2)
        while True:
            await stage.wait(pause * chance.uniform(0.7, 1.3))
            since = stage.elapsed
            if since + quiet > end:
                break
            victim = await chaos.kill_one(stage, chance, self._spared(since))
            if victim is None:
                continue
            self._killed += 1
            self._served += victim.connections
            self._kills.append((since, victim.slot))
            stage.mark(f"worker {victim.slot} killed", since)
            if victim.connections:
                back = await stage.back(since)
                self._took.append(back - since)
                stage.mark(f"all back after {back - since:.2f} s", back)
        await stage.wait(stage.plan.duration)

    def _spared(self, now: float) -> set[int]:
        """Return the slots whose workers have died often enough lately."""
        while self._kills and now - self._kills[0][0] > _WINDOW:
            self._kills.popleft()
        slots = [slot for _, slot in self._kills]
        return {slot for slot in slots if slots.count(slot) >= _MOST}

    async def sum_up(self, stage: Stage) -> None:
        """Note how many workers died, and how long their clients were away."""
        more = stage.forgiven() - self._served
        if more > 0:
            stage.blame("lost_by_survivors", more)
        workers = f"{self._killed} worker" + ("s were" if self._killed != 1 else " was")
        stage.note(f"{workers} killed")
        if self._took:
            slowest = max(self._took)
            stage.note(f"all clients were back after {slowest:.2f} s at most")
