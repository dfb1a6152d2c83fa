"""Deadlines of connections, judged at times that the test names."""

import os
from collections.abc import Iterator

import pytest
import trio

from hubbub.codes import Close
from hubbub.server.dialects.encoder import Encoder
from hubbub.server.reactor.connection import Phase
from hubbub.server.reactor.session import Sessions
from hubbub.server.reactor.sweep import LATE, LENIENT, PERIOD, Sweep
from hubbub.server.stats.interest import Interest
from hubbub.server.websocket.frames import encode_frame
from hubbub.settings import Settings

from .conftest import Client, Rig, masked

SETTINGS = Settings()
LIMITS, HEARTBEAT = SETTINGS.limits, SETTINGS.heartbeat
TEXT, BINARY, PING, PONG = 1, 2, 9, 10
A_BIT = 0.01
UPGRADE = (
    b"GET /rooms/lobby HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Swept(Rig):
    """A rig with real sessions and a sweep."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refused: list[int] = []
        self.interest = Interest.create(1)
        self.sessions = Sessions(
            SETTINGS,
            0,
            1,
            "test",
            100,
            self.reactor,
            self.hub,
            self.interest,
            self.bus,
            self.fanout,
            Encoder(256),
            lambda status, reason: self.refused.append(status),
            lambda: False,
        )
        self.reactor.attach(self.sessions, self.fanout)
        self.sweep = Sweep(self.reactor, self.sessions, SETTINGS)

    def member(self) -> Client:
        """Return a plain member of the lobby that has come in by the front door."""
        client = self.client(phase=Phase.OPENING)
        client.send(UPGRADE)
        self.reactor.tick()
        assert client.read().startswith(b"HTTP/1.1 101 ")
        client.data = b""
        return client

    def judge(self, client: Client, now: float) -> None:
        self.sweep.judge(client.c, now)

    def hear(self, client: Client, data: bytes, now: float) -> None:
        """Let bytes of a client come at a time."""
        client.send(data)
        self.reactor.tick()
        client.c.seen = now

    def end(self) -> None:
        super().end()
        os.close(self.interest.fd)


@pytest.fixture
def rig() -> Iterator[Swept]:
    rig = Swept()
    yield rig
    rig.end()


# The opening handshake


def test_who_does_not_finish_its_request_is_refused(rig: Swept) -> None:
    client = rig.client(phase=Phase.OPENING)
    start = client.c.seen
    rig.hear(client, b"GET / HT", start)
    rig.judge(client, start + LIMITS.handshake)
    assert client.c.phase == Phase.OPENING
    rig.judge(client, start + LIMITS.handshake + A_BIT)
    assert client.read().startswith(b"HTTP/1.1 408 ")
    assert client.ended
    assert rig.refused == [408]
    assert rig.counters.refused == 1


def test_dripping_does_not_extend_the_handshake(rig: Swept) -> None:
    client = rig.client(phase=Phase.OPENING)
    start = client.c.seen
    for at, byte in enumerate(b"GET /ws"):
        client.send(bytes([byte]))
        rig.reactor.tick()
        rig.judge(client, start + at * LIMITS.handshake / 6)
    assert client.c.seen == start
    rig.judge(client, start + LIMITS.handshake + A_BIT)
    assert client.read().startswith(b"HTTP/1.1 408 ")


# Closing


@pytest.mark.parametrize("ended", [True, False])
def test_who_does_not_end_its_side_is_dropped(rig: Swept, ended: bool) -> None:
    """`ended`: our side has been shut down, because the close frame is out."""
    client = rig.member()
    if not ended:
        rig.reactor.send(client.c, encode_frame(BINARY, b"x" * 100_000))
    rig.reactor.close(client.c, Close.GOING_AWAY)
    deadline = client.c.seen
    rig.judge(client, deadline)
    assert client.c.phase == Phase.CLOSING
    rig.judge(client, deadline + A_BIT)
    assert client.c.phase == Phase.CLOSED
    assert rig.counters.outbox_bytes == 0


# Silence


def test_the_silent_are_asked_once_and_then_closed(rig: Swept) -> None:
    client = rig.member()
    start = client.c.seen
    rig.judge(client, start + HEARTBEAT.interval)
    assert client.frames() == []
    asked = start + HEARTBEAT.interval + A_BIT
    rig.judge(client, asked)
    rig.judge(client, asked + PERIOD)
    assert client.frames() == [(PING, b"")]
    rig.judge(client, asked + HEARTBEAT.timeout)
    assert client.c.phase == Phase.OPEN
    rig.judge(client, asked + HEARTBEAT.timeout + A_BIT)
    assert client.close_code() == Close.INTERNAL
    assert rig.counters.silent == 1
    assert rig.hub.rooms == {}


@pytest.mark.parametrize("answer", [masked(PONG, b""), masked(TEXT, b"x"), b"\x81"])
def test_any_byte_is_a_sign_of_life(rig: Swept, answer: bytes) -> None:
    client = rig.member()
    now = client.c.seen
    for _ in range(3):
        asked = now + HEARTBEAT.interval + A_BIT
        rig.judge(client, asked)
        assert client.frames() == [(PING, b"")]
        now = asked + HEARTBEAT.timeout - A_BIT
        rig.hear(client, answer, now)
        rig.judge(client, asked + HEARTBEAT.timeout + A_BIT)
        assert client.c.phase == Phase.OPEN
        if answer == b"\x81":
            break
    assert rig.counters.silent == 0


def test_an_answer_and_a_long_silence_between_two_looks_is_a_new_silence(
    rig: Swept,
) -> None:
    client = rig.member()
    now = client.c.seen + HEARTBEAT.interval + A_BIT
    rig.judge(client, now)
    rig.hear(client, masked(PONG, b""), now + A_BIT)
    # The sweep comes very late.
    now += HEARTBEAT.interval + HEARTBEAT.timeout + 1
    rig.judge(client, now)
    assert client.c.phase == Phase.OPEN
    assert client.frames() == [(PING, b"")] * 2
    rig.judge(client, now + HEARTBEAT.timeout + A_BIT)
    assert client.close_code() == Close.INTERNAL


# Slow consumers


def stall(rig: Swept) -> Client:
    """Return a client with unsent bytes that gives signs of life."""
    client = rig.member()
    rig.reactor.send(client.c, encode_frame(BINARY, b"x" * 100_000))
    return client


def test_unsent_bytes_that_do_not_move_close_a_connection(rig: Swept) -> None:
    client = stall(rig)
    box = client.c.outbox
    assert box is not None
    rig.judge(client, box.moved + LIMITS.stalled)
    assert client.c.phase == Phase.OPEN
    rig.hear(client, masked(PONG, b""), box.moved + LIMITS.stalled)
    rig.judge(client, box.moved + LIMITS.stalled + A_BIT)
    assert client.c.phase == Phase.CLOSING
    assert rig.counters.slow_stalled == 1
    while not client.ended:
        client.read()
        rig.reactor.tick()
    assert client.close_code() == Close.SLOW


def test_who_reads_slowly_is_not_stalled(rig: Swept) -> None:
    client = stall(rig)
    box = client.c.outbox
    assert box is not None
    before, unsent = box.moved, box.size
    client.read()
    rig.reactor.tick()
    assert box.size < unsent
    assert box.moved >= before
    rig.judge(client, box.moved + LIMITS.stalled)
    assert client.c.phase == Phase.OPEN


# Messages that take too long


def test_a_message_that_takes_too_long_closes_its_connection(rig: Swept) -> None:
    client = rig.member()
    whole = masked(TEXT, b"x" * 1000)
    now = client.c.seen
    rig.hear(client, whole[:10], now)
    rig.judge(client, now)
    for seconds in range(1, int(LIMITS.message_time) + 1):
        rig.hear(client, whole[10 + seconds : 11 + seconds], now + seconds)
        rig.judge(client, now + seconds)
        assert client.c.phase == Phase.OPEN
    rig.judge(client, now + LIMITS.message_time + A_BIT)
    assert client.close_code() == Close.POLICY
    assert rig.counters.protocol_errors == 1


def test_many_messages_may_take_longer_than_one(rig: Swept) -> None:
    client = rig.member()
    whole = masked(TEXT, b"x" * 100)
    now = client.c.seen
    rig.hear(client, whole[:10], now)
    for _ in range(4):
        rig.judge(client, now)
        now += LIMITS.message_time - A_BIT
        # The end of one and the beginning of the next come together.
        rig.hear(client, whole[10:] + whole[:10], now)
    rig.judge(client, now)
    assert client.c.phase == Phase.OPEN


def test_a_message_that_is_complete_took_no_time(rig: Swept) -> None:
    client = rig.member()
    whole = masked(TEXT, b"x" * 100)
    now = client.c.seen
    rig.hear(client, whole[:10], now)
    rig.judge(client, now)
    rig.hear(client, whole[10:], now + A_BIT)
    rig.judge(client, now + A_BIT)
    later = now + LIMITS.message_time + 1
    rig.hear(client, whole[:10], later)
    rig.judge(client, later)
    assert client.c.phase == Phase.OPEN


# The walk


async def test_all_connections_are_walked_over_again_and_again(
    rig: Swept, autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    clients = [rig.member() for _ in range(3)]
    rig.reactor.close(clients[0].c, Close.GOING_AWAY)
    clients[0].c.seen = clients[1].c.seen = 0.0
    nursery.start_soon(rig.sweep.run)
    await trio.sleep(PERIOD * 1.5)
    assert clients[0].c.phase == Phase.CLOSED
    assert clients[0].ended or clients[0].close_code() == Close.GOING_AWAY
    assert clients[0].ended  # Its number has been given back.
    assert clients[1].frames() == [(PING, b"")]
    assert clients[2].frames() == []
    clients[2].c.seen = 0.0
    await trio.sleep(PERIOD)
    assert clients[2].frames() == [(PING, b"")]


def test_after_a_stall_members_have_time_to_take_what_has_piled_up(
    rig: Swept,
) -> None:
    piled_up = "x" * LIMITS.outbox
    reader, sleeper = rig.member(), rig.member()
    rig.sweep.be_lenient(100.0, LATE + A_BIT)
    for _ in range(4):
        rig.say(piled_up)
        rig.fanout.flush(rig.reactor.now + 1)
    assert reader.c.phase == sleeper.c.phase == Phase.OPEN
    while reader.c.outbox is not None:
        reader.read()
        rig.settle()
    rig.sweep.be_lenient(100.0 + LENIENT - A_BIT, 0.0)
    rig.say("1")
    rig.settle()
    assert sleeper.c.phase == Phase.OPEN
    rig.sweep.be_lenient(100.0 + LENIENT + A_BIT, 0.0)
    rig.say("2")
    rig.settle()
    assert reader.c.phase == Phase.OPEN
    assert sleeper.c.phase == Phase.CLOSING
    assert rig.counters.slow_outbox == 1


def test_a_sweep_that_is_a_little_late_changes_nothing(rig: Swept) -> None:
    rig.sweep.be_lenient(100.0, LATE)
    assert rig.reactor.leniency == 1
