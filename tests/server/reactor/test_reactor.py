"""One connection after another, some of them at the wrong moment."""

import os
import socket
from collections.abc import Iterator
from time import monotonic

import pytest
import trio

from hubbub.codes import Close
from hubbub.server.reactor.connection import Connection, Phase
from hubbub.server.reactor.outbox import SEALED
from hubbub.server.reactor.reactor import BUDGET, Reactor
from hubbub.server.websocket.decoder import MOST_EVENTS

from .conftest import Client, Rig, masked

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def keep(rig: Rig) -> list[tuple[Connection, int, bytes]]:
    """Return a list that messages are appended to as they are received."""
    got: list[tuple[Connection, int, bytes]] = []
    rig.receiving = lambda c, events: got.extend((c, *event) for event in events)
    return got


# Reading


def test_messages_of_one_read_are_received_together(rig: Rig) -> None:
    got = keep(rig)
    client = rig.client()
    client.send(masked(TEXT, b"one") + masked(BINARY, b"two"))
    before = monotonic()
    rig.reactor.tick()
    assert got == [(client.c, TEXT, b"one"), (client.c, BINARY, b"two")]
    assert before <= client.c.seen <= rig.reactor.now


def test_bytes_of_an_opening_connection_go_to_its_handshake(rig: Rig) -> None:
    opened: list[bytes] = []
    rig.opening = lambda c, data: opened.append(data)
    client = rig.client(phase=Phase.OPENING)
    client.send(b"GET")
    rig.reactor.tick()
    client.send(b" / HTTP/1.1")
    rig.reactor.tick()
    assert opened == [b"GET", b" / HTTP/1.1"]


def test_a_client_that_ends_is_gone(rig: Rig) -> None:
    client = rig.client("lobby")
    number = client.c.fd
    client.end.close()
    rig.reactor.tick()
    assert client.c.phase == Phase.CLOSED
    assert client.c.fd == -1
    assert rig.reactor.connections == {}
    assert rig.hub.rooms == {}
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_a_reset_is_an_end(rig: Rig) -> None:
    client = rig.tcp_client("lobby")
    client.send(masked(TEXT, b"x"))
    client.end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.end.close()
    rig.settle()
    assert client.c.phase == Phase.CLOSED
    assert rig.reported == []


def test_malformed_input_ends_with_its_code_after_what_came_before(rig: Rig) -> None:
    got = keep(rig)
    client = rig.client("lobby")
    client.send(masked(TEXT, b"good") + b"\x81\x04oops")
    rig.settle()
    assert [payload for _, _, payload in got] == [b"good"]
    assert client.close_code() == Close.PROTOCOL_ERROR
    assert client.ended
    assert rig.counters.protocol_errors == 1
    assert rig.hub.rooms == {}


# A batch of events in which one has consequences for another


def batch(rig: Rig, count: int) -> list[Client]:
    """Return clients whose messages come in one batch, in their order."""
    clients = [rig.client("lobby") for _ in range(count)]
    for number, client in enumerate(clients):
        client.send(masked(TEXT, b"%d" % number))
    return clients


def test_an_event_of_a_connection_closed_by_another_is_stale(rig: Rig) -> None:
    got: list[bytes] = []

    def receive(c: Connection, events: list[tuple[int, bytes]]) -> None:
        got.append(events[0][1])
        if c is clients[0].c:
            rig.reactor.drop(clients[1].c)
            rig.reactor.close(clients[2].c, Close.GOING_AWAY)

    clients = batch(rig, 4)
    rig.receiving = receive
    rig.reactor.tick()
    assert got == [b"0", b"3"]
    assert clients[1].read() == b""
    assert clients[1].ended
    assert clients[2].close_code() == Close.GOING_AWAY
    assert rig.reported == []


