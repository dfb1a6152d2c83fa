"""What a crowd did and saw: the record that the checker judges.

All times are seconds of `time.monotonic()` in the crowd's own process.
"""

from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    """What a client is."""

    PLAIN = "plain"
    """A member of one room on `/rooms/<room>`."""
    NATIVE = "native"
    """A member of one room on `/ws`, which is told of gaps."""
    PUBLISHER = "publisher"
    """Publishes into one room on `/ws` and is no member: every message has an id, so
    that it is known which ones were accepted."""


@dataclass(slots=True, eq=False)
class Sent:
    """One message that a publisher sent."""

    stream: "Session"
    """The publisher's connection: order is promised within one."""
    number: int
    """Counts from 0 in each stream."""
    at: float
    acked: float | None = None
    """When it was acknowledged; None: unknown whether the cluster has it."""

    @property
    def room(self) -> str:
        return self.stream.room


@dataclass(slots=True)
class Gap:
    """A member was told that it missed messages of its room."""


@dataclass(slots=True, eq=False)
class Session:
    """One connection of a client, from its first packet to its end."""

    client: int
    kind: Kind
    room: str
    opened: float
    """When it began to connect."""
    joined: float | None = None
    """When the join was answered; None: it never was."""
    slot: int = -1
    generation: int = 0
    heard: list[tuple[Sent | Gap, float]] = field(default_factory=list)
    """Of a member: what came, in order, and when."""
    sent: list[Sent] = field(default_factory=list)
    """Of a publisher: what it sent, in order."""
    ended: float | None = None
    code: int | None = None
    """Close code; 1006: the connection broke without one; None: it lives."""
    why: str = ""
    """How a connection that never joined failed: `refused`, `status 503`, …"""
    told_to_leave: bool = False
    """Whether the crowd itself ended it."""

    def on(self, slot: int, generation: int | None = None) -> bool:
        """Return whether the worker of `slot` (and `generation`) served it."""
        return self.slot == slot and generation in (None, self.generation)


@dataclass(slots=True)
class History:
    """Everything that happened to a crowd."""

    sessions: list[Session] = field(default_factory=list)
    """In the order in which they began to connect."""
    strange: list[tuple[Session, bytes]] = field(default_factory=list)
    """Messages that nobody ever sent, and who got them."""

    def joined(self) -> list[Session]:
        """Return the sessions that came to be."""
        return [one for one in self.sessions if one.joined is not None]

    def failed(self, since: float = 0.0) -> list[Session]:
        """Return the connects since then that did not become sessions."""
        return [
            one
            for one in self.sessions
            if one.joined is None and one.ended is not None and one.ended >= since
        ]

    def ended(self, since: float = 0.0) -> list[Session]:
        """Return sessions that ended since then, other than by the crowd's will."""
        return [
            one
            for one in self.sessions
            if one.joined is not None
            and one.ended is not None
            and one.ended >= since
            and not one.told_to_leave
        ]

    def next_of(self, session: Session) -> Session | None:
        """Return the session that the client of an ended one came back as."""
        assert session.ended is not None
        return next(
            (
                one
                for one in self.sessions
                if one.client == session.client
                and one.joined is not None
                and one.joined > session.ended
            ),
            None,
        )
