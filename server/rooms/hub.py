"""The hub: rooms and members on this worker. Pure: state in, consequences out.

The hub knows nothing of sockets, other workers or shared memory. What must follow a
change (set a bit of the interest table before the answer, send what is owed to a
leaver) is returned, and the caller sees to it.
"""

from typing import Final

from hubbub.server.dialects.message import Message
from hubbub.server.rooms.room import Batch, Member, Room
from hubbub.settings import KIB, MIB

ENVELOPE: Final = 128
"""What a message counts for in `pending_bytes` besides its payload, bytes: a frame of
the native dialect has 60 to 230 around it, and an empty message costs time too."""


FULL: Final = 64 * KIB
"""What may be gathered in a tick, in `pending_bytes`, before it is flushed and more is
read: so a batch is well under an outbox's limit whatever a dialect makes of it."""
WIDE: Final = 16 * MIB
"""The same, summed over all members of a room: a batch that finds every one of them
behind takes a part of a worker's outbox budget, and not all of it."""


class Hub:
    """All rooms of this worker.

    Attributes:
        rooms: by name; a room exists while it has a member.
        dirty: rooms with messages to flush this tick, in the order they got them.
        pending_bytes: what waits in all rooms, ENVELOPE of each message included.
        full: `pending_bytes` above which dirty rooms are to be flushed; it falls with
            the largest of them, and whoever takes `dirty` sets it back to FULL.
    """

    __slots__ = ("dirty", "full", "pending_bytes", "rooms")

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}
        self.dirty: list[Room] = []
        self.pending_bytes = 0
        self.full = FULL

    def join(self, member: Member, name: str) -> tuple[Room, bool]:
        """Make `member`, which is not in it yet, a member of room `name`.

        Returns:
            The room, and whether it is new here: then its interest bit must be set
            before the join is answered.
        """
        room = self.rooms.get(name)
        new = room is None
        if room is None:
            room = self.rooms[name] = Room(name)
        room.add(member)
        member.rooms = (*member.rooms, room)
        return room, new

    def leave(self, member: Member, room: Room) -> tuple[list[Message], bool]:
        """End a membership.

        Returns:
            The messages that were published before and are still owed to the
            member, and whether the room is gone: then its interest bit is cleared.
        """
        owed = room.remove(member)
        member.rooms = tuple(r for r in member.rooms if r is not room)
        if room.members:
            return owed, False
        del self.rooms[room.name]
        return owed, True

    def publish(self, name: str, message: Message, author: Member | None) -> None:
        """Keep `message` for the members of room `name`; all but `author` get it."""
        room = self.rooms.get(name)
        if room is not None:
            self.publish_in(room, message, author)

    def publish_in(self, room: Room, message: Message, author: Member | None) -> None:
        """Keep `message` for the members of `room`; all but `author` get it."""
        self.pending_bytes += len(message.payload) + ENVELOPE
        if room.pending is not None:
            room.pending.append((message, author))
        else:
            room.pending = [(message, author)]
            self.dirty.append(room)
            if len(room.members) * self.full > WIDE:
                self.full = WIDE // len(room.members)

    def take_single(self, room: Room) -> tuple[Message, Member | None] | None:
        """Return what waits in a small room, if it is one message for all in it.

        That is the usual case, and needs no snapshot: it is served at once.
        """
        pending = room.pending
        if (
            pending is None
            or len(pending) > 1
            or room.late
            or room.batch is not None
            or not isinstance(room.members, tuple)
        ):
            return None
        room.pending = room.late = None
        self.pending_bytes -= len(pending[0][0].payload) + ENVELOPE
        return pending[0]

    def take(self, room: Room) -> Batch | None:
        """Return what waits in `room` for the members it has now, None if nothing."""
        batch = room.take()
        if batch is not None:
            messages = batch.messages
            self.pending_bytes -= sum(len(m.payload) for m in messages)
            self.pending_bytes -= ENVELOPE * len(messages)
        return batch
