"""Who is linked with whom: the mesh as the supervisor hands it out.

Pure. Every two workers of different slots that have said hello get one pair of
connected sockets, an end each (within a slot links are passed on, not made). When a
link breaks while both live, both will report the loss, in any order and possibly long
apart; they get one new pair, after a pause that doubles while losses repeat. A report
has no number that would say which pair it means. So once a new pair went out on one
end's report alone, the other end *owes* a report of the old loss, and its first one is
taken for that. Should it have meant the new pair, the break of that is seen, and
reported, by the other end as well.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

PAUSE: Final = 0.2
"""First pause before a lost link is made again, seconds."""
CAP: Final = 5.0
"""Longest pause, seconds."""
CALM: Final = 30.0
"""Life of a link after which the pause starts again, seconds."""


class Identity(NamedTuple):
    """Which worker: the generation that holds, or held, a slot."""

    slot: int
    generation: int


Pair = tuple[Identity, Identity]


@dataclass(slots=True)
class Link:
    """What is remembered of one pair."""

    given_at: float
    """When its present sockets were handed out, seconds."""
    losses: int = 0
    """Losses in a row; sets the pause."""
    due: float | None = None
    """When the next pair of sockets is due; None: it has one."""
    reporters: set[Identity] = field(default_factory=set)
    """Who reported the present loss."""
    owing: Identity | None = None
    """Who has yet to report the loss before."""


class Mesh:
    """All links between living workers."""

    def __init__(self) -> None:
        self._living: list[Identity] = []
        self._links: dict[Pair, Link] = {}

    def hello(self, who: Identity, now: float) -> list[Pair]:
        """Add a worker; return the pairs that get sockets now."""
        others = [other for other in self._living if other.slot != who.slot]
        pairs = [_pair(who, other) for other in others]
        self._living.append(who)
        for pair in pairs:
            self._links[pair] = Link(now)
        return pairs

    def gone(self, who: Identity) -> list[Identity]:
        """Forget a worker; return the others, who have to be told."""
        if who not in self._living:
            return list(self._living)
        self._living.remove(who)
        self._links = {p: link for p, link in self._links.items() if who not in p}
        return list(self._living)

    def lost(self, reporter: Identity, peer: Identity, now: float) -> bool | None:
        """Record that a link broke.

        Returns:
            Whether that was news; None: the peer is gone, its links died with it.
        """
        pair = _pair(reporter, peer)
        link = self._links.get(pair)
        if link is None:
            return None
        if link.due is None and link.owing == reporter:
            link.owing = None
            return False
        link.reporters.add(reporter)
        if link.due is not None:
            return False
        if now - link.given_at >= CALM:
            link.losses = 0
        self._pause(link, now)
        return True

    def take_due(self, now: float) -> list[Pair]:
        """Return the pairs whose pause is over; they get new sockets now."""
        due = []
        for pair, link in self._links.items():
            if link.due is not None and link.due <= now:
                late = [end for end in pair if end not in link.reporters]
                link.owing = late[0] if late else None
                link.reporters.clear()
                link.due, link.given_at = None, now
                due.append(pair)
        return due

    def not_given(self, pair: Pair, now: float) -> None:
        """Note that there were no sockets for a pair; it is due again after a pause."""
        link = self._links[pair]
        # As it was before it was due: who owes a report has not reported.
        link.reporters = {end for end in pair if end != link.owing}
        link.owing = None
        self._pause(link, now)

    def next_due(self) -> float | None:
        """Return when the next pair is due, seconds; None: none is."""
        times = [link.due for link in self._links.values() if link.due is not None]
        return min(times, default=None)

    def _pause(self, link: Link, now: float) -> None:
        link.due = now + min(CAP, PAUSE * 2.0 ** min(link.losses, 16))
        link.losses += 1


def _pair(one: Identity, other: Identity) -> Pair:
    return (one, other) if one < other else (other, one)
