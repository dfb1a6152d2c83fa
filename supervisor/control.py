"""The control socket: newline-delimited JSON, a request and its answer.

`{"type": "status"}` → the snapshot; `{"type": "stop"}` → drains everybody and ends;
`{"type": "fault", …}` → breaks a worker, where faults are allowed. Whatever is wrong is
answered with `{"error": sentence}`.

It can never hold up the loop: connections, requests, answers and idle time are bounded,
every read and write takes what there is. Only this user (and root) is answered. Who
connects and says nothing is in nobody's way: the newest comes in for the oldest.
"""

import errno
import json
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hubbub.supervisor.loop import READ, WRITE, Loop

Request = dict[str, object]
Answer = dict[str, object]

CONNECTIONS: Final = 16
"""Connections at a time."""
REQUEST: Final = 64 * 1024
"""Longest request, bytes."""
IDLE: Final = 5.0
"""How long a connection may take for its next step, seconds."""
PAUSE: Final = 0.2
"""How long nobody is accepted when descriptors have run out, seconds."""

SHORT: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What accept(2) says when something has run out that may come back."""


class Control:
    """The listening control socket and its connections.

    Args:
        path: where it is made; nothing is there.
        loop: where it is watched.
        answer: called with each request; what it returns is sent.
        clock: monotonic time, seconds.
    """

    def __init__(
        self,
        path: Path,
        loop: Loop,
        answer: Callable[[Request], Answer],
        clock: Callable[[], float],
    ) -> None:
        self._loop = loop
        self._answer = answer
        self._clock = clock
        self._connections: set[_Connection] = set()
        self._accepts_at: float | None = None
        """When accepting goes on, seconds; None: it does."""
        self.refused = 0
        """Connections of other users."""
        self.displaced = 0
        """Connections that had to go for a newer one."""
        self._socket = socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK
        )
        before = os.umask(0o177)  # mode 0600 from the first moment
        try:
            self._socket.bind(str(path))
        finally:
            os.umask(before)
        self._socket.listen(CONNECTIONS)
        loop.add(self._socket.fileno(), READ, self._accept)

    def tick(self, now: float) -> None:
        """Close connections that have been idle for too long; accept again."""
        if self._accepts_at is not None and now >= self._accepts_at:
            self._accepts_at = None
            self._loop.add(self._socket.fileno(), READ, self._accept)
        for connection in list(self._connections):
            if now - connection.moved_at >= IDLE:
                self.drop(connection)

    def _accept(self, events: int) -> None:
        try:
            accepted, _ = self._socket.accept()
        except OSError as error:
            if error.errno in SHORT:
                # It stays readable: without a pause the loop would turn for nothing.
                self._loop.remove(self._socket.fileno())
                self._accepts_at = self._clock() + PAUSE
            return
        if _uid(accepted) not in (0, os.geteuid()):
            self.refused += 1
            accepted.close()
            return
        if len(self._connections) >= CONNECTIONS:
            self.displaced += 1
            # Whoever waits for the rest of an answer last.
            self.drop(min(self._connections, key=lambda c: (c.owed, c.moved_at)))
        try:
            connection = _Connection(accepted, self, self._loop, self._clock())
        except OSError:
            accepted.close()
            return
        self._connections.add(connection)

    def reply(self, line: bytes) -> bytes:
        """Return the answer to one line."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _encode({"error": "the request is not JSON"})
        if not isinstance(request, dict):
            return _encode({"error": "a request is a JSON object"})
        return _encode(self._answer(request))

    def drop(self, connection: "_Connection") -> None:
        """Close one connection."""
        self._connections.discard(connection)
        connection.close()

    def now(self) -> float:
        """Return monotonic time, seconds."""
        return self._clock()

    def close(self) -> None:
        """Close everything; the file stays for the run directory to remove."""
        for connection in list(self._connections):
            self.drop(connection)
        self._loop.remove(self._socket.fileno())
        self._socket.close()


class _Connection:
    """One connection: reads requests, and nothing more while an answer is unsent."""

    def __init__(
        self, accepted: socket.socket, control: Control, loop: Loop, now: float
    ) -> None:
        accepted.setblocking(False)
        self._socket = accepted
        self._control = control
        self._loop = loop
        self._input = b""
        self._output = b""
        self._last = False
        self.moved_at = now
        loop.add(accepted.fileno(), READ, self._ready)

    @property
    def owed(self) -> bool:
        """Whether it has not taken all of an answer."""
        return bool(self._output)

    def _ready(self, events: int) -> None:
        try:
            if not self._output:
                data = self._socket.recv(REQUEST)
                if not data:
                    self._control.drop(self)
                    return
                self._input += data
            self._turn()
        except BlockingIOError:
            return
        except OSError:
            self._control.drop(self)

    def _turn(self) -> None:
        """Answer what is complete, as long as the answers are taken."""
        self.moved_at = self._control.now()
        while True:
            if self._output:
                self._output = self._output[self._socket.send(self._output) :]
                if self._output:
                    self._loop.change(self._socket.fileno(), WRITE)
                    return
                self._loop.change(self._socket.fileno(), READ)
            if self._last:
                self._control.drop(self)
                return
            line, end, rest = self._input.partition(b"\n")
            if len(line) > REQUEST:
                self._output = _encode({"error": "the request is too long"})
                self._last = True
            elif end:
                self._input = rest
                self._output = self._control.reply(line)
            else:
                return

    def close(self) -> None:
        self._loop.remove(self._socket.fileno())
        self._socket.close()


def _encode(answer: Answer) -> bytes:
    return json.dumps(answer).encode() + b"\n"


def _uid(connection: socket.socket) -> int:
    """Return whose process is at the other end (SO_PEERCRED)."""
    size = struct.calcsize("3i")
    facts = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int(struct.unpack("3i", facts)[1])
