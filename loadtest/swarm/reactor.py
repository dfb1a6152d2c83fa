"""The reactor of mass clients: one epoll, plain calls, nothing per message but a check.

A receiver must cost as little as the kernel lets it, or it measures itself. What comes
is taken in the shape it is expected in, whole frames of the plan's size, with one
`iter_unpack` over all of a read; everything else goes a slower way.
"""

import errno
import os
import select
import socket
from collections.abc import Callable, Sequence
from struct import Struct
from time import monotonic_ns
from typing import Final

from hubbub.loadtest import message
from hubbub.loadtest.histogram import bucket
from hubbub.loadtest.swarm.client import Client, State
from hubbub.loadtest.swarm.dialer import Dialer
from hubbub.loadtest.swarm.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    BadFrame,
    cut,
    head_size,
    masked,
)
from hubbub.loadtest.swarm.tally import Tally

_READ: Final = 262144
_EVENTS: Final = 1024
_MOST_OUT: Final = 1 << 20
"""Bytes a client keeps that the kernel does not take; above, it says no more."""
_SAMPLE: Final = -64
"""Of so many messages one is looked into, where canaries look into each."""
_KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
_ACCEPT: Final = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
_HEAD_MOST: Final = 65536
_GOODBYE: Final = b"\x03\xe8"
"""Close code 1000."""
_AT_ONCE: Final = Struct("ii").pack(1, 0)
_IN: Final = select.EPOLLIN
_OUT: Final = select.EPOLLOUT

_recv_errors = (BlockingIOError, InterruptedError)


