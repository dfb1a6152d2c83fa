"""The throttle: who sends too much waits, who cannot follow is waited for."""

from collections.abc import Iterator

import pytest
import trio

from hubbub.server.reactor.connection import Connection, Phase
from hubbub.server.reactor.throttle import PATIENCE, PERIOD
from hubbub.server.websocket.decoder import MOST_EVENTS
from hubbub.settings import Limits
from tests.server.reactor.conftest import Client, Rig, masked

TEXT = 1
RATE, BURST, FLOOD = 10.0, 20.0, 2.0


class Hearing(Rig):
    """A rig that keeps what it receives and says it in the room of its sender."""

    def __init__(self, limits: Limits) -> None:
        self.heard: list[bytes] = []
        super().__init__(limits=limits)
        self.receiving = self.hear

    def hear(self, c: Connection, events: list[tuple[int, bytes]]) -> None:
        for _, payload in events:
            self.heard.append(payload)
            for room in c.rooms:
                self.say(payload.decode(), room.name, self.of(c))

    def of(self, c: Connection) -> Client:
        return next(client for client in self.clients if client.c is c)

    def speak(self, client: Client, count: int, text: bytes = b"x") -> None:
        client.send(masked(TEXT, text) * count)
        self.settle()

    def later(self, seconds: float) -> None:
        """Let the throttle look as it would after so long."""
        now = self.reactor.now + seconds
        for client in self.clients:
            self.reactor.throttle.review(client.c, now)


@pytest.fixture
def rig() -> Iterator[Hearing]:
    rig = Hearing(Limits(message=1 << 20, rate=RATE, burst=BURST, flood=FLOOD))
    yield rig
    rig.end()


def test_a_burst_is_read_at_once(rig: Hearing) -> None:
    client = rig.client()
    for _ in range(int(BURST)):
        rig.speak(client, 1)
    assert len(rig.heard) == BURST
    assert not rig.reactor.held


def test_above_its_rate_a_connection_waits_and_loses_nothing(rig: Hearing) -> None:
    client, other = rig.client(), rig.client()
    rig.speak(client, int(BURST) + 5, b"many")
    assert list(rig.reactor.held) == [client.c]
    rig.speak(client, 1, b"more")
    rig.speak(other, 1, b"other")
    assert b"more" not in rig.heard
    assert b"other" in rig.heard
    rig.later(4 / RATE)
    rig.settle()
    assert b"more" not in rig.heard
    rig.later(6 / RATE)
    rig.settle()
    assert rig.heard[-1] == b"more"
    assert rig.counters.held == 2, "what came then is above the rate again"


def test_a_kibibyte_counts_as_a_message(rig: Hearing) -> None:
    client = rig.client()
    rig.speak(client, 1, bytes(1024 * int(BURST - 2)))
    assert not rig.reactor.held
    rig.speak(client, 1, bytes(1024 * 2))
    assert rig.reactor.held


def test_what_was_compressed_counts_at_its_full_size(rig: Hearing) -> None:
    client = rig.client()
    client.c.variant = 3
    rig.receiving = lambda c, events: None
    client.c.decoder = Inflating(times=int(BURST))  # type: ignore[assignment]
    rig.speak(client, 1)
    assert rig.reactor.held


class Inflating:
    """A decoder that makes many kibibytes of a short frame."""

    failure = None
    idle = True
    more = False
    in_progress = False

    def __init__(self, times: int) -> None:
        self.event = (TEXT, bytes(1024 * times))

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        return [self.event]


def test_a_flood_is_closed(rig: Hearing) -> None:
    client = rig.client()
    begun = rig.reactor.now
    while client.c.phase == Phase.OPEN:
        assert rig.reactor.now - begun < 2 * FLOOD, "it is never closed"
        rig.reactor.feed(client.c, masked(TEXT, b"x") * 50)
        rig.reactor.now += 0.1
        if client.c in rig.reactor.held:
            rig.later(0)
    assert rig.reactor.now - begun > FLOOD
    assert client.close_code() == 1008
    assert rig.counters.floods == 1
    assert not rig.reactor.held


