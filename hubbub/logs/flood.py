"""Keep a flood of one event from filling a disk. Pure: the time comes as `now`.

Each event name has ten lines in a second that begins with its first line. What
comes on top is counted, and the count is told when the second is over.
"""

from dataclasses import dataclass

PER_SECOND = 10
"""Lines of one event in a second."""

MOST_NAMES = 512
"""Names that are told apart; names are constants of the code, so this is ample."""

REST = "(other events)"
"""What all further names count as."""


@dataclass(slots=True)
class _Window:
    ends: float
    lines: int = 0
    suppressed: int = 0


class Flood:
    """Count lines by event name."""

    def __init__(self, per_second: int = PER_SECOND) -> None:
        """Admit so many lines of each event in a second."""
        self._per_second = per_second
        self._windows: dict[str, _Window] = {}

    def admit(self, name: str, now: float) -> bool:
        """Tell whether a line of this event may be written at `now`.

        Call `take_suppressed` first: a window that is over begins anew here.
        """
        if name not in self._windows and len(self._windows) >= MOST_NAMES:
            name = REST
        window = self._windows.get(name)
        if window is None or now >= window.ends:
            window = self._windows[name] = _Window(now + 1.0)
        if window.lines >= self._per_second:
            window.suppressed += 1
            return False
        window.lines += 1
        return True

    def take_suppressed(self, now: float, final: bool = False) -> list[tuple[str, int]]:
        """Return names and counts of lines not written, of seconds that are over.

        Args:
            now: Monotonic time in seconds.
            final: Take those of the current second too.
        """
        told = []
        for name, window in self._windows.items():
            if window.suppressed and (final or now >= window.ends):
                told.append((name, window.suppressed))
                window.suppressed = 0
        return told
