"""Clients on raw sockets, for what no WebSocket library would send."""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.conftest import Cluster, wait_for

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN = 0x80
PATIENCE = 10.0
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The example of RFC 6455 section 1.3, whose answer is `ACCEPT`."""
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
HEAD = (
    "Host: localhost\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\n"
    "Sec-WebSocket-Version: 13\r\n"
)
"""The headers of a good opening handshake."""
_SECRETS = re.compile(
    rb"Traceback|File \"|\.py\b|/(?:work|home|usr|root|tmp)/|hubbub/|"
    rb"(?i:python|httptools|trio|server:)"
)


def upgrade(path: str, extra: str = "") -> bytes:
    """Return a good opening handshake for `path`."""
    return f"GET {path} HTTP/1.1\r\n{HEAD}{extra}\r\n".encode("latin-1")


def head(first: int, size: int, mask: bool = True, width: int = 0) -> bytes:
    """Return the head of a client's frame; the mask is zeros, which change nothing.

    Args:
        first: the first byte: FIN, reserved bits, opcode.
        size: the length to declare.
        mask: whether to mask, as a client must.
        width: bytes of the extended length; the shortest form by default.
    """
    bit = FIN if mask else 0
    if not width:
        width = 0 if size < 126 else 2 if size < 65536 else 8
    if width:
        length = bytes((bit | (126 if width == 2 else 127),))
        length += size.to_bytes(width, "big")
    else:
        length = bytes((bit | size,))
    return bytes((first,)) + length + (bytes(4) if mask else b"")


def frame(opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
    """Return a client's frame as the protocol wants it."""
    return head((FIN if fin else 0) | opcode, len(payload)) + payload


def close(code: int, reason: bytes = b"") -> bytes:
    """Return a close frame of a client."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def without(name: str, *instead: str) -> bytes:
    """Return a handshake for the lobby with other lines for one header.

    Args:
        name: the header.
        instead: its lines; none leaves it out.
    """
    lines = [
        line
        for line in HEAD.splitlines(keepends=True)
        if not line.lower().startswith(name.lower() + ":")
    ]
    assert len(lines) == HEAD.count("\r\n") - 1
    more = "".join(f"{line}\r\n" for line in instead)
    text = f"GET /rooms/lobby HTTP/1.1\r\n{''.join(lines)}{more}\r\n"
    return text.encode("latin-1")


def begin(line: bytes) -> bytes:
    """Return a handshake with another request line."""
    return line + b"\r\n" + HEAD.encode() + b"\r\n"


class Response(NamedTuple):
    """The answer to a handshake."""

    status: int
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes


class Raw:
    """One client on a raw socket.

    Args:
        port: of the server on loopback.
        receive_buffer: SO_RCVBUF, set before connecting; 0 leaves it alone.
    """

    def __init__(self, port: int, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *data: bytes) -> None:
        self.socket.sendall(b"".join(data))

    def say(self, text: str) -> None:
        self.send(frame(TEXT, text.encode()))

    def ask(self, **command: object) -> dict[str, object]:
        """Send a native command in JSON; return the next message."""
        self.say(json.dumps(command))
        return self.event()

    def event(self) -> dict[str, object]:
        """Read a native message in JSON."""
        opcode, payload = self.read_frame()
        assert opcode == TEXT, (opcode, payload)
        found: dict[str, object] = json.loads(payload)
        return found

    def _more(self) -> bool:
        data = self.socket.recv(1 << 20)
        self._unread += data
        return bool(data)

    def _take(self, size: int) -> bytes:
        while len(self._unread) < size:
            assert self._more(), f"ended after {self._unread!r}"
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken

    def read_response(self) -> Response:
        """Read an answer; one that is not 101 must be clean and the last thing."""
        while b"\r\n\r\n" not in self._unread:
            assert self._more(), f"ended after {self._unread!r}"
        start, _, self._unread = self._unread.partition(b"\r\n\r\n")
        line, *fields = start.decode("ascii").split("\r\n")
        assert line.startswith("HTTP/1.1 ")
        pairs = [field.partition(": ")[::2] for field in fields]
        headers = {name.lower(): value for name, value in pairs}
        assert len(headers) == len(fields), "a header came twice"
        status = int(line.split(" ")[1])
        if status == 101:
            return Response(status, headers, b"")
        body = self.read_rest()
        assert len(body) == int(headers["content-length"])
        assert headers["connection"].split(", ")[0] == "close"
        assert "server" not in headers
        assert not _SECRETS.search(start + body), start + body
        assert body.strip(), "the answer does not say why"
        return Response(status, headers, body)

    def read_frame(self) -> tuple[int, bytes]:
        """Read one frame and check what holds for all of a server's frames."""
        first, second = self._take(2)
        assert first & 0xF0 == FIN, "fragmented, or a reserved bit is set"
        assert second < FIN, "a server must not mask (RFC 6455 section 5.1)"
        size = second
        if second > 125:
            size = int.from_bytes(self._take(2 if second == 126 else 8), "big")
            assert size > (125 if second == 126 else 65535), "not the shortest form"
        return first & 15, self._take(size)

    def read_rest(self) -> bytes:
        """Read to the end, which must be an end and no reset."""
        while self._more():
            pass
        rest, self._unread = self._unread, b""
        return rest

    def read_frames(self) -> Iterator[tuple[int, bytes]]:
        """Read frames up to the close frame; nothing but the end may follow that."""
        opcode = -1
        while opcode != CLOSE:
            opcode, payload = self.read_frame()
            yield opcode, payload
        assert self.read_rest() == b"", "something came after the close frame"

    def read_close(self) -> int:
        """Read the close frame, next and last of all; return its code (1005: none)."""
        ((opcode, payload),) = self.read_frames()
        assert opcode == CLOSE
        payload[2:].decode()
        return int.from_bytes(payload[:2], "big") if payload else 1005


