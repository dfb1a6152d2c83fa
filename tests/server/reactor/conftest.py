"""A reactor with real sockets and clients in the test's hand; nothing sleeps."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from hubbub.server.dialects.encoder import Encoder
from hubbub.server.dialects.message import Dialect, Kind, Message
from hubbub.server.reactor.connection import Connection, Phase
from hubbub.server.reactor.fanout import Fanout
from hubbub.server.reactor.reactor import Reactor
from hubbub.server.rooms.hub import Hub
from hubbub.server.stats.counters import Counters
from hubbub.server.websocket.decoder import Decoder
from hubbub.server.websocket.reader import RequestReader
from hubbub.settings import Limits

MASK = b"\x01\x02\x03\x04"


def masked(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame."""
    size = len(payload)
    head = bytes([0x80 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += b"\xfe" + size.to_bytes(2, "big")
    else:
        head += b"\xff" + size.to_bytes(8, "big")
    body = bytes(byte ^ MASK[at & 3] for at, byte in enumerate(payload))
    return head + MASK + body


@dataclass
class Client:
    """The client's end of a connection."""

    end: socket.socket
    c: Connection
    data: bytes = b""
    """What has been read and is not taken yet."""
    ended: bool = False
    """Whether the server has ended its side."""

    def send(self, data: bytes) -> None:
        assert self.end.send(data) == len(data)

    def read(self) -> bytes:
        """Read what has come; return all that is not taken yet."""
        while not self.ended:
            try:
                part = self.end.recv(1 << 20)
            except BlockingIOError:
                break
            except ConnectionResetError:  # It has not read all that we sent.
                part = b""
            self.ended = not part
            self.data += part
        return self.data

    def frames(self) -> list[tuple[int, bytes]]:
        """Take the frames that have come whole."""
        data, at, frames = self.read(), 0, []
        while len(data) >= at + 2:
            size, head = data[at + 1], 2
            if size > 125:
                head = 4 if size == 126 else 10
                size = int.from_bytes(data[at + 2 : at + head], "big")
            if len(data) < at + head + size:
                break
            opcode = data[at] & 15
            frames.append((opcode, data[at + head : at + head + size]))
            at += head + size
        self.data = data[at:]
        return frames

    def texts(self) -> list[str]:
        """Take the text messages that have come; there must be nothing else."""
        frames = self.frames()
        assert all(opcode == 1 for opcode, _ in frames)
        return [payload.decode() for _, payload in frames]

    def close_code(self) -> int:
        """Return the code of the close frame that must be the last to come."""
        opcode, payload = self.frames()[-1]
        assert opcode == 8
        assert self.data == b""
        return int.from_bytes(payload[:2], "big")


class Bus:
    """A bus that keeps what is gathered."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def publish(self, bit: int, room: str, message: Message) -> None:
        self.log.append(message.payload.decode())

    def flush(self) -> None:
        self.log.append("flush")


@dataclass
class Rig:
    """Reactor, hub and fan-out as a worker has them, and sessions that tests write.

    Attributes:
        opening: called with the bytes of a connection that is opening.
        receiving: called with the messages of an open one.
    """

    limits: Limits = field(default_factory=lambda: Limits(message=1 << 20, rate=0))
    opening: Callable[[Connection, bytes], None] = lambda c, data: None
    receiving: Callable[[Connection, list[tuple[int, bytes]]], None] = (
        lambda c, events: None
    )
    reported: list[BaseException] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counters = Counters()
        self.hub = Hub()
        self.bus = Bus()
        self.reactor = Reactor(self.limits, self.counters, self.reported.append)
        self.fanout = Fanout(
            self.reactor, self.hub, self.bus, Encoder(256), self.reported.append
        )
        self.reactor.attach(self, self.fanout)

    # Sessions, as the reactor sees them

    def open(self, connection: Connection, data: bytes) -> None:
        self.opening(connection, data)

    @property
    def handlers(self) -> list[Callable[[Connection, list[tuple[int, bytes]]], None]]:
        return [lambda connection, events: self.receiving(connection, events)]

    def leave_all(self, connection: Connection) -> None:
        for room in connection.rooms:
            self.hub.leave(connection, room)

    # What tests do

    def limit(self, **limits: int) -> None:
        """Change settings of the data path."""
        self.limits = self.reactor.limits = replace(self.limits, **limits)

    def client(
        self, *rooms: str, phase: Phase = Phase.OPEN, dialect: Dialect = Dialect.PLAIN
    ) -> Client:
        """Return the client of a new connection that is in `rooms`."""
        near, far = socket.socketpair()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        return self.adopt(near, far, *rooms, phase=phase, dialect=dialect)

    def tcp_client(self, *rooms: str) -> Client:
        """Return the client of a new TCP connection."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
            far = socket.create_connection(listener.getsockname())
            near, _ = listener.accept()
        return self.adopt(near, far, *rooms)

    def adopt(
        self,
        near: socket.socket,
        far: socket.socket,
        *rooms: str,
        phase: Phase = Phase.OPEN,
        dialect: Dialect = Dialect.PLAIN,
    ) -> Client:
        near.setblocking(False)
        far.setblocking(False)
        reader = RequestReader(self.limits)
        c = Connection(near.detach(), len(self.clients), reader, self.reactor.now)
        if phase == Phase.OPEN:
            c.phase = phase
            c.reader = None
            c.decoder = Decoder(self.limits)
            c.dialect = c.variant = dialect
        self.reactor.adopt(c)
        for room in rooms:
            self.hub.join(c, room)
        client = Client(far, c)
        self.clients.append(client)
        return client

    def say(self, text: str, room: str = "lobby", author: Client | None = None) -> None:
        """Publish; it goes out with the next flush."""
        message = Message(Kind.TEXT, text.encode(), "m")
        self.hub.publish(room, message, author.c if author else None)

    def settle(self) -> None:
        """Tick until nothing is left to do, but for clients that do not read."""
        for _ in range(10):
            while self.reactor.tick():
                pass

    def end(self) -> None:
        for client in self.clients:
            self.reactor.drop(client.c)
            client.end.close()
        self.reactor.close_numbers()
        self.reactor._epoll.close()  # Not when it is collected: a test counts numbers.
        assert not self.reactor.connections
        assert not self.reactor.backlogged
        assert self.counters.outbox_bytes == 0
        assert self.hub.rooms == {}


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.end()
