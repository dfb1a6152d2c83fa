"""One mass client, its reactor, and the test as the server at the other end."""

import socket
import struct
from collections.abc import Callable
from time import monotonic, monotonic_ns

from hubbub.loadtest.message import encode
from hubbub.loadtest.swarm.client import Client, Seat, State
from hubbub.loadtest.swarm.frames import BINARY, head_size, masked
from hubbub.loadtest.swarm.reactor import Reactor
from hubbub.loadtest.swarm.tally import Tally

ROOM, ANN = 7, 1
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


class Hall:
    """One client, its reactor, and the test at the other end."""

    def __init__(self, size: int = 100) -> None:
        self.size = size
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.ends: list[str] = []
        self.left: list[tuple[int, int]] = []
        self.tally = Tally(1)
        self.reactor = Reactor(
            self.listener.getsockname(),
            "hall.example",
            lambda room: f"/rooms/load.{room}",
            size,
            self.tally,
            lambda client, why: self.ends.append(why),
            lambda client: self.left.append((client.sender, client.number)),
        )
        self.client = Client(Seat(5, ROOM))
        self.peer = self.listener
        self.closed = False

    def spin(self, condition: Callable[[], object]) -> None:
        """Run the reactor until something is so."""
        end = monotonic() + 5
        while not condition():
            assert monotonic() < end
            self.reactor.wait(0.01)

    def connect(self) -> bytes:
        """Have the client connect; return its request."""
        self.reactor.connect(self.client)
        self.peer, _ = self.listener.accept()
        self.peer.settimeout(5)
        self.spin(lambda: self.client.state == State.UPGRADING)
        return self.peer.recv(65536)

    def join(self) -> None:
        self.connect()
        self.peer.sendall(ANSWER)
        self.spin(lambda: self.client.state == State.JOINED)

    def say(self, number: int, sender: int = ANN, room: int = ROOM) -> bytes:
        """Return the frame of a message."""
        now = monotonic_ns()
        return served(encode(room, sender, number, now, now, 0, self.size))

    def hears(self, *parts: bytes) -> None:
        """Let it hear these, each in a read of its own, and a last good message."""
        last = self.say(1, sender=99)
        for part in (*parts, last):
            self.peer.sendall(part)
            if part is not last:
                self.reactor.wait(0.01)
        self.spin(lambda: 99 in self.client.last)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.reactor.close([self.client])
            self.peer.close()
            self.listener.close()

    def counts(self) -> dict[str, int]:
        return {kind: n for kind, n in self.tally.ledger.counts.items() if n}


def served(payload: bytes, opcode: int = BINARY) -> bytes:
    data = masked(opcode, payload)
    head = head_size(len(payload))
    return bytes((data[0], data[1] & 0x7F)) + data[2:head] + payload


def frames_of(data: bytes) -> list[tuple[int, bytes]]:
    """Read a client's frames: the mask is there, and zero."""
    found = []
    while data:
        size, body = data[1] & 0x7F, 2
        assert data[1] & 0x80
        if size == 126:
            size, body = int.from_bytes(data[2:4], "big"), 4
        assert data[body : body + 4] == bytes(4)
        body += 4
        found.append((data[0] & 15, data[body : body + size]))
        data = data[body + size :]
    return found


def end(peer: socket.socket, reset: bool) -> None:
    if reset:
        linger = struct.pack("ii", 1, 0)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    peer.close()
