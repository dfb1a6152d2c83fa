"""What workers say to each other, whatever happens to their links."""

import socket
from contextlib import suppress

import pytest

from hubbub.server.bus.wire import (
    HELLO,
    MOST_ROOMS,
    PUBLISH,
    Body,
    FrameReader,
    encode,
)
from hubbub.server.rooms.room import Room

from .conftest import CLUSTER, LIMIT, Worker, World

Two = tuple[Worker, Worker]


def frames(end: socket.socket) -> list[tuple[int, Body]]:
    """Return the frames that have come to a raw end."""
    reader, got = FrameReader(1 << 20), []
    with suppress(BlockingIOError):
        while data := end.recv(65536):
            got += reader.feed(data)
    return got


def texts(start: int, stop: int) -> list[str]:
    return [str(number) for number in range(start, stop)]


def flood(worker: Worker, tag: str, room: str = "lobby") -> int:
    """Publish until the link to whoever does not read is cut; return how many."""
    count = 0
    while not worker.lost:
        worker.say(f"{tag}{count} " + "." * 4000, room)
        worker.mesh.flush()
        count += 1
        assert count < 1000
    return count


# Greeting and order


def test_nothing_is_sent_before_the_peers_hello(world: World) -> None:
    a, peer = world.start(0), world.start(1)
    peer.want("lobby")
    end = world.raw(a, slot=1)
    a.say("0")
    a.tick()
    assert frames(end) == [(HELLO, [0, 1, CLUSTER])]
    end.send(encode(HELLO, 1, 1, CLUSTER))
    a.say("1")
    a.tick()
    a.tick()
    assert [kind for kind, _ in frames(end)] == [PUBLISH, PUBLISH]


def test_messages_arrive_in_order(world: World, two: Two) -> None:
    a, b = two
    world.link(a, b)
    for text in texts(0, 50):
        a.say(text)
        if int(text) % 7 == 0:
            a.tick()
            b.tick()
    world.settle()
    assert b.heard() == texts(0, 50)
    assert a.heard() == []


def test_a_tick_is_one_write_a_link(world: World, two: Two) -> None:
    a, b = two
    world.link(a, b)
    world.settle()
    before = a.counters.bus_bytes
    for text in texts(0, 10):
        a.say(text)
    assert a.counters.bus_bytes == before
    a.mesh.flush()
    b.tick()
    assert a.counters.bus_bytes > before
    assert b.heard() == texts(0, 10)


def test_only_the_interested_are_written_to(world: World) -> None:
    a, b, c = (world.start(slot) for slot in range(3))
    for one, other in ((a, b), (b, c), (a, c)):
        world.link(one, other)
    b.want("lobby")
    c.want("hall")
    a.say("to the lobby")
    a.say("to the hall", "hall")
    a.say("to nobody", "attic")
    world.settle()
    assert b.heard() == ["to the lobby"]
    assert c.heard() == ["to the hall"]


def test_what_is_published_before_the_link_arrives_after(
    world: World, two: Two
) -> None:
    a, b = two
    for text in texts(0, 5):
        a.say(text)
        a.tick()
    world.link(a, b)
    a.say("5")
    world.settle()
    assert b.heard() == texts(0, 6)
    assert b.counters.bus_gaps == 0


def test_one_end_may_get_its_link_later_than_the_other(world: World, two: Two) -> None:
    a, b = two
    one, other = world.pair()
    a.mesh.connect(1, 1, one)
    a.say("0")
    b.say("1")
    world.settle()
    b.mesh.connect(0, 1, other)
    world.settle()
    assert (a.heard(), b.heard()) == (["1"], ["0"])


def test_more_than_the_limit_before_the_link_is_told_as_a_gap(
    world: World, two: Two
) -> None:
    a, b = two
    for number in range(20):
        a.say(f"{number} " + "." * 4000)
        a.tick()
    world.link(a, b)
    a.say("after")
    world.settle()
    # No hole in the middle: what is missed is missed from the first on.
    missed = b.counters.bus_gaps
    assert 0 < missed == a.counters.bus_missed < 20
    heard = [text.split()[0] for text in b.heard()]
    assert heard == ["GAP", *texts(missed, 20), "after"]


# Links over their limit


