"""Who accepts: credits, the queue that nobody serves, and running out of numbers."""

import os
import resource
import socket
from collections.abc import Iterator
from time import monotonic_ns

import pytest
import trio
import trio.testing

from hubbub.server.reactor.connection import Connection
from hubbub.server.reactor.listener import Listener, queue_length, slack
from hubbub.server.stats.layout import State
from hubbub.server.stats.scoreboard import Scoreboard
from hubbub.server.websocket.reader import RequestReader

from .conftest import Rig

SLOTS = 8
OWN = 3
BATCH = 16


class Door:
    """A listener of slot 3 among workers that only the scoreboard knows."""

    def __init__(self, rig: Rig, most: int = 10_000) -> None:
        self.rig = rig
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.socket.setblocking(False)
        self.address = self.socket.getsockname()
        self.board = Scoreboard.create(SLOTS)
        self.record = self.board.record(OWN, 1)
        self.adopted: list[int] = []
        self.callers: list[socket.socket] = []
        self.listener = Listener(
            self.socket,
            OWN,
            self.board,
            self.record,
            rig.reactor,
            most,
            self.adopted.append,
        )

    def worker(self, slot: int, connections: int, **words: int) -> None:
        """Let the scoreboard say something of another worker."""
        record = self.board.record(slot, 1)
        values = {"state": State.READY, "accepting": 1, "heartbeat": monotonic_ns()}
        record.publish({**values, "connections": connections, **words})

    def hold(self, connections: int) -> None:
        """Have so many connections."""
        c = Connection(-1, 0, RequestReader(self.rig.limits), 0.0)
        self.rig.reactor.connections = {-n - 2: c for n in range(connections)}

    def call(self, count: int = 1) -> None:
        """Connect, and wait until the kernel has queued it."""
        before = queue_length(self.socket)
        for _ in range(count):
            self.callers.append(socket.create_connection(self.address))
        while queue_length(self.socket) < before + count:
            pass

    def listening(self) -> int:
        return self.board.word(OWN, 1, "listening")

    def accepts(self) -> bool:
        """Return whether it takes who calls, having been woken up for it."""
        self.call()
        before = len(self.adopted)
        self.listener.start()
        self.rig.reactor.tick()
        return len(self.adopted) > before

    def end(self) -> None:
        self.listener.close()
        self.rig.reactor.connections = {}
        for caller in self.callers:
            caller.close()
        for number in self.adopted:
            os.close(number)
        os.close(self.board.fd)


@pytest.fixture
def door(rig: Rig) -> Iterator[Door]:
    door = Door(rig)
    yield door
    door.end()


# The queue


def test_the_length_of_the_queue_is_known(door: Door) -> None:
    assert queue_length(door.socket) == 0
    door.call(3)
    assert queue_length(door.socket) == 3
    door.socket.accept()[0].close()
    assert queue_length(door.socket) == 2


def test_a_batch_is_accepted_at_once(door: Door, rig: Rig) -> None:
    door.call(BATCH + 5)
    door.listener.start()
    door.listener.ready(1)
    assert len(door.adopted) == BATCH
    assert door.record.get("accepted") == BATCH
    door.listener.ready(1)
    assert len(door.adopted) == BATCH + 5
    assert not os.get_blocking(door.adopted[0])
    assert rig.counters.accept_pauses == 0


def test_a_queue_that_another_emptied_is_nothing(door: Door) -> None:
    door.listener.start()
    door.listener.ready(1)
    assert door.adopted == []
    assert door.listening()


# Credits


@pytest.mark.parametrize(
    ("mean", "above"), [(0, 8), (100, 8), (400, 8), (500, 10), (10_000, 200)]
)
def test_the_slack_is_eight_or_two_percent(mean: int, above: int) -> None:
    assert slack(mean) == above


def test_a_worker_alone_accepts_whatever_it_has(door: Door) -> None:
    door.hold(5000)
    assert door.accepts()


@pytest.mark.parametrize(
    ("own", "others", "accepts"),
    [
        (0, [0], True),
        (16, [0], True),
        (17, [0], False),
        (116, [100], True),
        (117, [100], False),
        (1041, [1000], False),
        (1040, [1000], True),
        (112, [100, 100, 100], False),
        (110, [100, 100, 100], True),
    ],
)
def test_who_stands_above_the_mean_leaves_it_to_the_others(
    door: Door, own: int, others: list[int], accepts: bool
) -> None:
    door.hold(own)
    for slot, connections in enumerate(others):
        door.worker(slot, connections)
    assert door.accepts() == accepts
    assert door.listening() == accepts