class Newcomers:
    """A listener: with every event it takes a new connection."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.near, self.far = socket.socketpair()
        self.numbers: list[int] = []
        rig.reactor.watch(self.near.fileno(), self)
        self.far.send(b"!")

    def ready(self, mask: int) -> None:
        self.near.recv(1)
        self.numbers.append(self.rig.client(phase=Phase.OPENING).c.fd)

    def close(self) -> None:
        self.rig.reactor.unwatch(self.near.fileno())
        self.near.close()
        self.far.close()


@pytest.fixture
def no_gaps() -> Iterator[None]:
    """Use up the small numbers: the kernel gives out the smallest that is free."""
    taken = [os.open(os.devnull, os.O_RDONLY)]
    highest = max(map(int, os.listdir("/proc/self/fd")))
    while taken[-1] < highest:
        taken.append(os.open(os.devnull, os.O_RDONLY))
    yield
    for number in taken:
        os.close(number)


@pytest.mark.usefixtures("no_gaps")
def test_a_number_is_not_used_again_while_events_of_the_batch_remain(rig: Rig) -> None:
    def receive(c: Connection, events: list[tuple[int, bytes]]) -> None:
        assert c is first.c
        numbers.append(last.c.fd)
        rig.reactor.drop(last.c)

    numbers: list[int] = []
    rig.receiving = receive
    first, last = rig.client(), rig.client()
    first.send(masked(TEXT, b"x"))
    newcomers = Newcomers(rig)
    last.send(masked(TEXT, b"y"))
    # In one batch: first, the listener, last.
    rig.reactor.tick()
    assert len(newcomers.numbers) == len(numbers) == 1
    assert newcomers.numbers != numbers
    assert rig.reported == []
    # Afterwards it is free.
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(numbers[0])
    newcomers.close()


def test_a_source_may_be_taken_out_by_another(rig: Rig) -> None:
    client = rig.client()
    client.send(masked(TEXT, b"x"))
    newcomers = Newcomers(rig)
    rig.receiving = lambda c, events: rig.reactor.unwatch(newcomers.near.fileno())
    rig.reactor.tick()
    assert newcomers.numbers == []
    newcomers.close()


def test_closing_twice_says_goodbye_once(rig: Rig) -> None:
    client = rig.client("lobby")
    for code in (Close.GOING_AWAY, Close.RESTART):
        rig.reactor.close(client.c, code)
    rig.reactor.answer_close(client.c, b"\x03\xe8")
    rig.reactor.drop(client.c)
    rig.reactor.drop(client.c)
    rig.reactor.send(client.c, b"late")
    rig.reactor.pong(client.c, b"late")
    rig.reactor.close_numbers()
    assert [frame[1][:2] for frame in client.frames()] == [b"\x03\xe9"]
    assert SEALED.size == 0


def test_a_close_frame_after_the_connection_broke_is_nothing(rig: Rig) -> None:
    """An echo fails, and the same read had the client's close frame in it."""

    def receive(c: Connection, events: list[tuple[int, bytes]]) -> None:
        rig.reactor.send(c, b"echo")
        rig.reactor.answer_close(c, b"\x03\xe8")

    rig.receiving = receive
    client = rig.client()
    client.send(masked(TEXT, b"x") + masked(CLOSE, b"\x03\xe8"))
    client.end.close()
    rig.reactor.tick()
    assert client.c.phase == Phase.CLOSED
    assert SEALED.size == rig.counters.outbox_bytes == 0
    assert rig.reported == []


@pytest.mark.parametrize("phase", [Phase.OPENING, Phase.OPEN])
def test_an_exception_costs_one_connection(rig: Rig, phase: Phase) -> None:
    def fail(c: Connection, data: object) -> None:
        if c is bad.c:
            raise ZeroDivisionError
        got.append(c)

    got: list[Connection] = []
    rig.opening = rig.receiving = fail
    before, bad, after = (rig.client(phase=phase) for _ in range(3))
    for client in (before, bad, after):
        client.send(masked(TEXT, b"x"))
    rig.settle()
    assert got == [before.c, after.c]
    assert [type(error) for error in rig.reported] == [ZeroDivisionError]
    assert rig.counters.errors == 1
    if phase == Phase.OPEN:
        assert bad.close_code() == Close.INTERNAL
    assert bad.read() == b""
    assert bad.ended
    assert not before.read()
    assert not before.ended


def test_an_exception_in_ending_its_memberships_costs_one_connection(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: Connection) -> None:
        raise ZeroDivisionError

    client, other = rig.client(), rig.client()
    got = keep(rig)
    client.end.close()
    other.send(masked(TEXT, b"x"))
    with monkeypatch.context() as patch:
        patch.setattr(rig, "leave_all", fail)
        rig.reactor.tick()
    assert client.c.phase == Phase.CLOSED
    assert len(rig.reported) == 2
    assert len(got) == 1


def test_running_out_of_memory_is_not_one_connections_matter(rig: Rig) -> None:
    def fail(c: Connection, events: object) -> None:
        raise MemoryError

    rig.receiving = fail
    client = rig.client()
    client.send(masked(TEXT, b"x"))
    with pytest.raises(MemoryError):
        rig.reactor.tick()


