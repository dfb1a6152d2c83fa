"""Bytes waiting to be written to one socket, from the moment the kernel says no."""

import os
from collections import deque

_MOST_CHUNKS = 64
"""Chunks of one writev(2); IOV_MAX is 1024, a socket takes far less at once."""


class Outbox:
    """References to shared bytes, in order.

    Attributes:
        size: unsent bytes.
        moved: when bytes last moved, in the reactor's time.
        ending: nothing is taken any more; when the outbox is empty the connection is
            shut down for writing.
        pong: the payload of the latest ping that came meanwhile: pongs are collapsed
            here, so that they never queue (RFC 6455 section 5.5.3 allows it).
    """

    __slots__ = ("_chunks", "_offset", "ending", "moved", "pong", "size")

    def __init__(self, now: float) -> None:
        self._chunks: deque[bytes] = deque()
        self._offset = 0
        self.size = 0
        self.moved = now
        self.ending = False
        self.pong: bytes | None = None

    def push(self, data: bytes, sent: int = 0) -> None:
        """Append `data`, of which `sent` bytes are already gone (first chunk only)."""
        if not self._chunks:
            self._offset = sent
        self._chunks.append(data)
        self.size += len(data) - sent

    def write(self, fd: int) -> int:
        """Write what the kernel takes now; return how many bytes that was.

        Raises:
            BlockingIOError: it takes nothing.
            OSError: the connection is broken.
        """
        chunks = self._chunks
        batch: list[bytes | memoryview] = [
            chunks[i] for i in range(min(len(chunks), _MOST_CHUNKS))
        ]
        if self._offset:
            batch[0] = memoryview(chunks[0])[self._offset :]
        sent = os.writev(fd, batch)
        left = sent + self._offset
        while chunks and left >= len(chunks[0]):
            left -= len(chunks.popleft())
        self._offset = left
        self.size -= sent
        return sent

    def cut(self) -> int:
        """Drop all but the chunk that is partly sent; return the bytes dropped.

        What was begun must be finished, or the close frame would land inside it.
        """
        before = self.size
        first = self._chunks[0] if self._offset else None
        self._chunks.clear()
        self.size = 0
        if first is not None:
            offset, self._offset = self._offset, 0
            self.push(first, offset)
        return before - self.size


SEALED = Outbox(0.0)
"""The outbox of every connection that takes no more data."""
SEALED.ending = True
