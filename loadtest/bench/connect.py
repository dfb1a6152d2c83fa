"""Opening many connections at once, as cheaply as Python can.

One epoll, many connects in flight, one read each: the answer to a fixed key is always
the same. On loopback a connect is over when the call returns, so the request goes out
right behind it; only where it is not, epoll tells when.
"""

import select
import socket
import struct
from collections.abc import Callable, Iterable

from hubbub.loadtest.bench.row import Invalid

_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_PATIENCE = 10.0
"""Seconds without any progress after which a run is given up."""
_RESET = struct.pack("ii", 1, 0)
"""Linger that ends a connection with a reset: no port stays taken for a minute."""
IN_FLIGHT = 128


def request(port: int, path: str) -> bytes:
    """Return the opening handshake for `path`."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {_KEY}\r\n\r\n"
    ).encode()


def connect(
    port: int,
    requests: Iterable[bytes],
    done: Callable[[int, socket.socket, bytes], None],
    in_flight: int = IN_FLIGHT,
    greeted: bool = False,
) -> None:
    """Open a connection for each of `requests` and read the answer to it.

    Args:
        port: where, on loopback.
        requests: what each sends; its place is its number.
        done: called with number, socket (non-blocking) and the answer.
        in_flight: how many are under way at a time.
        greeted: whether the server may speak right behind its answer.

    Raises:
        Invalid: a connection was refused or got no 101, or nothing came for 10 s.
    """
    address = ("127.0.0.1", port)
    epoll = select.epoll()
    open_now: dict[int, tuple[int, socket.socket, bytes]] = {}
    todo = enumerate(requests)
    more = True
    try:
        while more or open_now:
            while more and len(open_now) < in_flight:
                try:
                    number, data = next(todo)
                except StopIteration:
                    more = False
                    break
                made = socket.socket()
                made.setblocking(False)
                made.connect_ex(address)
                fd = made.fileno()
                open_now[fd] = number, made, data
                try:
                    made.send(data)
                    epoll.register(fd, select.EPOLLIN)
                except BlockingIOError:
                    epoll.register(fd, select.EPOLLOUT)
            events = epoll.poll(_PATIENCE, in_flight)
            if not events and open_now:
                raise Invalid(f"{len(open_now)} connects got no answer for 10 s")
            for fd, mask in events:
                number, made, data = open_now[fd]
                if mask & select.EPOLLOUT:
                    made.send(data)
                    epoll.modify(fd, select.EPOLLIN)
                    continue
                head = made.recv(4096)
                whole = b"\r\n\r\n" in head if greeted else head[-4:] == b"\r\n\r\n"
                if head[:13] != b"HTTP/1.1 101 " or not whole:
                    raise Invalid(f"a connect got {head[:60]!r}")
                del open_now[fd]
                epoll.unregister(fd)
                done(number, made, head)
    except OSError as error:
        raise Invalid(f"a connect failed: {error.strerror}") from error
    finally:
        epoll.close()
        for _, made, _ in open_now.values():
            made.close()


def upgrade(port: int, paths: Iterable[str]) -> list[socket.socket]:
    """Return a member of the room at each of `paths`, in this order.

    Raises:
        Invalid: as `connect`.
    """
    made: dict[int, socket.socket] = {}
    connect(
        port,
        (request(port, path) for path in paths),
        lambda number, sock, _: made.__setitem__(number, sock),
    )
    for sock in made.values():
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return [made[number] for number in range(len(made))]


def reset(sock: socket.socket) -> None:
    """End a connection with a reset: neither side keeps anything of it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    sock.close()
