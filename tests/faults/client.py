"""One client of a crowd: a non-blocking socket and what it has to say and hear."""

import errno
import json
import os
import select
import socket
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from tests.e2e.raw import BINARY, CLOSE, PING, PONG, TEXT, frame, upgrade
from tests.faults.history import Gap, Kind, Sent, Session

IN, OUT = select.EPOLLIN, select.EPOLLOUT
_READ = 256 * 1024
_MOST_UNSENT = 1 << 20
_BROKEN = 1006


class State(Enum):
    """How far a client has come."""

    OFF = auto()
    UPGRADING = auto()
    WELCOME = auto()
    JOINING = auto()
    OPEN = auto()


class Owner(Protocol):
    """Who runs the loop and keeps the record: the crowd."""

    port: int
    identified: bool
    epoll: select.epoll
    by_number: "dict[int, Client]"
    sent: dict[bytes, Sent]

    def begun(self, session: Session) -> None:
        """Keep a new session."""

    def over(self, client: "Client", session: Session) -> None:
        """The session has ended, or never came to be."""

    def strange(self, session: Session, payload: bytes) -> None:
        """Keep a message that nobody sent."""


def split(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Return the whole frames at the start of `data` and how long they are."""
    frames: list[tuple[int, bytes]] = []
    at, end = 0, len(data)
    while end - at >= 2:
        size = data[at + 1]
        start = at + 2
        if size == 126:
            if end - at < 4:
                break
            size = (data[at + 2] << 8) | data[at + 3]
            start = at + 4
        elif size == 127:
            if end - at < 10:
                break
            size = int.from_bytes(data[at + 2 : at + 10], "big")
            start = at + 10
        if start + size > end:
            break
        assert data[at] & 0xF0 == 0x80, "fragmented, or a reserved bit is set"
        frames.append((data[at] & 15, data[start : start + size]))
        at = start + size
    return frames, at


class Client:
    """One client, over as many connections as it needs.

    Args:
        owner: the crowd.
        number: of the client.
        kind: what it is.
        room: its one room.
        receive_buffer: SO_RCVBUF, set before connecting; 0 leaves it alone.
    """

    def __init__(
        self, owner: Owner, number: int, kind: Kind, room: str, receive_buffer: int = 0
    ) -> None:
        self.number = number
        self.kind = kind
        self.room = room
        self.receive_buffer = receive_buffer
        self.state = State.OFF
        self.session: Session | None = None
        self.reading = True
        self._owner = owner
        self._socket: socket.socket | None = None
        self._fd = -1
        self._unread = b""
        self._unsent = b""
        self._sessions = 0
        self._close_code: int | None = None

    @property
    def is_open(self) -> bool:
        return self.state is State.OPEN

    # Connecting

    def connect(self) -> None:
        """Begin a new connection; it is open when it has joined."""
        assert self._socket is None
        now = time.monotonic()
        self.session = Session(self.number, self.kind, self.room, now)
        self._owner.begun(self.session)
        self._sessions += 1
        self._unread = b""
        self._close_code = None
        self.reading = True
        self.state = State.UPGRADING
        path, more = f"/rooms/{self.room}", ""
        if self.kind is not Kind.PLAIN:
            path, more = "/ws", "Sec-WebSocket-Protocol: hubbub.v1.json\r\n"
        self._unsent = upgrade(path, more)
        made = self._socket = socket.socket()
        self._fd = made.fileno()
        if self.receive_buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setblocking(False)
        self._owner.by_number[self._fd] = self
        self._owner.epoll.register(self._fd, IN | OUT)
        error = made.connect_ex(("127.0.0.1", self._owner.port))
        if error not in (0, errno.EINPROGRESS):
            self._end(errno.errorcode.get(error, str(error)))

    def leave(self) -> None:
        """Break the connection off without a word, and stay away."""
        if self._socket is not None:
            assert self.session is not None
            self.session.told_to_leave = True
            self._end("left")

    def _end(self, why: str) -> None:
        session = self.session
        assert session is not None
        assert self._socket is not None
        self._owner.epoll.unregister(self._fd)
        del self._owner.by_number[self._fd]
        self._socket.close()
        self._socket = None
        self._fd = -1
        self.state = State.OFF
        session.ended = time.monotonic()
        session.code = _BROKEN if self._close_code is None else self._close_code
        session.why = why
        self._owner.over(self, session)

    # Reading and writing

    def ready(self, mask: int) -> None:
        """Read and write what can be."""
        try:
            if mask & OUT:
                self._write()
            if mask & ~OUT:
                self._read()
        except OSError as error:
            if self._socket is not None:
                self._end(errno.errorcode.get(error.errno or 0, str(error)))

    def watch(self, reading: bool) -> None:
        """Go on or stop reading what comes."""
        self.reading = reading
        self._watch()

    def _watch(self) -> None:
        if self._socket is not None:
            mask = (IN if self.reading else 0) | (OUT if self._unsent else 0)
            self._owner.epoll.modify(self._fd, mask)

    def _write(self) -> None:
        error = 0
        assert self._socket is not None
        if self.state is State.UPGRADING:
            error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, os.strerror(error))
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._watch()

    def send(self, data: bytes) -> None:
        """Write `data`, now or when the kernel takes it."""
        assert self._socket is not None
        if self._unsent:
            self._unsent += data
            return
        try:
            taken = self._socket.send(data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            self._end(errno.errorcode.get(error.errno or 0, str(error)))
            return
        if taken < len(data):
            self._unsent = data[taken:]
            self._watch()

    def _read(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(_READ)
        except BlockingIOError:
            return
        now = time.monotonic()
        if not data:
            self._end("end")
            return
        data = self._unread + data
        if self.state is State.UPGRADING:
            head, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                self._unread = data
                return
            if not self._upgraded(head.decode("latin-1"), now):
                return
            data = rest
        frames, taken = split(data)
        self._unread = data[taken:]
        for opcode, payload in frames:
            self._frame(opcode, payload, now)
            if self._socket is None:
                return

    def _upgraded(self, head: str, now: float) -> bool:
        session = self.session
        assert session is not None
        line, *fields = head.split("\r\n")
        if " 101 " not in line:
            self._end(f"status {line.split(' ')[1]}")
            return False
        headers = {
            name.lower(): value
            for name, _, value in (field.partition(": ") for field in fields)
        }
        if self._owner.identified:
            slot, _, generation = headers["hubbub-worker"].partition("/")
            session.slot, session.generation = int(slot), int(generation)
        if self.kind is Kind.PLAIN:
            self._opened(now)
        else:
            self.state = State.WELCOME
        return True

    def _opened(self, now: float) -> None:
        assert self.session is not None
        self.state = State.OPEN
        self.session.joined = now

    def _frame(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == PING:
            self.send(frame(PONG, payload))
        elif opcode == CLOSE:
            self._close_code = int.from_bytes(payload[:2], "big") if payload else 1005
            self.send(frame(CLOSE, payload))
            if self._socket is not None:
                self._end("closed")
        elif opcode not in (TEXT, BINARY):
            raise AssertionError(f"a server's frame of opcode {opcode}")
        elif self.kind is Kind.PLAIN:
            self._heard(payload, now)
        else:
            self._event(json.loads(payload), now)

    # What is said

    def _heard(self, payload: bytes, now: float) -> None:
        session = self.session
        assert session is not None
        sent = self._owner.sent.get(payload)
        if sent is None:
            self._owner.strange(session, payload)
        else:
            session.heard.append((sent, now))

    def _event(self, event: dict[str, object], now: float) -> None:
        session = self.session
        assert session is not None
        kind = event["type"]
        if kind == "message":
            self._heard(str(event["data"]).encode(), now)
        elif kind == "ok" and self.state is State.OPEN:
            number = event["id"]
            assert isinstance(number, int)
            session.sent[number].acked = now
        elif kind == "ok" and self.state is State.JOINING:
            self._opened(now)
        elif kind == "welcome":
            if self.kind is Kind.PUBLISHER:
                self._opened(now)
            else:
                self.state = State.JOINING
                text = f'{{"type":"join","id":-1,"room":"{self.room}"}}'
                self.send(frame(TEXT, text.encode()))
        elif kind == "gap":
            session.heard.append((Gap(), now))
        else:
            raise AssertionError(f"client {self.number} was told {event}")

    def publish(self, size: int, keep: Callable[[bytes, Sent], None]) -> None:
        """Publish one message of `size` bytes, unless much is unsent already."""
        session = self.session
        if session is None or not self.is_open or len(self._unsent) > _MOST_UNSENT:
            return
        number = len(session.sent)
        name = f"{self.room} {self.number}.{self._sessions} {number} "
        payload = name.ljust(size, "x")
        text = (
            f'{{"type":"publish","id":{number},"room":"{self.room}",'
            f'"data":"{payload}"}}'
        )
        sent = Sent(session, number, time.monotonic())
        session.sent.append(sent)
        keep(payload.encode(), sent)
        self.send(frame(TEXT, text.encode()))