def test_who_pauses_between_bursts_is_no_flood(rig: Hearing) -> None:
    client = rig.client()
    for _ in range(5):
        rig.reactor.feed(client.c, masked(TEXT, b"x") * 30)
        rig.reactor.now += FLOOD
        rig.later(0)
        rig.reactor.now += FLOOD
        rig.later(0)
        assert client.c.phase == Phase.OPEN


def test_without_a_rate_nobody_is_held() -> None:
    rig = Hearing(Limits(message=1 << 20, rate=0))
    client = rig.client()
    for _ in range(50):
        rig.speak(client, 100)
    assert not rig.reactor.held
    assert len(rig.heard) == 5000
    rig.end()


def test_an_echo_has_no_rate(rig: Hearing) -> None:
    client = rig.client()
    client.c.patient = True
    rig.speak(client, 1000)
    assert not rig.reactor.held


def test_who_ends_while_held_is_forgotten(rig: Hearing) -> None:
    gone, closed = rig.client(), rig.client()
    for client in (gone, closed):
        rig.speak(client, 100)
        assert client.c in rig.reactor.held
    rig.reactor.close(closed.c, 1001)
    rig.reactor.drop(gone.c)
    assert not rig.reactor.held
    rig.later(100)
    assert closed.close_code() == 1001


async def test_what_was_read_already_is_taken_without_another_event(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A read may hold more than one turn's messages; no event tells of the rest."""
    rig = Hearing(Limits(rate=1e6, burst=10))
    client = rig.client()
    count = 3 * MOST_EVENTS
    rig.speak(client, count)
    assert client.c in rig.reactor.held
    with trio.move_on_after(1000 * PERIOD):
        await rig.reactor.throttle.run()
    assert len(rig.heard) == count
    assert client.c not in rig.reactor.held
    rig.end()


def crowd(rig: Hearing, members: int) -> tuple[Client, list[Client]]:
    """Return a speaker of a room and the others in it."""
    return rig.client("lobby"), [rig.client("lobby") for _ in range(members)]


def fill(rig: Hearing, speaker: Client) -> None:
    """Say more than the kernel takes for those who do not read."""
    rig.say("x" * 300_000, author=speaker)
    rig.settle()


def test_a_publisher_waits_for_a_crowd_that_is_behind(rig: Hearing) -> None:
    speaker, members = crowd(rig, 3)
    fill(rig, speaker)
    assert list(rig.reactor.held) == [speaker.c]
    for member in members[:2]:
        while member.c.outbox is not None:
            member.read()
            rig.settle()
    rig.later(0)
    assert not rig.reactor.held


def test_nobody_waits_for_a_few(rig: Hearing) -> None:
    speaker, members = crowd(rig, 3)
    for _ in range(3):
        members[0].read()
        members[1].read()
        rig.settle()
    fill_slowly(rig, speaker, members)
    assert members[2].c.outbox is not None
    assert not rig.reactor.held


def fill_slowly(rig: Hearing, speaker: Client, members: list[Client]) -> None:
    """Say much in pieces that all but the last member take."""
    for _ in range(100):
        rig.say("x" * 4000, author=speaker)
        rig.settle()
        for member in members[:-1]:
            member.read()


def test_nobody_waits_for_those_who_have_stopped_reading(rig: Hearing) -> None:
    speaker, members = crowd(rig, 3)
    fill(rig, speaker)
    rig.later(PATIENCE + 0.01)
    rig.reactor.now += PATIENCE + 0.01
    for member in members:
        assert member.c.outbox is not None
        member.c.outbox.moved = rig.reactor.now - 2 * PATIENCE
    rig.say("x", author=speaker)
    rig.fanout.flush(rig.reactor.now + 1)
    assert not rig.reactor.held


def test_a_crowd_that_never_reads_silences_nobody_for_long(rig: Hearing) -> None:
    speaker, _ = crowd(rig, 3)
    fill(rig, speaker)
    rig.later(PATIENCE - 0.01)
    assert rig.reactor.held
    rig.later(PATIENCE + 0.01)
    assert not rig.reactor.held


def test_a_publisher_that_left_is_not_waited_with(rig: Hearing) -> None:
    speaker, _ = crowd(rig, 3)
    rig.say("x" * 300_000, author=speaker)
    rig.reactor.drop(speaker.c)
    rig.settle()
    assert not rig.reactor.held
