"""What a worker's memory may grow to, and what is to be done about it. Pure.

Below the soft ceiling nothing. When it is crossed: shed what can be spared, and look
again; if that was not enough the worker has outgrown it, which is said once. Above the
hard ceiling the worker leaves at once.
"""

from collections import deque
from enum import Enum
from typing import Final

JITTER: Final = 0.1
"""Part by which a worker's soft ceiling differs from the setting, up or down: workers
that grow alike must not cross it in the same second."""
AGAIN: Final = 30.0
"""Seconds after which a worker that is still above sheds again."""

_MINUTE: Final = 60.0


class Step(Enum):
    """What a reading of the memory calls for."""

    NOTHING = "nothing"
    SHED = "shed"
    """It has just crossed the soft ceiling, or is still above it much later."""
    OUTGROWN = "outgrown"
    """Shedding was not enough; said once for each time the ceiling is crossed."""
    LEAVE = "leave"
    """It is above the hard ceiling."""


class Ceilings:
    """The ceilings of one worker.

    Args:
        soft: setting, bytes; 0: none.
        hard: setting, bytes; 0: none.
        chance: 0 to 1, made after the fork.

    Attributes:
        soft: the worker's own, bytes.
        hard: bytes.
    """

    def __init__(self, soft: int, hard: int, chance: float) -> None:
        self.soft = round(soft * (1 - JITTER + 2 * JITTER * chance))
        self.hard = hard
        self._shed_at: float | None = None
        self._told = False

    def judge(self, private: int, now: float) -> Step:
        """Return what `private` bytes at `now` (seconds) call for."""
        if self.hard and private > self.hard:
            return Step.LEAVE
        if not self.soft or private <= self.soft:
            self._shed_at, self._told = None, False
            return Step.NOTHING
        if self._shed_at is None or now - self._shed_at >= AGAIN:
            self._shed_at = now
            return Step.SHED
        if not self._told:
            self._told = True
            return Step.OUTGROWN
        return Step.NOTHING


class Growth:
    """How fast the memory grows, from readings of the last minute."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, int]] = deque()
        self._latest = (0.0, 0)

    def add(self, private: int, now: float) -> None:
        """Take a reading."""
        self._latest = (now, private)
        while self._kept and now - self._kept[0][0] > _MINUTE:
            self._kept.popleft()
        if not self._kept or now - self._kept[-1][0] >= 1:
            self._kept.append(self._latest)

    @property
    def per_minute(self) -> int:
        """Bytes a minute, over the readings there are; 0 for a single one."""
        if not self._kept:
            return 0
        (then, before), (now, after) = self._kept[0], self._latest
        return round((after - before) / (now - then) * _MINUTE) if now > then else 0