def test_a_link_over_its_limit_is_cut_and_the_next_one_tells(
    world: World, two: Two
) -> None:
    a, b = two
    world.link(a, b)
    world.settle()
    count = flood(a, "x")
    assert a.lost == [(1, 1, "over its limit", a.counters.bus_missed)]
    a.say("meanwhile")
    a.tick()
    world.settle()
    heard = b.heard()
    assert len(heard) == count - a.counters.bus_missed
    assert [text.split()[0] for text in heard] == [f"x{n}" for n in range(len(heard))]
    assert b.lost == [(0, 1, "ended by the peer", 0)]
    world.link(a, b)
    a.say("after")
    world.settle()
    assert b.heard() == ["GAP", "meanwhile", "after"]
    assert b.counters.bus_gaps == a.counters.bus_missed
    # Once told, it is forgotten.
    world.link(a, b)
    a.say("later")
    world.settle()
    assert b.heard() == ["later"]


def miss(worker: Worker, *rooms: str) -> None:
    """Publish to these rooms while there is no link, and then too much."""
    for room in rooms:
        worker.say("missed", room)
    worker.say("." * (LIMIT + 1), rooms[0])
    worker.tick()


def test_a_gap_names_its_rooms(world: World, two: Two) -> None:
    a, b = two
    rooms = [f"room{n}" for n in range(5)]
    b.want(*rooms)
    miss(a, *rooms)
    world.link(a, b)
    world.settle()
    assert b.hub.heard == [(room, "GAP") for room in rooms]
    assert b.counters.bus_gaps == a.counters.bus_missed == 6


def test_a_gap_of_very_many_rooms_is_told_to_all(world: World, two: Two) -> None:
    a, b = two
    rooms = [f"room{n}" for n in range(MOST_ROOMS + 1)]
    b.want(*rooms)
    b.hub.rooms = {name: Room(name) for name in ("here", "there")}
    miss(a, *rooms)
    world.link(a, b)
    world.settle()
    assert b.hub.heard == [("here", "GAP"), ("there", "GAP")]
    assert b.counters.bus_gaps == a.counters.bus_missed == len(rooms) + 1


@pytest.mark.parametrize("early", [True, False])
def test_unread_bytes_of_a_peer_whose_link_was_cut_come_first(
    world: World, two: Two, early: bool
) -> None:
    """`early`: the next pair is there before either end has seen the cut."""
    a, b = two
    world.link(a, b)
    world.settle()
    for text in texts(0, 3):
        b.say(text)
    b.mesh.flush()
    flood(a, "x")
    if not early:
        world.settle()
        assert a.heard() == texts(0, 3)
    world.link(a, b)
    b.say("3")
    world.settle()
    assert a.heard() == texts(0 if early else 3, 4)
    assert a.counters.bus_gaps == b.counters.bus_missed == 0
    assert b.heard()[-1] == "GAP"


def test_a_link_that_one_end_cut_gives_way_to_the_next(world: World, two: Two) -> None:
    """The other end gets its new link before it has read its old one's end."""
    a, b = two
    world.link(a, b)
    world.settle()
    count = flood(a, "x")
    world.link(a, b)
    a.say("after")
    world.settle()
    heard = b.heard()
    assert heard[-2:] == ["GAP", "after"]
    assert len(heard) - 2 + b.counters.bus_gaps == count


def test_both_ends_may_cut_at_once(world: World, two: Two) -> None:
    a, b = two
    world.link(a, b)
    world.settle()
    sent = flood(a, "a"), flood(b, "b")
    world.settle()
    world.link(a, b)
    a.say("after")
    b.say("after")
    world.settle()
    for count, worker in zip(sent, (b, a), strict=True):
        heard = worker.heard()
        assert heard[-2:] == ["GAP", "after"]
        assert len(heard) - 2 + worker.counters.bus_gaps == count


def test_a_stopped_peer_costs_the_others_nothing(world: World) -> None:
    a, b, c = (world.start(slot) for slot in range(3))
    for one, other in ((a, b), (b, c), (a, c)):
        world.link(one, other)
    world.settle()
    b.want("lobby")
    c.want("lobby")
    heard: list[str] = []
    for number in range(60):
        a.say(f"{number} " + "." * 4000)
        a.tick()
        c.tick()
        heard += [text.split()[0] for text in c.heard()]
    assert heard == texts(0, 60)
    assert [slot for slot, *_ in a.lost] == [1]
    assert c.lost == []


def test_a_message_longer_in_json_than_it_came_crosses_the_bus(
    world: World,
) -> None:
    """[false, ...] is one byte each in MessagePack and six in JSON."""
    a, b = world.start(0, message=1000), world.start(1, message=1000)
    b.want("lobby")
    world.link(a, b)
    a.say("false," * 1000)
    world.settle()
    assert b.heard() == ["false," * 1000]
    assert b.lost == []
