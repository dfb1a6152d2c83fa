"""What a member must get of each sender, and what it did get. Pure.

A member holds the number of the last message of each sender it has heard. The next
must be one more; everything else is a violation with a name:

    lost        a later one came, or none at the end; or the first one heard was not the
                first sent since the join was answered
    duplicated  the same came twice
    reordered   it came after a later one
    misrouted   it was said in another room, or by the member itself
    corrupted   it is none of ours, or not what was sent

A number that is jumped over counts as lost at once; if it comes later after all, it was
reordered and is no longer lost. Content that was damaged where it tells whose and which
it is counts for nobody: it is corrupted, and what it was meant to be is missed as well.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

from hubbub.loadtest.message import Head, decode, intact

MOST_VIOLATIONS: Final = 100
"""Violations described; all are counted."""
_MOST_MISSING: Final = 10_000
"""Numbers remembered as not heard, of one process; above, what comes late after all
is called lost and duplicated."""
_MOST_FIRST: Final = _MOST_MISSING // 2
"""Of these, first numbers of members that have missed nothing."""

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


class Member(Protocol):
    """Who hears messages."""

    room: int
    """Where it sits."""
    joined: int
    """When its join was answered, ns."""
    last: dict[int, int]
    """Number of the last message heard, by sender."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def sender(self) -> int:
        """Who it is itself, whose messages it does not get."""


class _Gap:
    """Messages of one sender that a member has jumped over.

    Attributes:
        numbers: which of them have not come yet.
        key: of its description; None if there is none.
    """

    __slots__ = ("key", "numbers")

    def __init__(self, numbers: set[int], key: int | None) -> None:
        self.numbers = numbers
        self.key = key


class _Heard:
    """What a member remembers of one sender beyond the last number. Small.

    Attributes:
        first: the first number it heard.
        gaps: what it has jumped over since.
        early: numbers below the first that it heard later.
    """

    __slots__ = ("early", "first", "gaps")

    def __init__(self, first: int) -> None:
        self.first = first
        self.gaps: tuple[_Gap, ...] = ()
        self.early: tuple[int, ...] = ()


