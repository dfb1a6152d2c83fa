"""One mass client: a socket and what it has to remember. Small, there are many."""

import socket
from enum import IntEnum
from typing import Final, NamedTuple

_LIVES: Final = 20
"""Bits of a sender's number that are the client's; above, which life it is in."""
MOST_CLIENTS: Final = 1 << _LIVES


def sender_of(name: int, life: int) -> int:
    """Return what a client is called as a sender in one of its lives."""
    return name | (life & 0xFFF) << _LIVES


class Seat(NamedTuple):
    """What one client does."""

    name: int
    """Its number among all clients of the run, below MOST_CLIENTS."""
    room: int
    """Number of the room it sits in."""
    speaks: bool = True
    """Whether it publishes at the plan's rate."""
    stays: float = 0.0
    """Seconds after which it leaves and comes back; 0: to the end."""
    roams: int = 0
    """Rooms of which it picks one each time it comes back; 0: always its own."""
    sleeps: bool = False
    """Whether it stops reading when told to; how it ends then is forgiven."""


class State(IntEnum):
    """Where a client is."""

    AWAY = 0
    CONNECTING = 1
    UPGRADING = 2
    JOINED = 3
    LEAVING = 4
    """It has said goodbye; the server has not yet."""


class Client:
    """A member of one room.

    Attributes:
        seat: what it does.
        room: where it sits in this life.
        state: a value of State.
        sock: its socket, None while it is away.
        joined: when the answer to its join was read, ns.
        began: when it began to connect, or to leave, ns.
        last: number of the last message heard, by sender.
        tail: bytes of a frame that has not come whole.
        out: bytes that the kernel has not taken yet.
        number: of the last message it sent in this life.
        sent: when that was, ns.
        spoke: when the first one was, ns.
        life: how often it has had to begin anew.
        asked: whether it waits for a pong.
        asleep: whether it has stopped reading.
    """

    __slots__ = (
        "asked",
        "asleep",
        "began",
        "joined",
        "last",
        "life",
        "number",
        "out",
        "room",
        "seat",
        "sent",
        "sock",
        "spoke",
        "state",
        "tail",
    )

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.room = seat.room
        self.state = State.AWAY
        self.sock: socket.socket | None = None
        self.joined = 0
        self.began = 0
        self.last: dict[int, int] = {}
        self.tail = b""
        self.out = b""
        self.number = 0
        self.sent = 0
        self.spoke = 0
        self.life = 0
        self.asked = False
        self.asleep = False

    @property
    def name(self) -> str:
        """For people."""
        return f"client {self.seat.name}"

    @property
    def sender(self) -> int:
        """Its name as a sender in this life."""
        return sender_of(self.seat.name, self.life)

    @property
    def said(self) -> tuple[int, int, int, int]:
        """What it has said in this life: verify.Sender."""
        return self.room, self.number, self.sent, self.spoke

    def renew(self) -> None:
        """Begin a new life: what the last one sent may not have arrived."""
        self.state = State.AWAY
        self.sock = None
        self.last = {}
        self.tail = self.out = b""
        if self.number:
            self.life += 1
            self.number = self.sent = 0
        self.asked = self.asleep = False
