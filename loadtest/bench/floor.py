"""The floor: a process that does nothing but send() the same bytes.

What a delivery costs here is the kernel's share and a turn of a Python loop; no
server can avoid it. Started as `python -m hubbub.loadtest.bench.floor`, it prints its
port, then takes one JSON list a line, [name, argument, ...], and answers "done" when
it is done. `Floor` (at the end) is the side that asks.
"""

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from math import gcd
from types import TracebackType

from hubbub.loadtest.bench.machine import SERVED, cpu_seconds, pin, raise_file_limit
from hubbub.loadtest.bench.row import Invalid

_BACKLOG = 4096


class _Sender:
    """The child: sockets it accepted, and ways to send to them."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]

    def accept(self, count: int) -> None:
        """Accept `count` more sockets."""
        for _ in range(count):
            self._sockets.append(self._listener.accept()[0])

    def send(self, hearers: int, messages: int, rate: float, size: int) -> None:
        """Send messages evenly over time, each to the next `hearers` sockets.

        Args:
            hearers: sockets that get each message.
            messages: how many; groups take turns.
            rate: messages a second; 0 is as fast as the receiver takes them.
            size: bytes of one message.
        """
        numbers = [one.fileno() for one in self._sockets]
        ring = cycle(numbers)
        count = len(numbers) // gcd(len(numbers), hearers)
        groups = [list(islice(ring, hearers)) for _ in range(count)]
        data, write = b"x" * size, os.write
        start = time.monotonic()
        for message in range(messages):
            for number in groups[message % len(groups)]:
                write(number, data)
            if rate:
                left = start + (message + 1) / rate - time.monotonic()
                if left > 0:
                    time.sleep(left)

    def welcome(self, count: int, answer: str) -> None:
        """Accept `count` connections, read each one's request and answer it.

        The last one was answered when this returns; they stay open until `forget`.
        """
        epoll = select.epoll()
        listener = self._listener
        listener.setblocking(False)
        epoll.register(listener.fileno(), select.EPOLLIN)
        data = answer.encode()
        waiting: dict[int, socket.socket] = {}
        kept: list[socket.socket] = []
        while len(kept) < count:
            for fd, _ in epoll.poll():
                if fd in waiting:
                    one = waiting.pop(fd)
                    one.recv(4096)
                    one.send(data)
                    kept.append(one)
                    continue
                try:
                    for _ in range(16):
                        one = listener.accept()[0]
                        one.setblocking(False)
                        waiting[one.fileno()] = one
                        epoll.register(one.fileno(), select.EPOLLIN)
                except BlockingIOError:
                    pass
        listener.setblocking(True)
        self._kept = kept

    def forget(self) -> None:
        """Close what `welcome` kept."""
        for one in self._kept:
            one.close()


def main() -> None:
    """Be the floor until stdin ends."""
    raise_file_limit()
    sender = _Sender()
    print(sender.port, flush=True)
    calls: dict[str, Callable[..., None]] = {
        "accept": sender.accept,
        "send": sender.send,
        "welcome": sender.welcome,
        "forget": sender.forget,
    }
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        calls[name](*arguments)
        print("done", flush=True)


class Floor:
    """A running floor on the servers' CPU; a context manager that ends it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hubbub.loadtest.bench.floor"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: pin(SERVED),
        )
        self.port = int(self._line())

    def __enter__(self) -> "Floor":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A floor that still waits for a receiver would never read its stdin's end.
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def cpu_seconds(self) -> float:
        """Return the CPU time of the floor so far."""
        return cpu_seconds(self._process.pid)

    def ask(self, name: str, *arguments: object) -> None:
        """Start what `name` says; `finish` waits for its end."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()

    def finish(self) -> None:
        """Wait until what was asked last is done.

        Raises:
            Invalid: the floor failed.
        """
        self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Invalid("the floor failed")
        return line

    def connect(self, count: int) -> list[socket.socket]:
        """Return `count` sockets that the floor will send to, in its order."""
        self.ask("accept", count)
        made: Sequence[socket.socket] = [
            socket.create_connection(("127.0.0.1", self.port)) for _ in range(count)
        ]
        self.finish()
        for one in made:
            one.setblocking(False)
        return list(made)


if __name__ == "__main__":
    main()
