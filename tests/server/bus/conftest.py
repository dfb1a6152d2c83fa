"""Workers of one process: real meshes and reactors, real socketpairs, no rooms' I/O."""

import os
import socket
from collections.abc import Callable, Iterator

import pytest

from hubbub.server.bus.mesh import Mesh
from hubbub.server.dialects.message import Kind, Message
from hubbub.server.reactor.connection import Connection
from hubbub.server.reactor.reactor import Reactor
from hubbub.server.rooms.hub import Hub
from hubbub.server.stats.counters import Counters
from hubbub.server.stats.interest import Interest, room_bit
from hubbub.settings import Limits

CLUSTER = "0123456789abcdef"
LIMIT = 64 * 1024
"""Most unsent bytes of a link here."""

Event = tuple[str, str]
"""(room, text), or (room, "GAP") where members are told of a gap."""


class Ear(Hub):
    """A hub that keeps what the mesh says, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Event] = []

    def publish(self, name: str, message: Message, author: object) -> None:
        self.heard.append((name, message.payload.decode(errors="replace")))


class NoClients:
    """The reactor's other half, where there are only links."""

    full = False
    handlers = ()

    def __init__(self, end_tick: Callable[[], None] = lambda: None) -> None:
        self._end_tick = end_tick

    def flush(self, deadline: float) -> bool:
        self._end_tick()
        return False

    def open(self, connection: Connection, data: bytes) -> None:
        raise AssertionError

    def leave_all(self, connection: Connection) -> None:
        raise AssertionError


class Worker:
    """One worker: its slot, its ear and what it tells the supervisor."""

    def __init__(self, fd: int, slot: int, generation: int, message: int) -> None:
        self.slot = slot
        self.generation = generation
        self.interest = Interest(fd)
        self.interest.claim(slot, generation)
        self.counters = Counters()
        self.hub = Ear()
        self.lost: list[tuple[int, int, str, int]] = []
        self.gaps = [0]
        """How many messages were missed by each time a room was told."""
        self.reported: list[BaseException] = []
        self.reactor = Reactor(Limits(), self.counters, self.reported.append)
        self.mesh = Mesh(
            slot,
            generation,
            CLUSTER,
            message,
            LIMIT,
            self.reactor,
            self.hub,
            self.interest,
            self.tell_gap,
            lambda *loss: self.lost.append(loss),
        )
        other = NoClients(self.mesh.flush)
        self.reactor.attach(other, other)

    def tell_gap(self, room: str) -> None:
        self.hub.heard.append((room, "GAP"))
        self.gaps.append(self.counters.bus_gaps)

    def tick(self) -> None:
        while self.reactor.tick():
            pass

    def want(self, *rooms: str) -> None:
        """Have members of these rooms."""
        for room in rooms:
            self.interest.add(self.slot, room_bit(room))

    def say(self, text: str, room: str = "lobby") -> None:
        """Publish to the bus; it goes out with the next tick."""
        message = Message(Kind.TEXT, text.encode(), "m")
        self.mesh.publish(room_bit(room), room, message)

    def heard(self) -> list[str]:
        """Return what was heard since the last call, of all rooms."""
        events, self.hub.heard = self.hub.heard, []
        return [text for _, text in events]

    def end(self) -> None:
        """Die: the kernel closes what is ours."""
        for fd in list(self.reactor._sources):
            self.reactor.unwatch(fd)
            os.close(fd)


class World:
    """A cluster's workers and the shared memory between them."""

    def __init__(self, slots: int) -> None:
        self.interest = Interest.create(slots)
        self.workers: dict[int, Worker] = {}
        self._ends: list[socket.socket] = []

    def start(self, slot: int, generation: int = 1, message: int = 65536) -> Worker:
        worker = Worker(self.interest.fd, slot, generation, message)
        self.workers[slot] = worker
        return worker

    def pair(self) -> tuple[int, int]:
        """Return both ends of a fresh link with small kernel buffers."""
        ends = socket.socketpair()
        for end in ends:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        return ends[0].detach(), ends[1].detach()

    def link(self, a: Worker, b: Worker) -> None:
        """Hand both a fresh pair, as the supervisor does."""
        one, other = self.pair()
        a.mesh.connect(b.slot, b.generation, one)
        b.mesh.connect(a.slot, a.generation, other)

    def raw(self, worker: Worker, slot: int, generation: int = 1) -> socket.socket:
        """Link `worker` with a test that speaks for the worker in `slot`."""
        one, other = self.pair()
        worker.mesh.connect(slot, generation, one)
        end = socket.socket(fileno=other)
        end.settimeout(0.0)
        self._ends.append(end)
        return end

    def kill(self, worker: Worker) -> None:
        """Let a worker die and the supervisor wipe its interest."""
        worker.end()
        self.interest.wipe(worker.slot)
        del self.workers[worker.slot]

    def settle(self) -> None:
        """Let everybody tick until there is nothing left to say."""
        for _ in range(20):
            for worker in self.workers.values():
                worker.tick()

    def end(self) -> None:
        for worker in self.workers.values():
            worker.end()
        for end in self._ends:
            end.close()
        os.close(self.interest.fd)


@pytest.fixture
def make_world() -> Iterator[Callable[[int], World]]:
    worlds: list[World] = []

    def make(slots: int) -> World:
        worlds.append(World(slots))
        return worlds[-1]

    yield make
    for world in worlds:
        world.end()


@pytest.fixture
def world(make_world: Callable[[int], World]) -> World:
    return make_world(3)


@pytest.fixture
def two(world: World) -> tuple[Worker, Worker]:
    """Two workers that both have members of the lobby, not linked yet."""
    a, b = world.start(0), world.start(1)
    a.want("lobby")
    b.want("lobby")
    return a, b