class FullAfter:
    """A flush that must come after every few reads."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.read = 0

    @property
    def full(self) -> bool:
        return self.read >= self.most

    def flush(self, deadline: float) -> bool:
        self.read = 0
        return False


def test_those_who_say_much_do_not_keep_others_from_being_read(rig: Rig) -> None:
    """Rooms are full again after two reads; all have more than one read to say."""
    flush = FullAfter(2)
    rig.reactor.attach(rig, flush)
    order: list[int] = []

    def receive(c: Connection, data: bytes) -> None:
        flush.read += 1
        order.append(c.serial)

    rig.opening = receive
    clients = [rig.client(phase=Phase.OPENING) for _ in range(7)]
    for client in clients:
        client.send(b"x" * 150_000)
    while len(order) < 14:
        rig.reactor.tick()
    assert sorted(order[:7]) == list(range(7))
    assert sorted(order[7:14]) == list(range(7))


def test_a_batch_that_takes_long_is_broken_off_and_goes_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sockets full of tiny frames: seconds of plain calls, were all read at once."""
    clock = 0.0
    monkeypatch.setattr("hubbub.server.reactor.reactor.monotonic", lambda: clock)
    order: list[int] = []

    def receive(c: Connection, data: bytes) -> None:
        nonlocal clock
        clock += 0.6 * BUDGET
        order.append(c.serial)

    rig.opening = receive
    for client in [rig.client(phase=Phase.OPENING) for _ in range(6)]:
        client.send(b"x" * 150_000)
    for read in (2, 4, 6):
        # At the end of a batch the kernel knows who has more to say.
        assert rig.reactor.tick() == (read < 6)
        assert len(order) == read
    assert sorted(order) == list(range(6))
    rig.settle()


MANY = 3 * MOST_EVENTS + 7


def test_who_says_very_much_at_once_takes_turns_with_the_others(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And all of it is received, in order, though the client has gone since."""
    clock = 0.0
    monkeypatch.setattr("hubbub.server.reactor.reactor.monotonic", lambda: clock)
    got: list[tuple[Connection, list[bytes]]] = []

    def receive(c: Connection, events: list[tuple[int, bytes]]) -> None:
        nonlocal clock
        clock += BUDGET
        got.append((c, [payload for _, payload in events]))

    rig.receiving = receive
    talker, other = rig.client(), rig.client()
    texts = [b"%d" % number for number in range(MANY)]
    talker.send(b"".join(masked(TEXT, text) for text in texts))
    talker.end.close()
    for _ in range(3):
        other.send(masked(TEXT, b"o"))
        assert rig.reactor.tick()
        assert rig.reactor.tick()
    rig.settle()
    assert [c for c, _ in got[:6]].count(other.c) == 3
    assert [one for c, said in got if c is talker.c for one in said] == texts
    assert talker.c.phase == Phase.CLOSED


def test_what_waits_of_a_closed_connection_is_dropped(rig: Rig) -> None:
    got: list[bytes] = []

    def receive(c: Connection, events: list[tuple[int, bytes]]) -> None:
        got.extend(payload for _, payload in events)
        rig.reactor.close(c, Close.POLICY)

    rig.receiving = receive
    client = rig.client()
    client.send(masked(TEXT, b"x") * MANY)
    rig.settle()
    assert len(got) == MOST_EVENTS
    assert client.close_code() == Close.POLICY


def test_numbers_are_kept_while_a_batch_waits_for_its_flush(rig: Rig) -> None:
    flush = FullAfter(1)
    rig.reactor.attach(rig, flush)
    read: list[int] = []

    def receive(c: Connection, data: bytes) -> None:
        flush.read += 1
        read.append(c.serial)
        if len(read) == 1:
            rig.reactor.drop(rig.clients[2].c)

    rig.opening = receive
    clients = [rig.client(phase=Phase.OPENING) for _ in range(4)]
    for client in clients:
        client.send(b"x")
    rig.settle()
    assert read == [0, 1, 3]
    # Nothing of the batch is left, so the number has been given back.
    assert clients[2].read() == b""
    assert clients[2].ended


# The loop


async def test_the_reactor_wakes_up_for_its_sockets(
    rig: Rig, nursery: trio.Nursery
) -> None:
    event = trio.Event()
    rig.receiving = lambda c, events: event.set()
    nursery.start_soon(rig.reactor.run)
    client = rig.client()
    client.send(masked(TEXT, b"x"))
    with trio.fail_after(5):
        await event.wait()


async def test_waiting_for_the_last_connection_to_end(rig: Rig) -> None:
    clients = [rig.client(), rig.client()]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.reactor.wait_empty)
        await trio.testing.wait_all_tasks_blocked()
        rig.reactor.drop(clients[0].c)
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks
        rig.reactor.drop(clients[1].c)


def test_descriptors_are_counted(rig: Rig) -> None:
    rig.client()
    newcomers = Newcomers(rig)
    assert isinstance(rig.reactor, Reactor)
    assert rig.reactor.descriptors == 2
    newcomers.close()
    assert rig.reactor.descriptors == 1
