"""Whether a cluster is degraded: fewer workers ready than wanted, and not for a moment.

Pure. Load balancers read the answer on the public port (`/healthz`), so a worker that
is replaced as it should be must not make it flicker; a slot that was given up is told
at once.
"""

from collections.abc import Sequence
from typing import Final

from hubbub.supervisor.slot import Slot, State

MOMENT: Final = 2.0
"""How long workers may be missing before it counts, seconds."""


class Health:
    """Remembers since when workers are missing."""

    def __init__(self) -> None:
        self._missing_since: float | None = None

    def degraded(self, slots: Sequence[Slot], now: float) -> bool:
        """Judge the slots as they are at `now` (monotonic seconds)."""
        if any(slot.failed for slot in slots):
            return True
        if all(not slot.wanted or ready(slot) for slot in slots):
            self._missing_since = None
            return False
        if self._missing_since is None:
            self._missing_since = now
        return now - self._missing_since >= MOMENT


def ready(slot: Slot) -> bool:
    """Whether a slot has a worker that is ready."""
    return any(worker.state is State.READY for worker in slot.workers)
