"""The supervisor's end of a channel: JSON datagrams, with descriptors, never blocking.

A channel is a SOCK_SEQPACKET pair: it keeps message borders and order, and its end of
file says that the other process is gone. What the other side does not read waits here,
bounded; the owner of a channel that overflows has a process that does not listen.
"""

import errno
import json
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from hubbub.supervisor.loop import READ, WRITE, Loop

Message = dict[str, object]

BACKLOG: Final = 256
"""Messages that may wait for the other side to read."""
LARGEST: Final = 64 * 1024
"""Largest message taken, bytes."""
BATCH: Final = 64
"""Messages read in one turn: a flood must not keep the loop from the others."""
PASSING: Final = (errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM)
"""What is tried again: a big cluster starts, and too many descriptors are in flight
until the workers have read; or the kernel has no memory at this moment."""


class Nonsense(ValueError):
    """What came is not a message."""


class Channel:
    """One channel, watched by the loop from `watch` on.

    Args:
        end: the supervisor's end; it is owned.
        loop: where it is watched.
    """

    def __init__(self, end: socket.socket, loop: Loop) -> None:
        end.setblocking(False)
        self._socket = end
        self._loop = loop
        self._waiting: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self.ended = False
        """Whether the other side has closed it."""
        self.closed = False
        """Whether we have closed it."""
        self._jammed = False
        self._writing = False

    def watch(self, readable: Callable[[], None]) -> None:
        """Call `readable` when there is something to `receive`."""

        def ready(events: int) -> None:
            if events & WRITE and not self.closed:
                self._flush()
            if events & ~WRITE and not self.closed:
                readable()

        self._loop.add(self._socket.fileno(), READ, ready)

    def send(self, message: Message, fds: tuple[int, ...] = ()) -> bool:
        """Send a message, now or when the other side has read.

        Args:
            message: what to say.
            fds: descriptors to pass; they are owned from here on, whatever happens.

        Returns:
            False if the other side does not read: the message is lost.
        """
        if self.closed or self.ended:
            _close_all(fds)  # its process is going; that is seen elsewhere
            return True
        if self._jammed or len(self._waiting) >= BACKLOG:
            _close_all(fds)
            return False
        self._waiting.append((json.dumps(message).encode(), fds))
        if len(self._waiting) == 1:
            self._flush()
        return not self._jammed

    def _flush(self) -> None:
        """Send what waits, as far as it goes."""
        while self._waiting:
            data, fds = self._waiting[0]
            try:
                if fds:
                    socket.send_fds(self._socket, [data], fds)
                else:
                    self._socket.send(data)
            except BlockingIOError:
                break
            except ConnectionError:
                self._drop()
                break
            except OSError as error:
                if error.errno in PASSING:
                    # The loop turns fast meanwhile.
                    break
                # What was said to the other side has a hole now.
                self._jammed = True
                self._drop()
                break
            self._waiting.popleft()
            _close_all(fds)
        if self._writing != bool(self._waiting):
            self._writing = bool(self._waiting)
            events = READ | WRITE if self._writing else READ
            self._loop.change(self._socket.fileno(), events)

    def receive(self) -> Iterator[Message]:
        """Yield the messages that are there, at most a batch; notes the end.

        Raises:
            Nonsense: the next one is none; those before it count.
        """
        for _ in range(BATCH):
            if self.closed:
                break
            try:
                data = self._socket.recv(LARGEST + 1)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.ended = True
                self._loop.remove(self._socket.fileno())
                break
            yield _parse(data)

    def close(self) -> None:
        """Close it; the other side sees its end."""
        if not self.closed:
            self.closed = True
            self._loop.remove(self._socket.fileno())
            self._drop()
            self._socket.close()

    def _drop(self) -> None:
        for _, fds in self._waiting:
            _close_all(fds)
        self._waiting.clear()


def pair() -> tuple[socket.socket, socket.socket]:
    """Make the two ends of a channel."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _parse(data: bytes) -> Message:
    try:
        message = json.loads(data) if len(data) <= LARGEST else None
    except ValueError as error:
        raise Nonsense("a message is not JSON") from error
    except RecursionError as error:
        raise Nonsense("a message is nested too deep") from error
    if not isinstance(message, dict):
        raise Nonsense("a message is not an object")
    return message


def _close_all(fds: tuple[int, ...]) -> None:
    for fd in fds:
        os.close(fd)
