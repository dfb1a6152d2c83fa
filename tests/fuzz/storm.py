"""Many fuzzed clients at once, in a process of its own.

`python -m tests.fuzz.storm --port N --kind frames --count 1000` opens connections,
writes what `attempt` makes up, ends its side and reads to the end; the last line it
prints is a JSON object, an `Outcome`. It is a process so that the crowd of a scenario
keeps its interpreter to itself.
"""

import argparse
import json
import select
import socket
import subprocess
import sys
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import msgpack

from tests.e2e.raw import BINARY, CLOSE, PING, PONG, TEXT
from tests.fuzz.attempt import CUT, KINDS, Attempt
from tests.fuzz.seed import SEED, random_of, replay

_READ = 1 << 18
_MOST_SAMPLES = 10
_ADDRESSES = 100
"""Loopback addresses that connections come from, so that ports do not run out."""
PATIENCE = 10.0
"""Seconds after which an unanswered connection is given up, and counted."""


@dataclass
class Outcome:
    """What became of all connections."""

    count: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    """How many by HTTP status, close code, "cut", "reset" or "unanswered"."""
    refused: int = 0
    """Those that were answered with an HTTP status of 400 or more."""
    slowest: float = 0.0
    """Longest time from the last byte we wrote to the end, seconds."""
    wrong: list[str] = field(default_factory=list)
    """Examples of what should not be, with how to have them again."""
    wrongs: int = 0
    heard: int = 0
    """Messages that fuzzed clients had from each other, all of them well-formed."""

    def blame(self, attempt: Attempt, number: int, why: str) -> None:
        self.wrongs += 1
        if len(self.wrong) < _MOST_SAMPLES:
            self.wrong.append(f"{attempt.name}: {why}; {replay(number)}")


class _Client:
    """One connection, from connect to its end."""

    def __init__(self, attempt: Attempt, number: int, port: int) -> None:
        self.attempt = attempt
        self.number = number
        self.unsent = list(attempt.pieces)
        self.data = b""
        self.since = time.monotonic()
        self.waiting = True
        """For the answer to the handshake, before it writes frames."""
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.bind((f"127.0.1.{1 + number % _ADDRESSES}", 0))
        self.socket.connect_ex(("127.0.0.1", port))
        self.broken = False

    def write(self) -> bool:
        """Write a piece; return whether there is more to write now."""
        if self.unsent and not self.broken:
            piece = self.unsent[0]
            try:
                sent = self.socket.send(piece)
            except BlockingIOError:
                return True
            except OSError:
                self.broken = True  # Refused already; what it said can be read.
                self.unsent.clear()
                return False
            self.unsent[0] = piece[sent:]
            if not self.unsent[0]:
                del self.unsent[0]
            if self.attempt.dialect and self.waiting and sent == len(piece):
                return False  # Frames come after the answer.
        if self.unsent:
            return True
        if not self.broken:
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                self.broken = True
        self.since = time.monotonic()
        return False


