"""What a member must get of each sender, and what it did get. Pure.

A member holds the number of the last message of each sender it has heard. The next
must be one more; everything else is a violation with a name:

    lost        a later one came, or none at the end; or the first one heard was not the
                first sent since the join was answered
    duplicated  the same came twice
    reordered   it came after a later one
    misrouted   it was said in another room
    corrupted   it is none of ours, or not what was sent

A number that is jumped over counts as lost at once; if it comes later after all, it was
reordered and is no longer lost.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

MOST_VIOLATIONS: Final = 100
"""Violations described; all are counted."""
_MOST_MISSING: Final = 10_000
"""Numbers remembered as jumped over, of one process."""

KINDS: Final = ("lost", "duplicated", "reordered", "misrouted", "corrupted")


class Violation(NamedTuple):
    """One broken promise."""

    kind: str
    room: int
    sender: int
    number: int
    t: int
    """When it was noticed, ns."""
    what: str


class Ledger:
    """Violations of all members of one process.

    Attributes:
        counts: by kind.
        first: the first MOST_VIOLATIONS, described.
    """

    def __init__(self) -> None:
        self.counts = dict.fromkeys(KINDS, 0)
        self.first: list[Violation] = []
        self._missing: dict[tuple[object, int, int], None] = {}

    def add(
        self, kind: str, room: int, sender: int, number: int, t: int, what: str
    ) -> None:
        """Count one violation; describe it if it is one of the first."""
        self.counts[kind] += 1
        if len(self.first) < MOST_VIOLATIONS:
            self.first.append(Violation(kind, room, sender, number, t, what))

    def jumped(
        self, member: object, room: int, sender: int, last: int, number: int, t: int
    ) -> None:
        """`member` has heard `number` after `last`: what lies between is lost."""
        missing = number - last - 1
        self.counts["lost"] += missing - 1
        self.add("lost", room, sender, last + 1, t, f"{missing} before {number}")
        for one in range(last + 1, min(number, last + 1 + _MOST_MISSING)):
            if len(self._missing) < _MOST_MISSING:
                self._missing[member, sender, one] = None

    def again(
        self, member: object, room: int, sender: int, last: int, number: int, t: int
    ) -> None:
        """`member` has heard `number`, which is not later than `last`."""
        if self._missing.pop((member, sender, number), 0) is None:
            self.counts["lost"] -= 1
            self.add("reordered", room, sender, number, t, f"after {last}")
        else:
            self.add("duplicated", room, sender, number, t, f"again, after {last}")

    def forget(self, member: object) -> None:
        """`member` has ended a membership: what was lost stays so."""
        for key in [key for key in self._missing if key[0] is member]:
            del self._missing[key]


class Sender(NamedTuple):
    """What one sender has sent in all."""

    room: int
    number: int
    """Of its last message."""
    sent: int
    """When that was, ns."""


def missing_at_end(
    joined: int,
    last: Mapping[int, int],
    senders: Mapping[int, Sender],
    own: int,
) -> dict[int, int]:
    """Return how many of the last messages of each sender a member did not get.

    Args:
        joined: when its join was answered, ns.
        last: the last number it has heard, by sender.
        senders: those of its room that are certain to have sent what they say.
        own: the sender that it is itself, whose messages it does not get.
    """
    missing = {}
    for name, sender in senders.items():
        heard = last.get(name)
        if name == own:
            continue
        if heard is not None:
            if heard < sender.number:
                missing[name] = sender.number - heard
        elif sender.number and sender.sent > joined:
            missing[name] = 1  # At least; who never heard it cannot know more.
    return missing
