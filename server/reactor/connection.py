"""One client socket: what the reactor keeps of it. Small, there are many."""

from enum import IntEnum

from hubbub.server.reactor.outbox import Outbox
from hubbub.server.rooms.room import Room
from hubbub.server.websocket.decoder import Decoder
from hubbub.server.websocket.reader import RequestReader


class Phase(IntEnum):
    """Where a connection is in its life."""

    OPENING = 0
    """Its request has not been answered yet."""
    OPEN = 1
    CLOSING = 2
    """The last byte for it is decided; its own bytes are discarded until its end."""
    CLOSED = 3


class Connection:
    """A client socket and its state.

    Attributes:
        fd: the socket, non-blocking; -1 once it is closed, so that a stale reference
            fails with EBADF and never reaches a newcomer.
        phase: a value of Phase.
        dialect: a value of Dialect, once open.
        variant: how messages are encoded for it, a value of `encoder.variant_of`.
        kind: PLAIN, NATIVE or ECHO of `session`: who takes its messages.
        own: whether it gets its own messages back.
        patient: whether its input waits while it has an outbox (echo).
        strikes: bad messages, less the good ones since; while closing, bytes discarded.
        rooms: what it is a member of; kept by the hub.
        reader: its request, while it is opening.
        decoder: its messages, once open.
        outbox: unsent bytes; None while the kernel takes everything.
        seen: time of its last sign of life; while opening, of its accept; while
            closing, the deadline.
        pinged: when a ping was last sent to it; it is answered if `seen` is later.
        spent: when what it has sent so far is within its rate again.
        stuck: (serial, since) of the message in progress, as the sweep saw it.
        serial: its number on this worker.
        member: its public name, made when first needed.
    """

    __slots__ = (
        "decoder",
        "dialect",
        "fd",
        "kind",
        "member",
        "outbox",
        "own",
        "patient",
        "phase",
        "pinged",
        "reader",
        "rooms",
        "seen",
        "serial",
        "spent",
        "strikes",
        "stuck",
        "variant",
    )

    def __init__(self, fd: int, serial: int, reader: RequestReader, now: float) -> None:
        self.fd = fd
        self.phase = 0
        self.dialect = 0
        self.variant = 0
        self.kind = 0
        self.own = False
        self.patient = False
        self.strikes = 0
        self.rooms: tuple[Room, ...] = ()
        self.reader: RequestReader | None = reader
        self.decoder: Decoder | None = None
        self.outbox: Outbox | None = None
        self.seen = now
        self.pinged = 0.0
        self.spent = 0.0
        self.stuck: tuple[int, float] | None = None
        self.serial = serial
        self.member = ""