class Ledger:
    """Violations of all members of one process.

    Attributes:
        counts: by kind.
    """

    def __init__(self) -> None:
        self.counts = dict.fromkeys(KINDS, 0)
        self._described: dict[int, Violation] = {}
        self._next = 0
        self._remembered = 0
        self._heard: dict[Member, dict[int, _Heard]] = {}

    @property
    def first(self) -> list[Violation]:
        """The first MOST_VIOLATIONS, in the order in which they were noticed."""
        return list(self._described.values())

    def add(
        self, kind: str, room: int, sender: int, number: int, t: int, what: str
    ) -> int | None:
        """Count one violation; describe it if it is one of the first.

        Returns:
            The key of its description, if it has one.
        """
        self.counts[kind] += 1
        if len(self._described) >= MOST_VIOLATIONS:
            return None
        self._next += 1
        self._described[self._next] = Violation(kind, room, sender, number, t, what)
        return self._next

    def take(self, member: Member, payload: bytes, size: int, t: int) -> bool:
        """Check a message in full, and note that `member` has heard it.

        Args:
            member: who has heard it.
            payload: what it has heard.
            size: bytes that every message of the run has.
            t: when, ns.

        Returns:
            Whether it is a message that counts as received.
        """
        head = decode(payload)
        if head is None or len(payload) != size:
            what = f"{member.name} heard {len(payload)} bytes: {payload[:16].hex()}"
            self.add("corrupted", member.room, 0, 0, t, what)
            return False
        due = head.room == member.room and (
            member.last.get(head.sender, 0) == head.number - 1
        )
        if not self._is_intact(member, payload, head, t) and not due:
            return False
        if due and head.sender != member.sender:
            member.last[head.sender] = head.number
        else:
            self._odd(member, head, t)
        return True

    def look(self, member: Member, payload: bytes, t: int) -> None:
        """Check the content of a message that is known to be the next one."""
        if (head := decode(payload)) is not None:
            self._is_intact(member, payload, head, t)

    def _is_intact(self, member: Member, payload: bytes, head: Head, t: int) -> bool:
        if intact(payload, head):
            return True
        what = f"{member.name} heard what was not sent"
        self.add("corrupted", head.room, head.sender, head.number, t, what)
        return False

    def _odd(self, member: Member, head: Head, t: int) -> None:
        """Note a message that is not the next one of somebody else in the room."""
        _, room, sender, number, _, _, before, _ = head
        last = member.last.get(sender)
        if room != member.room:
            what = f"{member.name} heard it in room {member.room}"
            self.add("misrouted", room, sender, number, t, what)
        elif sender == member.sender:
            what = f"{member.name} said it itself"
            self.add("misrouted", room, sender, number, t, what)
        elif last is None:
            member.last[sender] = number
            if before:
                self._begin(member, head, t)
        elif number > last:
            self._jump(member, head, last, t)
            member.last[sender] = number
        else:
            self._again(member, head, last, t)

    def _begin(self, member: Member, head: Head, t: int) -> None:
        """Note the first message heard of a sender that has said others before."""
        if head.before <= member.joined:
            if self._remembered < _MOST_FIRST:
                self._remember(member, head.sender, head.number)
            return
        missing = head.number - 1
        what = f"{member.name} had joined, and heard {head.number} first"
        key = self.add("lost", head.room, head.sender, missing, t, what)
        self._gape(member, head, head.number, range(missing, head.number), key)

    def _jump(self, member: Member, head: Head, last: int, t: int) -> None:
        """Note that what lies between `last` and this message is lost."""
        missing = range(last + 1, head.number)
        what = f"{member.name} heard {head.number} after {last}"
        self.counts["lost"] += len(missing) - 1
        key = self.add("lost", head.room, head.sender, last + 1, t, what)
        # Unless it is remembered, the first one heard was the first one said.
        self._gape(member, head, 0, missing, key)

    def _again(self, member: Member, head: Head, last: int, t: int) -> None:
        """Note a message that is not later than the last one."""
        _, room, sender, number, *_ = head
        if self._comes_late(member, sender, number):
            what = f"{member.name} heard it after {last}"
            self.add("reordered", room, sender, number, t, what)
        else:
            what = f"{member.name} heard it again, after {last}"
            self.add("duplicated", room, sender, number, t, what)

    def _comes_late(self, member: Member, sender: int, number: int) -> bool:
        """Return whether a number that is not the last is heard for the first time."""
        heard = self._heard.get(member, {}).get(sender)
        if heard is None:
            return False
        gap = next((gap for gap in heard.gaps if number in gap.numbers), None)
        if gap is not None:
            self._found(gap, number)
            heard.gaps = tuple(gap for gap in heard.gaps if gap.numbers)
        elif number >= heard.first or number in heard.early:
            return False
        if number < heard.first and self._remembered < _MOST_MISSING:
            self._remembered += 1
            heard.early += (number,)
        return True

    def _found(self, gap: _Gap, number: int) -> None:
        """Take back that a number is lost."""
        self.counts["lost"] -= 1
        self._remembered -= 1
        gap.numbers.remove(number)
        if gap.key is None:
            return
        if gap.numbers:
            told = self._described[gap.key]
            self._described[gap.key] = told._replace(number=min(gap.numbers))
        else:
            del self._described[gap.key]

    def _gape(
        self, member: Member, head: Head, first: int, numbers: range, key: int | None
    ) -> None:
        """Remember what was jumped over, while there is memory for it."""
        heard = self._remember(member, head.sender, first)
        if heard is not None and len(numbers) <= _MOST_MISSING - self._remembered:
            self._remembered += len(numbers)
            heard.gaps += (_Gap(set(numbers), key),)

    def _remember(self, member: Member, sender: int, first: int) -> _Heard | None:
        """Return what `member` remembers of a sender; None if all memory is used."""
        senders = self._heard.get(member, {})
        if sender not in senders:
            if self._remembered >= _MOST_MISSING:
                return None
            self._remembered += 1
            self._heard[member] = senders
            senders[sender] = _Heard(first)
        return senders[sender]

    def missing(self, member: Member, sender: int, count: int, t: int) -> None:
        """Note that the last `count` messages of a sender never came."""
        self.counts["lost"] += count - 1
        last = member.last.get(sender, 0)
        what = f"{member.name} heard none of the last {count}"
        self.add("lost", member.room, sender, last + 1, t, what)

    def forget(self, member: Member) -> None:
        """`member` has ended a membership: what was lost stays so."""
        for heard in self._heard.pop(member, {}).values():
            missing = sum(len(gap.numbers) for gap in heard.gaps)
            self._remembered -= 1 + missing + len(heard.early)


class Sender(NamedTuple):
    """What one sender has sent in all."""

    room: int
    number: int
    """Of its last message."""
    sent: int
    """When that was, ns."""
    began: int
    """When its first message was, ns."""


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
            # Who joined in the midst of it knows of the last one only.
            missing[name] = sender.number if sender.began > joined else 1
    return missing
