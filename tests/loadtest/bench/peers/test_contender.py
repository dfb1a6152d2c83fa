"""A server in its turns: what is measured, and what is noticed. Time is not judged."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hubbub.loadtest.bench.peers.contender import Bare, Serving, schedule
from hubbub.loadtest.bench.peers.peer import Relay
from hubbub.loadtest.bench.peers.talk import Rooms
from hubbub.loadtest.bench.peers.wire import ECHOING, PLAIN, Wire, arrive
from hubbub.loadtest.bench.row import Invalid, Options
from tests.loadtest.bench.peers.conftest import Broken, Own

pytestmark = pytest.mark.slow

SMALL = Options(seconds=0.25, rounds=1, scale=0.01)
FIGURES = {
    *("connects_s", "connect_us", "idle_bytes", "idle_connections"),
    *("rooms_us", "rooms_p99_ms", "room_us", "room_p99_ms"),
    *("saturated_window", "saturated_s", "saturated_us"),
}


@pytest.mark.parametrize("name", ["websockets", "trio_websocket"])
def test_all_figures_of_a_relay(own: Own, name: str) -> None:
    figures: dict[str, float] = {}
    with Serving(lambda: own(name), PLAIN, SMALL) as contender:
        for turn in schedule(SMALL.rounds):
            figures |= contender.turn(turn)
    assert set(figures) == FIGURES
    assert figures["idle_connections"] == 100
    for figure in FIGURES - {"idle_bytes"}:
        assert figures[figure] > 0, figure


def test_floor_has_what_it_can_have() -> None:
    figures: dict[str, float] = {}
    with Bare(SMALL) as contender:
        for name in schedule(SMALL.rounds):
            figures |= contender.turn(name)
    assert set(figures) == {"rooms_us", "room_us", "saturated_us", "saturated_s"}
    assert min(figures.values()) > 0


def test_turns_go_stage_by_stage() -> None:
    turns = schedule(2)
    assert turns == [
        *("arrive", "rooms", "rooms", "rooms", "leave rooms"),
        *("enter", "room", "room", "room"),
        *("windows", "saturated", "saturated", "saturated", "leave room"),
    ]


@contextmanager
def room(relay: Relay, wire: Wire = PLAIN) -> Iterator[Rooms]:
    """A room of five that has little patience."""
    members = arrive(relay.port, wire, ["lobby"] * 5)
    with Rooms(relay, wire, members, 5, patience=0.3) as made:
        yield made


def listen(relay: Relay) -> None:
    """Say three messages in a room of five, and see that each hears each once."""
    with room(relay) as rooms:
        rooms.talk(rate=100, seconds=0.03)
        rooms.check()


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("drop", "1 deliveries were lost"),
        ("swap", "2 members got too much or too little"),
        ("twice", "bytes came that nobody sent"),
        ("echo", "who spoke got 102 bytes"),
        ("close", "closed a connection|a connection was lost"),
    ],
)
def test_broken_relay_is_noticed(broken: Broken, fault: str, why: str) -> None:
    with broken(fault) as relay, pytest.raises(Invalid, match=why):
        listen(relay)


def test_relay_that_ends_is_noticed(broken: Broken) -> None:
    with (
        pytest.raises(Invalid, match="the relay ended: out of luck"),
        broken("exit") as relay,
    ):
        listen(relay)


def test_who_hears_itself_where_that_is_meant_is_a_hearer(broken: Broken) -> None:
    with broken("echo") as relay, room(relay, ECHOING) as rooms:
        # The first two are not said to their speaker by this relay.
        with pytest.raises(Invalid, match="2 deliveries were lost"):
            rooms.talk(rate=100, seconds=0.03)


def test_sound_relay_passes(broken: Broken) -> None:
    with broken("") as relay, room(relay) as rooms:
        used, latency = rooms.talk(rate=100, seconds=0.03)
        pumped = rooms.pump(window=20, seconds=0)
        rooms.check()
    assert used > 0
    assert 0 < latency < 10_000
    assert pumped.rate > 0
    assert pumped.each > 0


def test_stage_that_failed_is_left_out_and_the_next_has_a_fresh_server(
    broken: Broken,
) -> None:
    faults = iter(["close", ""])
    with Serving(lambda: broken(next(faults)), PLAIN, SMALL) as contender:
        assert "idle_bytes" in contender.turn("arrive")
        # Each turn is a message in each room; the third one is what fails.
        assert contender.turn("rooms")["rooms_us"] > 0
        with pytest.raises(Invalid, match=r"closed a connection|a connection was lost"):
            contender.turn("rooms")
        assert contender.turn("rooms") == {}
        assert contender.turn("leave rooms") == {}
        assert contender.turn("enter") == {}
        assert contender.turn("room")["room_us"] > 0
        assert contender.turn("windows")["saturated_window"] > 0
        assert contender.turn("leave room") == {}
