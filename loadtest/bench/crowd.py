"""A crowd of plain members: drains what comes and counts it to the byte.

It decodes nothing and copies nothing: MSG_TRUNC on a stream lets the kernel discard
what was read (tcp(7)). A receiver must cost less than what it measures.
"""

import select
import socket
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from hubbub.loadtest.bench.row import Invalid, Late
from hubbub.server.websocket.frames import TEXT, encode_frame

MESSAGE = 100
"""Bytes of payload of every message."""
DELIVERED = encode_frame(TEXT, b"x" * MESSAGE)
"""What each member gets of one message."""
SPOKEN = bytes((0x81, 0x80 | MESSAGE)) + bytes(4) + b"x" * MESSAGE
"""What a speaker sends of one message: masked, with zeros."""
_BUFFER = bytearray(1 << 20)
_EVENTS = 1024
_PATIENCE = 10.0
_BEHIND = 0.02
_LATE = 0.1
"""How late a generator may end: this part of the time, or these seconds."""


class Crowd:
    """Sockets drained by one epoll loop; a context manager that closes them.

    Args:
        sockets: non-blocking TCP sockets.
        patience: seconds without a byte after which what is missing is lost.
        size: bytes that each member gets of one message.

    Attributes:
        sockets: those who listen.
        received: bytes drained so far.
        size: as given.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        patience: float = _PATIENCE,
        size: int = len(DELIVERED),
    ) -> None:
        self._patience = patience
        self.size = size
        self.received = 0
        self.sockets = sockets
        self._epoll = select.epoll()
        self._reads: dict[int, Callable[[bytearray, int, int], int]] = {}
        for member in sockets:
            self._reads[member.fileno()] = member.recv_into
            self._epoll.register(member.fileno(), select.EPOLLIN)

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._epoll.close()
        for member in self.sockets:
            member.close()

    def begin(self, start: float, rate: float) -> None:
        """Take note of a paced run: message n is due at `start` + n / `rate`.

        Nothing to do for who only counts; a crowd that times deliveries overrides it.
        """

    def drain(self, wait: float = 0.0) -> None:
        """Read what is there; if nothing is, wait up to `wait` seconds for it.

        Waits of less than a millisecond, which epoll does not know, are not made: who
        has something due by then asks again until it is.

        Raises:
            Invalid: somebody was closed.
        """
        # Poll rounds up: half a millisecond less is the whole number below `wait`.
        whole = int(wait * 1000)
        events = self._epoll.poll((whole - 0.5) / 1000 if whole else 0, _EVENTS)
        reads, discard = self._reads, socket.MSG_TRUNC
        try:
            for fd, _ in events:
                size = reads[fd](_BUFFER, 0, discard)
                if not size:
                    raise Invalid("the server closed a connection")
                self.received += size
        except OSError as error:
            raise Invalid(f"a connection was lost: {error.strerror}") from error

    def drain_until(self, due: float) -> None:
        """Read what comes until `due` (time.monotonic()), and at least once."""
        self.drain()
        while (left := due - time.monotonic()) > 0:
            self.drain(left)

    def drain_to(self, total: int) -> None:
        """Read until `total` bytes were received since the start, and no more.

        Raises:
            Invalid: nothing came for `patience` and bytes are missing, or more came.
        """
        while self.received < total:
            before = self.received
            self.drain(self._patience)
            if self.received == before:
                lost = (total - self.received) / self.size
                raise Invalid(f"{lost:.0f} deliveries were lost")
        if self.received > total:
            raise Invalid(f"{self.received - total} bytes came that nobody sent")


def speak(
    crowd: Crowd,
    speakers: Sequence[socket.socket],
    messages: int,
    rate: float,
    hearers: int,
    spoken: bytes = SPOKEN,
) -> None:
    """Let `speakers` say `messages` in turn, evenly over time, and drain all of it.

    Args:
        crowd: who hears.
        speakers: who speaks; each message is the next one's.
        messages: how many in all.
        rate: messages a second of all together.
        hearers: members that hear each message.
        spoken: the bytes of one message, as a speaker sends it.

    Raises:
        Late: the rate was not kept; all was heard nevertheless.
        Invalid: `drain_to` says so.
    """
    total = crowd.received + messages * hearers * crowd.size
    start = time.monotonic()
    crowd.begin(start, rate)
    for number in range(messages):
        speakers[number % len(speakers)].send(spoken)
        crowd.drain_until(start + (number + 1) / rate)
    took, meant = time.monotonic() - start, messages / rate
    crowd.drain_to(total)
    if took - meant > max(meant * _BEHIND, _LATE):
        kept = messages / took
        raise Late(f"the generator kept only {kept:.0f} of {rate:.0f} messages/s")
