"""Restart arithmetic: when a place is filled again after its process ended.

Pure: it is told how long the process lived, what time it is and a number for
chance, and returns a new tally and a pause. Two questions are kept apart. *How
long to wait* depends on the exits in a row (the pause doubles, and starts again
after a healthy life). *Whether to go on at all* depends on the exits in a window of
time: more than `intensity` of them and the place is given up, loudly, because a
process that dies at once will not be mended by the next fork.

Planned exits never come here: the caller does not record what it asked for.
"""

from dataclasses import dataclass
from typing import Final

from hubbub.codes import Exit
from hubbub.settings import Restarts

DO_NOT_RESTART: Final = 3
"""Exit code of a process that cannot run until somebody changes something."""
OUTGROWN: Final = int(Exit.OUTGROWN)
"""Exit code of a worker whose memory was above its hard ceiling."""

_DOUBLINGS = 32  # of the pause; any cap is reached long before, no overflow after


@dataclass(frozen=True, slots=True)
class Tally:
    """What is remembered of a place's unplanned exits."""

    row: int = 0
    """Exits in a row, none of them after a healthy life; sets the pause."""
    exits: tuple[float, ...] = ()
    """Times of the exits that count and are younger than the window, seconds."""


def pause(settings: Restarts, row: int, chance: float) -> float:
    """Return the pause before the restart that follows `row` exits in a row.

    Args:
        settings: the settings of the arithmetic.
        row: exits in a row, this one included; 1 gives the first pause.
        chance: a number in [0, 1) that spreads restarts apart.
    """
    doubled = settings.pause * 2.0 ** min(max(row - 1, 0), _DOUBLINGS)
    spread = 1 + settings.jitter * (2 * chance - 1)
    return min(settings.cap, min(settings.cap, doubled) * spread)


def after_exit(
    tally: Tally,
    settings: Restarts,
    now: float,
    *,
    lived: float,
    chance: float,
    counts: bool = True,
) -> tuple[Tally, float | None]:
    """Record an exit that nobody asked for.

    Args:
        tally: what was remembered before.
        settings: the settings of the arithmetic.
        now: monotonic time, seconds.
        lived: how long the process was ready, seconds; 0 if it never was.
        chance: a number in [0, 1).
        counts: False for an exit that only earns a pause (a fork that did not
            happen, a worker that left in good order).

    Returns:
        The new tally, and the pause in seconds; None: give up.
    """
    row = 1 if lived >= settings.healthy else tally.row + 1
    young = tuple(at for at in tally.exits if now - at < settings.window)
    if counts:
        young = (*young, now)
    given_up = counts and len(young) > settings.intensity
    return Tally(row, young), None if given_up else pause(settings, row, chance)