class Reactor:
    """Drives the clients of one process.

    Args:
        address: of the server.
        host: for the Host header.
        path: gives the path of a room's number.
        size: bytes of a message.
        tally: where everything is counted.
        gone: called with a client that has lost its connection, and why.
        left: called with one whose goodbye was answered, before it is renewed.
    """

    def __init__(
        self,
        address: tuple[str, int],
        host: str,
        path: Callable[[int], str],
        size: int,
        tally: Tally,
        gone: Callable[[Client, str], None],
        left: Callable[[Client], None] = lambda client: None,
    ) -> None:
        self._host = host
        self._path = path
        self._size = size
        self.tally = tally
        self._gone = gone
        self._left = left
        self._epoll = select.epoll()
        self._by_fd: dict[int, Client] = {}
        head = head_size(size)
        self._frame = Struct(f"<{head + 4}sIIQQQQI{size - message.SMALLEST}x")
        self._mark = masked(BINARY, bytes(size))[:head]
        self._mark = bytes((self._mark[0], self._mark[1] & 0x7F)) + self._mark[2:]
        self._mark += message.MAGIC
        self._dialer = Dialer(address)

    # Connecting

    def connect(self, client: Client) -> None:
        """Begin to connect; the join is answered when it is JOINED."""
        try:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        except OSError as failed:
            self.end(client, f"connect_{_named(failed)}")
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sock = sock
        client.began = monotonic_ns()
        client.state = State.CONNECTING
        error = self._dialer.connect(sock)
        if error not in (0, errno.EINPROGRESS):
            self.end(client, f"connect_{errno.errorcode.get(error, error)}")
            return
        self._by_fd[sock.fileno()] = client
        self._epoll.register(sock.fileno(), _OUT)

    def _ask(self, client: Client, sock: socket.socket) -> None:
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self.end(client, f"connect_{errno.errorcode.get(error, error)}")
            return
        request = (
            f"GET {self._path(client.room)} HTTP/1.1\r\nHost: {self._host}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {_KEY}\r\n\r\n"
        ).encode()
        try:
            sock.send(request)
        except OSError as failed:
            self.end(client, f"connect_{_named(failed)}")
            return
        client.state = State.UPGRADING
        self._epoll.modify(sock.fileno(), _IN)

    def _answered(self, client: Client, data: bytes, now: int) -> None:
        data = client.tail + data
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            client.tail = data
            if len(data) > _HEAD_MOST:
                self.end(client, "upgrade_endless")
            return
        client.tail = b""
        status = head.split(b" ", 2)[1:2]
        if status != [b"101"]:
            kind = status[0].decode("ascii", "replace") if status else "no_http"
            self.end(client, f"upgrade_{kind}")
        elif _ACCEPT not in head:
            self.end(client, "upgrade_not_accepted")
        else:
            client.state = State.JOINED
            client.joined = now
            self.tally.came(now)
            if rest:
                self._slowly(client, rest, now)

    # Speaking

    def speak(self, client: Client, due: int) -> None:
        """Say one message that was due at `due`, if the client can."""
        tally = self.tally
        if client.state != State.JOINED:
            return  # Who is away says nothing.
        if len(client.out) > _MOST_OUT:
            tally.error("unsaid")
            return
        now = monotonic_ns()
        client.number += 1
        if client.number == 1:
            client.spoke = now
        room, before = client.room, client.sent
        payload = message.encode(
            room, client.sender, client.number, due, now, before, self._size
        )
        client.sent = now
        tally.sent += 1
        tally.lag.counts[bucket((now - due) // 1000)] += 1
        self._write(client, masked(BINARY, payload))

    def ask(self, client: Client) -> None:
        """Ping: once the pong is there, all that was said before has been taken."""
        client.asked = True
        self._write(client, masked(PING, b""))

    def _write(self, client: Client, data: bytes) -> None:
        sock = client.sock
        assert sock is not None
        if client.out:
            client.out += data
            return
        try:
            sent = sock.send(data)
        except _recv_errors:
            sent = 0
        except OSError as error:
            self.end(client, f"send_{_named(error)}")
            return
        if sent < len(data):
            client.out = data[sent:]
            self._epoll.modify(sock.fileno(), _IN | _OUT)

    def _writable(self, client: Client) -> None:
        sock, data, client.out = client.sock, client.out, b""
        assert sock is not None
        self._epoll.modify(sock.fileno(), 0 if client.asleep else _IN)
        if data:
            self._write(client, data)

    # Hearing

    def wait(self, seconds: float) -> None:
        """Handle what is ready; wait up to `seconds` for it, to the microsecond.

        epoll_wait(2) counts in milliseconds, and a message that is due in a fraction
        of one is not to be late: select(2) on the epoll's own number does not round.
        """
        if 0 < seconds < 0.001:
            select.select((self._epoll,), (), (), seconds)
            seconds = 0
        by_fd = self._by_fd
        for fd, mask in self._epoll.poll(int(seconds * 1000) / 1000, _EVENTS):
            client = by_fd.get(fd)
            if client is None:
                continue
            if client.state == State.CONNECTING:
                assert client.sock is not None
                self._ask(client, client.sock)
                continue
            if mask & _OUT:
                self._writable(client)
            if mask != _OUT and client.sock is not None:
                self._readable(client, fd)

    def _readable(self, client: Client, fd: int) -> None:
        if client.asleep:
            # epoll tells of an end whether it is asked to or not.
            self.end(client, "ended_asleep")
            return
        try:
            data = os.read(fd, _READ)
        except _recv_errors:
            return
        except OSError as error:
            self.end(client, f"lost_{_named(error)}")
            return
        now = monotonic_ns()
        if not data:
            self.end(client, "lost")
        elif client.state == State.UPGRADING:
            self._answered(client, data, now)
        elif client.tail or len(data) % self._frame.size:
            self._slowly(client, client.tail + data, now)
        else:
            self._quickly(client, data, now)

    def _quickly(self, client: Client, data: bytes, now: int) -> None:
        """Take a read that should be whole messages of the plan's size."""
        mark, here, last = self._mark, client.room, client.last
        tally, counts = self.tally, self.tally.latency.counts
        taken = looked_into = 0
        for begin, room, sender, number, due, _, _, _ in self._frame.iter_unpack(data):
            if begin != mark:
                tally.received += taken
                self._slowly(client, data[taken * self._frame.size :], now)
                return
            taken += 1
            if room == here and last.get(sender) == number - 1:
                last[sender] = number
            else:
                end = taken * self._frame.size
                payload = data[end - self._size : end]
                # Counted below with all the others; not if it does not count.
                tally.received -= not tally.ledger.take(
                    client, payload, self._size, now
                )
                looked_into = taken
            us = (now - due) // 1000
            counts[us if 0 <= us < 256 else bucket(us)] += 1
        before = tally.received
        tally.received = before + taken
        if (before ^ tally.received) & _SAMPLE and looked_into < taken:
            tally.ledger.look(client, data[-self._size :], now)

    def _slowly(self, client: Client, data: bytes, now: int) -> None:
        """Take bytes that may be anything."""
        size = self._frame.size
        whole = len(data) - len(data) % size
        if whole and all(
            data[at : at + len(self._mark)] == self._mark
            for at in range(0, whole, size)
        ):
            # A large batch seldom ends where a read does.
            self._quickly(client, data[:whole], now)
            data = data[whole:]
        try:
            frames, client.tail = cut(data)
        except BadFrame:
            self.end(client, "bad_frame")
            return
        for opcode, payload in frames:
            if client.state < State.JOINED:
                return
            if opcode == BINARY:
                self._heard(client, payload, now)
            elif opcode == PING:
                self._write(client, masked(PONG, payload))
            elif opcode == PONG:
                client.asked = False
            elif opcode == CLOSE and client.state == State.LEAVING:
                self._left(client)
                self._forget(client)
            elif opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big") if payload else 1005
                self.end(client, f"closed_{code}")
            elif opcode != PONG:
                what = f"{client.name} heard opcode {opcode}"
                self.tally.ledger.add("corrupted", client.room, 0, 0, now, what)

    def _heard(self, client: Client, payload: bytes, now: int) -> None:
        """Take one message; here is time to look at its content, too."""
        if self.tally.ledger.take(client, payload, self._size, now):
            self.tally.received += 1
            due = message.due(payload)
            self.tally.latency.counts[bucket((now - due) // 1000)] += 1

    # Ending

    def sleep(self, client: Client) -> None:
        """Stop reading: a slow consumer."""
        client.asleep = True
        if client.sock is not None:
            self._epoll.modify(client.sock.fileno(), 0)

    def leave(self, client: Client) -> None:
        """Say goodbye; the server's answer ends the membership."""
        self.tally.went()
        client.state = State.LEAVING
        client.began = monotonic_ns()
        self._write(client, masked(CLOSE, _GOODBYE))

    def cut(self, client: Client, reset: bool) -> None:
        """End a connection without a goodbye.

        Args:
            reset: with RST, as when a machine forgets it; False: with FIN, as when a
                process is killed.
        """
        if reset and client.sock is not None:
            # linux/socket.h: struct linger, on, for 0 s.
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._forget(client)

    def end(self, client: Client, why: str) -> None:
        """End a connection that failed, and say why."""
        if client.state == State.LEAVING:
            why = "goodbye_unanswered"
        elif client.state == State.UPGRADING and why.startswith("lost"):
            why = "upgrade_lost"  # It was never let in.
        self._forget(client)
        self._gone(client, why)

    def _forget(self, client: Client) -> None:
        if client.state == State.JOINED:
            self.tally.went()
        sock = client.sock
        if sock is not None:
            if self._by_fd.pop(sock.fileno(), None) is not None:
                self._epoll.unregister(sock.fileno())
            sock.close()
        self.tally.ledger.forget(client)
        client.renew()

    def close(self, clients: Sequence[Client]) -> None:
        """End all connections and the reactor."""
        for client in clients:
            if client.state == State.JOINED and client.sock is not None:
                try:
                    client.sock.send(masked(CLOSE, _GOODBYE))
                except OSError:
                    pass  # It is leaving in any case.
            self._forget(client)
        self._epoll.close()


def _named(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "failed")
