"""When each publish is due. Pure.

Due times are fixed before anything is sent: a sender that was held up sends what is
overdue as soon as it can, and its messages count from when they were due. Else a
server that stalls would stop the clock that measures it (coordinated omission).
"""


class Pacer:
    """The schedule of several senders that speak in turn, evenly spread.

    Args:
        senders: how many.
        rate: messages a second of each.
        start: when the first is due, ns.
        end: when nothing is due any more, ns.

    Attributes:
        due: when the next message is due, ns; `end` or later: there is none.
    """

    __slots__ = ("_interval", "_senders", "_start", "_turn", "due", "end")

    def __init__(self, senders: int, rate: float, start: int, end: int) -> None:
        self._senders = senders
        self._start = start
        self.end = end
        self._interval = 1e9 / (senders * rate) if senders and rate else 0.0
        self._turn = 0
        self.due = start if self._interval else end

    def next(self) -> tuple[int, int]:
        """Take the next message: return (sender, when it is due in ns)."""
        sender, due = self._turn % self._senders, self.due
        self._turn += 1
        # Multiplied, not added up: a thousand hours of messages must not drift.
        self.due = self._start + round(self._turn * self._interval)
        return sender, due
