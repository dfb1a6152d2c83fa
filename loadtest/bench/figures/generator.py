"""What the load test's mass clients cost to receive, beside a bare loop of read().

Both receive the same messages of the same room from the same cluster; the bare loop
only waits and reads. One message a read is the dearest case, a batch a read what a
room under load sends.
"""

import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

from hubbub.loadtest import message
from hubbub.loadtest.bench.cluster import UNLIMITED, Cluster, serve
from hubbub.loadtest.bench.connect import upgrade
from hubbub.loadtest.bench.row import Invalid, Options, Row, Target, in_turns, middle
from hubbub.loadtest.bench.sides import Speakers
from hubbub.loadtest.swarm.client import Client, Seat
from hubbub.loadtest.swarm.frames import BINARY, head_size, masked
from hubbub.loadtest.swarm.reactor import Reactor
from hubbub.loadtest.swarm.tally import Tally

_MEMBERS = 1000
_SIZE = 100
_READ = 262144
_SENDER = (1 << 20) - 1
_PATIENCE = 10.0
_RATE = 60.0
"""Messages a second that come one a read."""
_JOINED = 300
"""Messages said at once, which come in one read."""


class _Speaker:
    """Says numbered messages, as a client of the load test does.

    Args:
        sock: a member of the room.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._number = self._sent = 0

    def say(self, count: int) -> None:
        """Say so many messages with one send."""
        frames = []
        for _ in range(count):
            self._number += 1
            now = time.monotonic_ns()
            frames.append(
                masked(
                    BINARY,
                    message.encode(
                        0, _SENDER, self._number, now, now, self._sent, _SIZE
                    ),
                )
            )
            self._sent = now
        self._sock.send(b"".join(frames))


class _Bare:
    """A loop that waits and reads, and does nothing with it."""

    def __init__(self, cluster: Cluster, members: int) -> None:
        self._sockets = upgrade(cluster.port, ["/rooms/bench.0"] * members)
        self._epoll = select.epoll()
        for one in self._sockets:
            self._epoll.register(one.fileno(), select.EPOLLIN)
        self._reads = {one.fileno(): one.recv for one in self._sockets}
        self._bytes = 0

    @property
    def received(self) -> int:
        """Messages received so far."""
        return self._bytes // (_SIZE + head_size(_SIZE))

    def wait(self, seconds: float) -> None:
        """Read what is there, or comes within `seconds`."""
        for fd, _ in self._epoll.poll(int(seconds * 1000) / 1000, 1024):
            self._bytes += len(self._reads[fd](_READ))

    def close(self) -> None:
        """End all connections."""
        self._epoll.close()
        for one in self._sockets:
            one.close()


class _Mass:
    """The load test's own clients."""

    def __init__(self, cluster: Cluster, members: int) -> None:
        self._tally = Tally()
        self._gone: list[str] = []
        self._reactor = Reactor(
            ("127.0.0.1", cluster.port),
            "127.0.0.1",
            lambda room: f"/rooms/bench.{room}",
            _SIZE,
            self._tally,
            lambda client, why: self._gone.append(why),
        )
        self.clients = [Client(Seat(name, 0)) for name in range(members)]
        for client in self.clients:
            self._reactor.connect(client)
            self._reactor.wait(0)
        end = time.monotonic() + _PATIENCE
        while self._tally.connected < members:
            if self._gone or time.monotonic() > end:
                raise Invalid(f"clients did not connect: {self._gone[:1]}")
            self._reactor.wait(0.1)

    @property
    def received(self) -> int:
        """Messages received so far, each checked."""
        if self._gone or any(self._tally.ledger.counts.values()):
            raise Invalid(f"{self._gone[:1]} {self._tally.ledger.first[:1]}")
        return self._tally.received

    def wait(self, seconds: float) -> None:
        """Handle what is there, or comes within `seconds`."""
        self._reactor.wait(seconds)

    def close(self) -> None:
        """End all connections."""
        self._reactor.close(self.clients)


def _cost(
    receiver: _Bare | _Mass, speaker: _Speaker, members: int, said: Sequence[int]
) -> float:
    """Return µs of CPU a received message.

    Args:
        receiver: who is measured; this process's CPU time is its own.
        speaker: who speaks.
        members: how many hear each message.
        said: messages said at once, one after the other when all have the last, and
            at most _RATE times a second.
    """
    total = receiver.received
    before, due = time.process_time(), time.monotonic()
    spoken = 0.0
    for count in said:
        began = time.process_time()
        speaker.say(count)
        spoken += time.process_time() - began
        total += count * members
        due = max(due + 1 / _RATE, time.monotonic())
        while (left := due - time.monotonic()) > 0:
            receiver.wait(left if left >= 0.001 else 0)
        end = time.monotonic() + _PATIENCE
        while receiver.received < total:
            receiver.wait(0.1)
            if time.monotonic() > end:
                raise Invalid(f"{total - receiver.received} messages were lost")
    used = time.process_time() - before - spoken
    return used / (sum(said) * members) * 1e6


def measure(options: Options) -> list[Row]:
    """Return both rows: one message a read, and many."""
    return list(_rows(options))


def _rows(options: Options) -> Iterator[Row]:
    members = options.sized(_MEMBERS)
    turns = max(1, round(options.seconds * _RATE))
    kinds = (("generator", 1, turns), ("generator.joined", _JOINED, turns // 8 + 1))
    for name, at_once, count in kinds:
        said = [at_once] * count
        with (
            serve(*UNLIMITED) as cluster,
            Speakers(upgrade(cluster.port, ["/rooms/bench.0"])) as speakers,
        ):
            speaker = _Speaker(speakers[0])

            def side(
                kind: type[_Bare] | type[_Mass],
                cluster: Cluster = cluster,
                speaker: _Speaker = speaker,
                said: Sequence[int] = said,
            ) -> float:
                with closing(kind(cluster, members)) as receiver:
                    return _cost(receiver, speaker, members, said)

            rounds = in_turns(options.rounds, lambda: side(_Bare), lambda: side(_Mass))
        cost = middle(rounds, 1)
        yield Row(
            name=name,
            what=f"{members} mass clients, {at_once} messages a read, each checked",
            unit="µs CPU/received",
            floor=middle(rounds, 0),
            hubbub=cost,
            beside="a loop of epoll and recv() that looks at nothing",
            target=Target("ratio", at_most=1.5)
            if at_once == 1
            else Target("received_cpu_s", at_least=1_000_000),
            more={"received_cpu_s": 1e6 / cost},
            rounds=rounds,
        )
