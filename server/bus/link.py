"""A link: the socket to one other worker, and what waits to be written to it.

Reading never waits for anything. Writing is bounded: over the limit the link is cut,
and what was not sent is counted by room, so that the peer's members can be told.
A cut ends only our writing; what the peer has sent is read to its end.
"""

import os
import select
import socket
from collections import deque
from collections.abc import Iterable
from typing import Protocol, cast

from hubbub.server.bus.wire import (
    GAP,
    PUBLISH,
    Body,
    BusError,
    FrameReader,
    decode_frame,
)
from hubbub.server.reactor.reactor import Reactor

_READ = 256 * 1024
_WRITE = 256 * 1024
"""Bytes joined for one write: more than a socket takes, much less than may wait."""
_TEAR = 0.5
"""Longest time that tearing waits for a peer to read, seconds."""
_OUT = select.EPOLLOUT
_IN = select.EPOLLIN


class Missed:
    """Frames that a peer will not get, counted and by room.

    Attributes:
        frames: how many.
        rooms: of which rooms; None once there were too many to name.
    """

    def __init__(self, most_rooms: int) -> None:
        self.frames = 0
        self.rooms: set[str] | None = set()
        self._most = most_rooms

    def add(self, frames: Iterable[bytes]) -> int:
        """Count the messages in `frames`; return how many are missed for the first
        time. A GAP that did not get out is told again, with its own count."""
        messages = 0
        for frame in frames:
            kind, fields = decode_frame(frame)
            if kind == PUBLISH:
                messages += 1
                self._count(1, [str(fields[0])])
            elif kind == GAP:
                count, rooms = cast("tuple[int, list[str] | None]", fields)
                self._count(count, rooms)
        return messages

    def _count(self, frames: int, rooms: list[str] | None) -> None:
        self.frames += frames
        if self.rooms is None or rooms is None:
            self.rooms = None
            return
        self.rooms.update(rooms)
        if len(self.rooms) > self._most:
            self.rooms = None


class Receiver(Protocol):
    """Who gets what a link brings: the mesh."""

    def receive(self, link: "Link", kind: int, fields: Body) -> None:
        """Take one frame."""

    def lost(self, link: "Link", reason: str, torn: bool = False) -> None:
        """The link is closed; `link.unsent()` has what did not get out.

        `torn`: some of what the peer sent could not be read.
        """


class Link:
    """One end of the socket between two workers.

    Attributes:
        slot: the peer's slot.
        generation: the peer's generation.
        open: whether the peer's hello has come: it reads what we send from now on.
        greeted: whether ours is on its way: nothing else may go before it.
        blocked: whether the kernel has said no: the reactor tells when to go on.
        size: bytes that wait.
    """

    def __init__(
        self,
        fd: int,
        slot: int,
        generation: int,
        reactor: Reactor,
        receiver: Receiver,
        most_frame: int,
    ) -> None:
        self.fd = fd
        self.slot = slot
        self.generation = generation
        self.open = False
        self.greeted = False
        self.blocked = False
        self.size = 0
        self._frames: deque[bytes] = deque()
        self._offset = 0
        self._reader = FrameReader(most_frame)
        self._reactor = reactor
        self._receiver = receiver
        self._ended = False
        os.set_blocking(fd, False)
        reactor.watch(fd, self)

    def ready(self, mask: int) -> None:
        """Read and write what can be."""
        if mask & _OUT and self.fd >= 0:
            self.write()
        if mask & ~_OUT and self.fd >= 0:
            self._read()

    def _read(self) -> None:
        try:
            data = os.read(self.fd, _READ)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(f"broken: {error.strerror}")
            return
        if not data:
            self.write()
            self.close("ended by the peer")
            return
        try:
            for kind, fields in self._reader.feed(data):
                self._receiver.receive(self, kind, fields)
        except BusError as error:
            self.close(f"bad frame: {error}", torn=True)

    def push(self, frames: list[bytes]) -> None:
        """Append frames; they are written by the next `write`."""
        self._frames += frames
        self.size += sum(map(len, frames))

    def write(self) -> None:
        """Write what the kernel takes now."""
        frames = self._frames
        if not frames or self.fd < 0 or self._ended:
            return
        data = frames[0] if len(frames) == 1 else b"".join(self._first())
        try:
            sent = os.write(
                self.fd, memoryview(data)[self._offset :] if self._offset else data
            )
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.close(f"broken: {error.strerror}")
            return
        self.size -= sent
        self._reactor.counters.bus_bytes += sent
        left = self._offset + sent
        while frames and left >= len(frames[0]):
            left -= len(frames.popleft())
        self._offset = left
        if self.blocked != bool(frames):
            self.blocked = bool(frames)
            self._reactor.watch(self.fd, self, _IN | _OUT if frames else _IN)

    def _first(self) -> Iterable[bytes]:
        """Return the frames of the next write.

        Not all of a backlog: joining megabytes for a peer that takes a few hundred
        kilobytes at a time would cost us what it costs the peer.
        """
        if self.size <= _WRITE:
            return self._frames
        first: list[bytes] = []
        size = -self._offset
        for frame in self._frames:
            first.append(frame)
            size += len(frame)
            if size >= _WRITE:
                break
        return first

    def unsent(self) -> list[bytes]:
        """Take back the frames that the peer has not got whole."""
        frames = list(self._frames)
        self._frames.clear()
        self._offset = self.size = 0
        return frames

    def tear(self, part: bytes) -> None:
        """Write what waits and then `part`; a peer that does not read in time gets
        less. Nothing may be written here afterwards."""
        data = b"".join(self._frames)[self._offset :] + part
        # Sending with a timeout is a socket's; the number stays ours.
        handle = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, self.fd)
        try:
            handle.settimeout(_TEAR)
            handle.sendall(data)
        except OSError:
            pass  # It is gone or stuck, and its part torn off somewhere else.
        finally:
            handle.detach()

    def cut(self) -> list[bytes]:
        """End our writing; return what was not sent. The peer's bytes are still read
        until it ends its side too."""
        self._ended = True
        handle = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, self.fd)
        try:
            handle.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It is ended already, which is what was wanted.
        finally:
            handle.detach()
        self._reactor.watch(self.fd, self, _IN)
        return self.unsent()

    def close(self, reason: str, torn: bool = False) -> None:
        """Close the socket and tell the mesh."""
        if self.fd < 0:
            return
        self._reactor.unwatch(self.fd)
        os.close(self.fd)
        self.fd = -1
        self.open = False
        self._receiver.lost(self, reason, torn)