class Storm:
    """Runs attempts, some at a time.

    Args:
        port: of the server on loopback.
        kind: a key of `attempt.KINDS`.
        count: how many.
        at_once: connections at a time.
        seed: of the run.
    """

    def __init__(
        self, port: int, kind: str, count: int, at_once: int, seed: str
    ) -> None:
        self.outcome = Outcome(count)
        self._port = port
        self._kind = kind
        self._at_once = at_once
        self._seed = seed
        self._next = 0
        self._epoll = select.epoll()
        self._clients: dict[int, _Client] = {}

    def run(self) -> Outcome:
        count = self.outcome.count
        while self._next < count or self._clients:
            while self._next < count and len(self._clients) < self._at_once:
                self._begin()
            for number, mask in self._epoll.poll(1.0, self._at_once):
                client = self._clients[number]
                if mask & ~select.EPOLLOUT:
                    self._read(client)
                if mask & select.EPOLLOUT and number in self._clients:
                    self._write(client)
            self._give_up()
        return self.outcome

    def _begin(self) -> None:
        number, self._next = self._next, self._next + 1
        attempt = KINDS[self._kind](random_of(self._kind, number, self._seed))
        client = _Client(attempt, number, self._port)
        fd = client.socket.fileno()
        self._clients[fd] = client
        self._epoll.register(fd, select.EPOLLIN | select.EPOLLOUT)

    def _write(self, client: _Client) -> None:
        if not client.write():
            self._epoll.modify(client.socket.fileno(), select.EPOLLIN)

    def _read(self, client: _Client) -> None:
        try:
            data = client.socket.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            self._end(client, reset=True)
            return
        if not data:
            self._end(client)
            return
        client.data += data
        if client.waiting and b"\r\n\r\n" in client.data:
            client.waiting = False
            if client.attempt.dialect:
                self._epoll.modify(
                    client.socket.fileno(), select.EPOLLIN | select.EPOLLOUT
                )

    def _give_up(self) -> None:
        late = time.monotonic() - PATIENCE
        for client in list(self._clients.values()):
            if client.since < late:
                self._end(client, unanswered=True)

    def _end(
        self, client: _Client, reset: bool = False, unanswered: bool = False
    ) -> None:
        fd = client.socket.fileno()
        self._epoll.unregister(fd)
        del self._clients[fd]
        client.socket.close()
        outcome, attempt = self.outcome, client.attempt
        outcome.slowest = max(outcome.slowest, time.monotonic() - client.since)
        end: object
        if unanswered:
            end = "unanswered"
        elif reset and not client.data:
            end = "reset"
        else:
            end = self._judge(client)
        if isinstance(end, int) and 400 <= end < 600:
            outcome.refused += 1
        outcome.ends[str(end)] += 1
        if end not in attempt.ends:
            wanted = ", ".join(sorted(map(str, attempt.ends)))
            outcome.blame(attempt, client.number, f"{end} instead of {wanted}")

    def _judge(self, client: _Client) -> object:
        """Return how a connection ended; blame what it was told."""
        if not client.data:
            return CUT
        head, found, rest = client.data.partition(b"\r\n\r\n")
        attempt = client.attempt
        if not found or not head.startswith(b"HTTP/1.1 "):
            self.outcome.blame(attempt, client.number, f"answer {client.data[:60]!r}")
            return "strange"
        status = int(head[9:12])
        if not attempt.dialect:
            return status
        try:
            end, heard = judge_frames(rest, attempt)
        except Exception as error:
            # Whatever a strict reader takes offence at is what we look for.
            self.outcome.blame(attempt, client.number, f"heard {error!r}")
            return "strange"
        self.outcome.heard += heard
        return end


def judge_frames(data: bytes, attempt: Attempt) -> tuple[object, int]:
    """Read what a server sent, as strictly as any client.

    Returns:
        The close code, or CUT; and how many messages came before.

    Raises:
        Exception: a client would have failed on it.
    """
    at, heard = 0, 0
    while len(data) - at >= 2:
        first, size, start = data[at], data[at + 1], at + 2
        if size > 125:
            width = 2 if size == 126 else 8
            size = int.from_bytes(data[start : start + width], "big")
            start += width
        if start + size > len(data):
            break  # We were cut off in the middle, having ended our side.
        payload = data[start : start + size]
        at = start + size
        assert first & 0xB0 == 0x80, "fragmented, or a reserved bit is set"
        if first & 0x40:
            assert attempt.deflate, "compressed, and nobody asked for it"
            payload = _inflate(payload)
        opcode = first & 15
        if opcode == CLOSE:
            assert at == len(data), "something came after the close frame"
            payload[2:].decode()
            return int.from_bytes(payload[:2], "big") if payload else 1005, heard
        assert opcode in (TEXT, BINARY, PING, PONG), f"opcode {opcode}"
        if opcode > BINARY:
            continue
        heard += 1
        if opcode == TEXT:
            payload.decode()
        if attempt.dialect == "json":
            assert opcode == TEXT
            assert "type" in json.loads(payload, parse_constant=_refuse)
        elif attempt.dialect == "msgpack":
            assert opcode == BINARY
            assert "type" in msgpack.unpackb(payload, strict_map_key=True)
    return CUT, heard


def _inflate(data: bytes) -> bytes:
    state = zlib.decompressobj(-15)
    found = state.decompress(data + b"\x00\x00\xff\xff")
    assert not state.unused_data, "something came after the compressed message"
    return found


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def start(
    port: int, kind: str, count: int, at_once: int = 50, seed: str = SEED
) -> subprocess.Popen[str]:
    """Start a storm as a process; see `finish`."""
    values = {"port": port, "kind": kind, "count": count, "at-once": at_once}
    flags = [word for name, value in values.items() for word in (f"--{name}", value)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.storm", *map(str, flags), "--seed", seed],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def finish(process: subprocess.Popen[str]) -> Outcome:
    """Return the outcome of a storm that has ended or is about to."""
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    found = json.loads(out.splitlines()[-1])
    return Outcome(**found | {"ends": Counter(found["ends"])})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--seed", default=SEED)
    chosen = parser.parse_args()
    storm = Storm(chosen.port, chosen.kind, chosen.count, chosen.at_once, chosen.seed)
    print(json.dumps(vars(storm.run())))


if __name__ == "__main__":
    main()