@pytest.mark.parametrize("less", range(8))
def test_only_the_four_with_the_least_listen(door: Door, less: int) -> None:
    door.hold(5)
    for slot in (0, 1, 2, 4, 5, 6, 7):
        door.worker(slot, 4 if less > 0 else 6)
        less -= 1
    fewer = sum(
        door.board.word(slot, 1, "connections") == 4 for slot in (0, 1, 2, 4, 5, 6, 7)
    )
    assert door.accepts() == (fewer < 4)


def test_equals_are_told_apart_by_their_slot(door: Door) -> None:
    door.hold(5)
    for slot in (0, 1, 2, 4, 5, 6):
        door.worker(slot, 5)
    assert door.accepts()  # Slots 0, 1, 2 and we.
    door.worker(4, 4)
    assert not door.accepts()


@pytest.mark.parametrize(
    "words",
    [
        {"accepting": 0},
        {"state": State.STARTING},
        {"state": State.DRAINING},
        {"heartbeat": 1},
        {"state": State.EMPTY},
    ],
    ids=str,
)
def test_who_does_not_accept_does_not_count(door: Door, words: dict[str, int]) -> None:
    door.hold(100)
    door.worker(0, 0)
    assert not door.accepts()
    door.worker(0, 0, **words)
    assert door.accepts()


def test_both_records_of_a_slot_count(door: Door) -> None:
    door.hold(100)
    door.worker(0, 100)
    assert door.accepts()
    door.board.record(0, 2).publish(
        {"state": State.READY, "accepting": 1, "heartbeat": monotonic_ns()}
    )
    assert not door.accepts()


# Looking from outside


async def test_who_left_listens_again_when_the_others_have_caught_up(
    door: Door, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    door.hold(100)
    door.worker(0, 0)
    assert not door.accepts()
    nursery.start_soon(door.listener.run)
    await trio.sleep(0.1)
    assert not door.listening()
    door.worker(0, 100)
    await trio.sleep(0.05)
    assert door.listening()
    door.rig.reactor.tick()
    assert len(door.adopted) > 0


async def test_a_queue_that_nobody_serves_is_served_by_who_sees_it(
    door: Door, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    door.hold(100)
    door.worker(0, 0)  # It should accept, but is stopped.
    assert not door.accepts()
    assert queue_length(door.socket) == 1
    nursery.start_soon(door.listener.run)
    await trio.sleep(0.004)
    assert door.adopted == []
    await trio.sleep(0.016)
    assert len(door.adopted) == 1
    assert not door.listening()


async def test_a_queue_that_moves_is_left_to_the_others_for_a_while(
    door: Door, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    door.hold(100)
    door.worker(0, 0)
    assert not door.accepts()
    nursery.start_soon(door.listener.run)
    await trio.sleep(0.0025)  # Between two looks from now on.
    for accepted in range(1, 9):
        door.worker(0, 0, accepted=accepted)
        await trio.sleep(0.005)
    assert door.adopted == []
    for accepted in range(9, 20):
        door.worker(0, 0, accepted=accepted)
        await trio.sleep(0.005)
    assert len(door.adopted) == 1


async def test_an_empty_queue_is_left_alone(
    door: Door, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    door.hold(100)
    door.worker(0, 0)
    assert not door.accepts()
    door.socket.accept()[0].close()
    nursery.start_soon(door.listener.run)
    await trio.sleep(0.2)
    assert door.adopted == []
    assert not door.listening()


# Limits


def test_who_is_full_accepts_no_more_and_pauses(rig: Rig) -> None:
    door = Door(rig, most=10)
    door.hold(10)
    door.call()
    door.listener.start()
    rig.reactor.tick()
    assert door.adopted == []
    assert rig.counters.accept_pauses == 1
    assert not door.listening()
    door.end()


def test_running_out_of_numbers_pauses_and_loses_nobody(door: Door, rig: Rig) -> None:
    door.call(2)
    door.listener.start()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.dup(0)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
    try:
        door.listener.ready(1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert door.adopted == []
    assert rig.counters.accept_pauses == 1
    assert queue_length(door.socket) == 2
    door.listener.ready(1)
    assert not door.listening()


# The end


def test_a_closed_listener_is_closed_for_good(door: Door) -> None:
    door.listener.start()
    assert door.record.get("accepting") == door.listening() == 1
    door.listener.close()
    door.listener.close()
    assert door.record.get("accepting") == door.listening() == 0
    assert door.rig.reactor.descriptors == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(door.address)


async def test_closing_while_it_looks_ends_the_look(
    door: Door, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    door.hold(100)
    door.worker(0, 0)
    assert not door.accepts()
    nursery.start_soon(door.listener.run)
    await trio.sleep(0.001)
    door.listener.close()
    await trio.sleep(0.1)
    assert door.adopted == []
