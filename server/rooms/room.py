"""One room on this worker: its members and what it has to say this tick. Pure.

What a room receives within one tick waits in `pending` and is sent as one buffer to
each member. A member that joins while something waits must get exactly what comes
after its join: it is marked `late` with the position it joined at. So a join needs
no flush, and a storm of joins does not break up the batches.
"""

from typing import Protocol

from hubbub.server.dialects.message import Message
from hubbub.server.stats.interest import room_bit

SMALL = 16
"""Members kept in a tuple (48 bytes for one, a dict takes 232); above, a dict."""


class Member(Protocol):
    """A session in rooms, as rooms see it."""

    rooms: "tuple[Room, ...]"
    """The rooms it is in; kept by the hub."""


class Batch:
    """What one flush of a room sends: the messages of a tick to a snapshot of members.

    Attributes:
        room: name of the room.
        messages: in the order they came.
        authors: who sent each and shall not get it back; None: everyone gets it.
        late: members that joined after the message of that index.
        members: everyone in the room when the batch was taken; some may be gone when
            their turn comes.
        at: how many of `members` have been served.
        gone: members that left before their turn; nothing here is for them any more.
    """

    __slots__ = (
        "_due",
        "_due_from",
        "at",
        "authors",
        "gone",
        "late",
        "members",
        "messages",
        "room",
    )

    def __init__(
        self,
        room: str,
        messages: list[Message],
        authors: list[Member | None],
        late: dict[Member, int] | None,
        members: tuple[Member, ...],
    ) -> None:
        self.room = room
        self.messages = messages
        self.authors = authors
        self.late = late
        self.members = members
        self.at = 0
        self.gone: set[Member] | None = None
        self._due: set[Member] | None = None
        self._due_from = 0

    def special(self) -> set[Member]:
        """Return the members that do not get the whole batch."""
        who: set[Member] = {a for a in self.authors if a is not None}
        if self.late:
            who.update(self.late)
        if self.gone:
            who.update(self.gone)
        return who

    def share(self, member: Member) -> list[Message]:
        """Return the messages of this batch that are for `member`."""
        if self.gone and member in self.gone:
            return []
        start = self.late.get(member, 0) if self.late else 0
        authors = self.authors
        return [
            message
            for index, message in enumerate(self.messages)
            if index >= start and authors[index] is not member
        ]

    def dismiss(self, member: Member) -> list[Message]:
        """Let a member go; return what it has not been served yet.

        Who is due is a set, made when the first one leaves: in a big room many
        leave while one batch is served, and looking through all for each would take
        a millisecond a leave.
        """
        if self._due is None or self.gone is None:
            self._due = set(self.members[self.at :])
            self.gone = set()
        else:
            self._due.difference_update(self.members[self._due_from : self.at])
        self._due_from = self.at
        if member not in self._due:
            return []
        owed = self.share(member)
        self._due.discard(member)
        self.gone.add(member)
        return owed


class Room:
    """A room with at least one member on this worker.

    Attributes:
        name: its name.
        bit: its bit in the interest table.
        members: who is in it; a tuple while small, else a dict with None values.
        batch: the flush in progress, while it takes more than one tick.
        place: its place in the census, kept by who opens it.
        pending: what waits for the next flush, each with who shall not get it back;
            kept by the hub, None when nothing waits.
        late: members that joined after the message of that index.
    """

    __slots__ = ("batch", "bit", "late", "members", "name", "pending", "place")

    def __init__(self, name: str) -> None:
        self.name = name
        self.bit = room_bit(name)
        self.members: tuple[Member, ...] | dict[Member, None] = ()
        self.batch: Batch | None = None
        self.place = 0
        self.pending: list[tuple[Message, Member | None]] | None = None
        self.late: dict[Member, int] | None = None

    def __contains__(self, member: Member) -> bool:
        return member in self.members

    def add(self, member: Member) -> None:
        """Take `member` in; it gets what is published from now on."""
        members = self.members
        if isinstance(members, dict):
            members[member] = None
        elif len(members) < SMALL:
            self.members = (*members, member)
        else:
            self.members = dict.fromkeys(members)
            self.members[member] = None
        if self.pending:
            if self.late is None:
                self.late = {}
            self.late[member] = len(self.pending)

    def remove(self, member: Member) -> list[Message]:
        """Let `member` go; return what waits for it and must be sent before."""
        members = self.members
        if isinstance(members, dict):
            del members[member]
        else:
            self.members = tuple(one for one in members if one is not member)
        owed = self.batch.dismiss(member) if self.batch is not None else []
        if self.pending:
            owed += self._snapshot(()).share(member)
            if self.late is not None:
                self.late.pop(member, None)
        return owed

    def take(self) -> Batch | None:
        """Return what waits as a batch for everyone who is here now."""
        if not self.pending:
            return None
        batch = self._snapshot(tuple(self.members))
        self.pending = self.late = None
        return batch

    def _snapshot(self, members: tuple[Member, ...]) -> Batch:
        pending = self.pending or []
        return Batch(
            self.name,
            [message for message, _ in pending],
            [author for _, author in pending],
            self.late,
            members,
        )
