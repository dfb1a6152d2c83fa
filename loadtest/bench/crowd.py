"""A crowd of plain members on raw sockets: joins a room and drains what comes.

It decodes nothing: a benchmark's receiver must cost less than what it measures.
"""

import os
import select
import socket
import time

_KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class Crowd:
    """Sockets in rooms, drained by one epoll loop.

    Attributes:
        received: bytes drained since the last `reset`.
    """

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        self.received = 0
        self._epoll = select.epoll()

    def connect(self, port: int, count: int, path: str = "") -> None:
        """Open `count` sockets; upgrade each to `path`, if one is given.

        Raises:
            RuntimeError: the server refused an upgrade.
        """
        request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {_KEY}\r\n\r\n"
        ).encode()
        for _ in range(count):
            member = socket.create_connection(("127.0.0.1", port))
            member.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if path:
                member.sendall(request)
                answer = b""
                while b"\r\n\r\n" not in answer:
                    part = member.recv(4096)
                    answer += part
                    if not part or not answer.startswith(
                        b"HTTP/1.1 101 "[: len(answer)]
                    ):
                        raise RuntimeError(f"refused: {answer[:200]!r}")
            member.setblocking(False)
            self.sockets.append(member)
            self._epoll.register(member.fileno(), select.EPOLLIN)

    def drain(self, until: float) -> None:
        """Read what comes until `until` (time.monotonic())."""
        read = os.read
        while True:
            left = until - time.monotonic()
            if left <= 0:
                return
            for number, _ in self._epoll.poll(left, 1024):
                self.received += len(read(number, 262144))

    def drain_bytes(self, expected: int, patience: float) -> bool:
        """Read until `expected` bytes have come; return whether they did in time."""
        end = time.monotonic() + patience
        while self.received < expected and time.monotonic() < end:
            self.drain(min(end, time.monotonic() + 0.05))
        return self.received >= expected

    def close(self) -> None:
        """Close every socket."""
        for member in self.sockets:
            member.close()
        self._epoll.close()


def masked_text(payload: bytes) -> bytes:
    """Return `payload` (under 126 bytes) as a client's text frame, mask all zero."""
    return bytes((0x81, 0x80 | len(payload))) + bytes(4) + payload
