"""How long to wait before connecting again: exponential, with full jitter.

Pure. Each pause is drawn evenly from nothing up to a ceiling that doubles: thousands
of clients that lost their server in one moment come back spread out, where a pause
of fixed length would bring them back together.
"""

import random
from collections.abc import Callable

FIRST = 0.5
"""Ceiling of the first pause in seconds."""

MOST = 20.0
"""Ceiling of all pauses in seconds."""


class Backoff:
    """The pauses of one client."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        """Take chance from `chance`, which returns from 0 up to 1."""
        self._chance = chance
        self._failures = 0

    def next_pause(self) -> float:
        """Return the next pause in seconds: call it once for each failure."""
        ceiling = min(FIRST * float(1 << min(self._failures, 16)), MOST)
        self._failures += 1
        return ceiling * self._chance()

    def reset(self) -> None:
        """Begin with short pauses again, after a connection that held."""
        self._failures = 0