def ask_http(port: int, *request: bytes) -> Response:
    """Send the bytes of a request on a connection of its own; return the answer."""
    with Raw(port) as client:
        client.send(*request)
        return client.read_response()


def join(port: int, path: str = "/rooms/lobby", receive_buffer: int = 0) -> Raw:
    """Return a client whose opening handshake has succeeded."""
    client = Raw(port, receive_buffer)
    client.send(upgrade(path))
    assert client.read_response().status == 101
    return client


def native(port: int, dialect: str = "json") -> Raw:
    """Return a native session that has read its welcome."""
    client = Raw(port)
    client.send(upgrade("/ws", f"Sec-WebSocket-Protocol: hubbub.v1.{dialect}\r\n"))
    assert client.read_response().status == 101
    client.read_frame()
    return client


class Neighbours:
    """Two members of the room `lobby`, who must not notice what others do to it."""

    def __init__(self, cluster: Cluster) -> None:
        self._members = [join(cluster.port), join(cluster.port)]
        self._said = 0

    def check(self, *heard: bytes) -> None:
        """Check that they still talk, and have heard `heard` and nothing else."""
        for listener in self._members:
            for payload in heard:
                assert listener.read_frame()[1] == payload
        for speaker, listener in (self._members, reversed(self._members)):
            self._said += 1
            text = f"neighbour {self._said}"
            speaker.say(text)
            assert listener.read_frame() == (TEXT, text.encode())

    def end(self) -> None:
        for member in self._members:
            member.socket.close()


class Served(NamedTuple):
    """A running cluster of one worker with two members in its room `lobby`."""

    cluster: Cluster
    lobby: Neighbours

    @property
    def port(self) -> int:
        return self.cluster.port

    def worker(self) -> dict[str, Any]:
        return self.cluster.worker(0)

    def private(self) -> int:
        """Return the worker's private bytes as it has published them since now."""
        begun = time.monotonic()

        def fresh() -> dict[str, Any] | None:
            asked = time.monotonic()
            worker = self.worker()
            late = asked - worker["heartbeat_age_ms"] / 1000
            return worker if late > begun else None

        size: int = wait_for(fresh)["memory"]["private"]
        return size

    def peak(self) -> int:
        """Return the most bytes that the worker has ever had in memory."""
        status = Path(f"/proc/{self.worker()['pid']}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024


@contextmanager
def serving(folder: Path, *args: str) -> Iterator[Served]:
    """Run a cluster of one worker; check at the end that nothing is left in it."""
    cluster = Cluster(folder)
    try:
        cluster.start("--workers", "1", *args)
        lobby = Neighbours(cluster)
        yield Served(cluster, lobby)
        wait_for(lambda: cluster.worker(0)["connections"] == 2)
        worker = cluster.worker(0)
        assert (worker["generation"], worker["errors"]) == (1, 0)
        assert (worker["rooms"], worker["outbox_bytes"]) == (1, 0)
        with native(cluster.port) as session:
            # Nobody who has gone is still a member.
            assert session.ask(type="join", id=1, room="lobby")["members"] == 3
        lobby.end()
    finally:
        cluster.end()
    check_log(cluster)


def check_log(cluster: Cluster) -> list[dict[str, object]]:
    """Check that every line of the log is one event in JSON without raw controls."""
    data = cluster.log.read_bytes()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]", data)
    events = [json.loads(line) for line in data.splitlines()]
    assert all(set(event) >= {"timestamp", "level", "event"} for event in events)
    failed = [e for e in events if e["event"] in ("handler_failed", "worker_failed")]
    assert not failed
    return events
