"""What members of rooms get, in which slices, and who is closed for not reading."""

import json
from time import monotonic

import msgpack
import pytest

from hubbub.codes import Close
from hubbub.server.dialects.encoder import Encoder
from hubbub.server.dialects.message import Dialect, Kind, Message
from hubbub.server.reactor.connection import Phase
from hubbub.server.reactor.fanout import FULL
from hubbub.server.rooms.hub import ENVELOPE

from .conftest import Client, Rig

PAST = 0.0
"""A deadline that has passed: a flush does one slice and no more."""


def later() -> float:
    return monotonic() + 60


def texts(start: int, stop: int) -> list[str]:
    return [str(number) for number in range(start, stop)]


# Who gets what


def test_everybody_gets_the_messages_of_a_tick_but_their_authors(rig: Rig) -> None:
    ann, ben, cat = (rig.client("lobby") for _ in range(3))
    rig.client("hall")
    rig.say("1")
    rig.say("2", author=ann)
    rig.say("3", author=ben)
    assert not rig.fanout.flush(later())
    assert [client.texts() for client in rig.clients] == [
        ["1", "3"],
        ["1", "2"],
        ["1", "2", "3"],
        [],
    ]
    assert cat.c.outbox is None
    assert rig.counters.delivered == 7


def test_each_member_is_sent_its_own_dialect(rig: Rig) -> None:
    plain, as_json, packed = (
        rig.client("lobby", dialect=dialect) for dialect in Dialect
    )
    rig.say("hi")
    rig.hub.publish("lobby", Message(Kind.BINARY, b"\xff", "m"), None)
    rig.fanout.flush(later())
    event = {"type": "message", "room": "lobby", "from": "m"}
    assert plain.frames() == [(1, b"hi"), (2, b"\xff")]
    assert [json.loads(payload) for _, payload in as_json.frames()] == [
        {**event, "data": "hi"},
        {**event, "data": "/w==", "encoding": "base64"},
    ]
    assert [msgpack.unpackb(payload) for _, payload in packed.frames()] == [
        {**event, "data": "hi"},
        {**event, "data": b"\xff"},
    ]


def test_who_joins_within_a_tick_gets_what_came_after(rig: Rig) -> None:
    ann = rig.client("lobby")
    rig.say("before")
    ben = rig.client("lobby")
    rig.say("after")
    rig.fanout.flush(later())
    assert ann.texts() == ["before", "after"]
    assert ben.texts() == ["after"]


def test_many_messages_are_one_buffer() -> None:
    messages = [Message(Kind.TEXT, b"%d" % n, "m") for n in range(3)]
    assert (
        Encoder(256).encode(Dialect.PLAIN, "lobby", messages)
        == b"\x81\x010\x81\x011\x81\x012"
    )


def test_acknowledgements_follow_the_bus_and_precede_the_rooms(rig: Rig) -> None:
    client = rig.client("lobby")
    rig.say("message")
    rig.fanout.answer(client.c, b"\x81\x02ok")
    assert client.read() == b""
    rig.fanout.flush(later())
    assert rig.bus.log == ["flush"]
    assert client.texts() == ["ok", "message"]
    rig.fanout.flush(later())
    assert client.texts() == []


def test_the_bus_is_flushed_with_every_tick(rig: Rig) -> None:
    rig.fanout.flush(later())
    rig.fanout.flush(later())
    assert rig.bus.log == ["flush", "flush"]


# Slices and deadlines


def crowd(rig: Rig, count: int, room: str = "lobby") -> list[Client]:
    return [rig.client(room) for _ in range(count)]


def served(clients: list[Client]) -> int:
    """Return how many have got something, and check that those came first."""
    got = [bool(client.read()) for client in clients]
    assert got == sorted(got, reverse=True)
    return sum(got)


def test_a_big_room_is_served_in_slices(rig: Rig) -> None:
    clients = crowd(rig, 300)
    rig.say("1")
    assert rig.fanout.flush(PAST)
    assert 0 < served(clients) < 300
    assert not rig.fanout.flush(PAST)
    assert served(clients) == 300
    assert rig.counters.delivered == 300


def test_a_big_room_is_served_at_once_where_time_is_left(rig: Rig) -> None:
    clients = crowd(rig, 300)
    rig.say("1")
    assert not rig.fanout.flush(later())
    assert served(clients) == 300


def test_a_room_has_one_flush_at_a_time(rig: Rig) -> None:
    clients = crowd(rig, 300)
    for text in texts(0, 5):
        rig.say(text)
        rig.fanout.flush(PAST)
    while rig.fanout.flush(PAST):
        pass
    assert all(client.texts() == texts(0, 5) for client in clients)


def test_a_huge_room_lets_the_others_go_first_the_next_time(rig: Rig) -> None:
    huge, small = crowd(rig, 600), crowd(rig, 2, "hall")
    rig.say("1")
    rig.say("1", "hall")
    assert rig.fanout.flush(PAST)
    assert served(small) == 0
    assert rig.fanout.flush(PAST)
    assert served(small) == 2
    while rig.fanout.flush(PAST):
        pass
    assert served(huge) == 600


def test_a_huge_room_that_never_ends_waits_once(rig: Rig) -> None:
    """Each of its batches begins while slices of the last one are served."""
    crowd(rig, 600)
    small = crowd(rig, 2, "hall")
    for text in texts(0, 30):
        rig.say(text)
        assert rig.fanout.flush(PAST)
    rig.say("1", "hall")
    for text in texts(30, 32):
        rig.say(text)
        assert rig.fanout.flush(PAST)
    assert served(small) == 2
    while rig.fanout.flush(PAST):
        pass


def test_many_small_rooms_are_slices_as_well(rig: Rig) -> None:
    rooms = [f"room{number}" for number in range(20)]
    clients = [rig.client(room) for room in rooms]
    for room in rooms:
        rig.say("1", room)
    flushes = 1
    while rig.fanout.flush(PAST):
        assert served(clients) == 8 * flushes
        flushes += 1
    assert flushes == 3
    assert served(clients) == 20


def test_what_is_published_between_slices_comes_once_and_in_order(rig: Rig) -> None:
    rooms = [f"room{number}" for number in range(5)]
    clients = [rig.client(room) for room in rooms]
    for text in texts(0, 10):
        for room in rooms:
            rig.say(text, room)
        rig.fanout.flush(PAST)
    while rig.fanout.flush(PAST):
        pass
    assert all(client.texts() == texts(0, 10) for client in clients)
    assert rig.hub.pending_bytes == 0


def test_who_goes_between_slices_is_passed_over(rig: Rig) -> None:
    clients = crowd(rig, 300)
    rig.say("1")
    rig.fanout.flush(PAST)
    first = served(clients)
    rig.reactor.drop(clients[first].c)
    rig.reactor.close(clients[first + 1].c, Close.GOING_AWAY)
    clients[first + 2].end.close()
    rig.reactor.drop(clients[0].c)
    newcomer = rig.client("lobby")
    assert not rig.fanout.flush(PAST)
    assert clients[first].read() == newcomer.read() == b""
    assert clients[first + 1].close_code() == Close.GOING_AWAY
    assert clients[first + 2].c.phase == Phase.CLOSED
    assert all(client.texts() == ["1"] for client in clients[first + 3 :])
    assert rig.reported == []


def test_a_leaver_between_slices_is_owed_the_rest(rig: Rig) -> None:
    clients = crowd(rig, 300)
    rig.say("1")
    rig.fanout.flush(PAST)
    room = rig.hub.rooms["lobby"]
    owed, _ = rig.hub.leave(clients[299].c, room)
    assert [message.payload for message in owed] == [b"1"]
    owed, _ = rig.hub.leave(clients[0].c, room)
    assert owed == []
    rig.fanout.flush(PAST)
    assert clients[299].read() == b""


def test_rooms_are_full_until_they_are_flushed(rig: Rig) -> None:
    def full() -> bool:
        return rig.fanout.full

    rig.client("lobby")
    rig.say("x" * (FULL - ENVELOPE))
    assert not full()
    rig.say("")
    assert full()
    rig.fanout.flush(later())
    assert not full()


def test_many_empty_messages_are_full_too(rig: Rig) -> None:
    rig.client("lobby", dialect=Dialect.JSON)
    for _ in range(2000):
        rig.say("")
    assert rig.fanout.full
    rig.fanout.flush(later())


def test_one_rooms_failure_is_not_the_others(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.client("lobby", dialect=Dialect.JSON)
    other = rig.client("hall", dialect=Dialect.JSON)
    # Impossible by what is checked at entry: that is what the guard is for.
    rig.hub.publish("lobby", Message(Kind.TEXT, b"\xff", "m"), None)
    rig.say("fine", "hall")
    assert not rig.fanout.flush(later())
    assert len(rig.reported) == rig.counters.errors == 1
    assert len(other.frames()) == 1
    rig.say("fine again")
    rig.fanout.flush(later())
    assert len(rig.clients[0].frames()) == 1


# Those who do not read


def test_a_slow_member_is_closed_at_its_limit_and_the_others_get_all(rig: Rig) -> None:
    rig.limit(outbox=100_000)
    quick, slow, own = (rig.client("lobby") for _ in range(3))
    texts = [f"{number} " + "x" * 5000 for number in range(100)]
    got: list[str] = []
    for text in texts:
        rig.say(text, author=own)
        rig.reactor.tick()
        got += quick.texts()
        assert rig.counters.outbox_bytes <= 100_000 + 5_100, "and one batch"
    assert got == texts
    assert rig.counters.slow_outbox == 1
    assert slow.c.phase == Phase.CLOSING
    assert own.c.phase == Phase.OPEN


def test_the_slow_one_sees_whole_frames_and_its_code(rig: Rig) -> None:
    rig.limit(outbox=50_000)
    slow = rig.client("lobby")
    texts = [f"{number} " + "x" * 3000 for number in range(60)]
    for text in texts:
        rig.say(text)
        rig.reactor.tick()
    assert slow.c.phase == Phase.CLOSING
    while not slow.ended:
        slow.read()
        rig.reactor.tick()
    frames = slow.frames()
    assert slow.data == b""
    opcode, payload = frames.pop()
    assert (opcode, payload[:2]) == (8, int(Close.SLOW).to_bytes(2, "big"))
    assert [text.decode() for _, text in frames] == texts[: len(frames)]


def test_a_slow_member_of_a_big_batch_does_not_disturb_it(rig: Rig) -> None:
    """It is closed while its slice is served, and so leaves the room meanwhile."""
    rig.limit(outbox=10_000)
    clients = crowd(rig, 10)
    rig.say("x" * 200_000)
    rig.fanout.flush(later())
    assert rig.counters.slow_outbox == 0, "one large batch makes nobody slow"
    rig.say("more")
    rig.fanout.flush(later())
    assert rig.counters.slow_outbox == 10
    assert rig.hub.rooms == {}
    assert rig.reported == []
    for client in clients:
        assert client.c.phase == Phase.CLOSING


def test_a_budget_all_share_closes_the_largest_first(rig: Rig) -> None:
    rig.limit(outbox=1 << 20, outbox_budget=250_000)
    big = rig.client("lobby", "hall")
    small = [rig.client("lobby") for _ in range(3)]
    quick = rig.client("lobby")
    rig.say("h" * 100_000, "hall")
    rig.fanout.flush(later())
    for _ in range(4):
        rig.say("l" * 20_000)
        rig.fanout.flush(later())
        quick.read()
    assert rig.counters.slow_budget == 1
    assert big.c.phase == Phase.CLOSING
    assert all(client.c.phase == Phase.OPEN for client in [*small, quick])
    assert rig.counters.outbox_bytes <= 250_000
    while small[0].c.outbox is not None:
        small[0].read()
        rig.reactor.tick()
    assert small[0].texts() == ["l" * 20_000] * 4


def test_going_over_the_budget_makes_room_for_a_while(rig: Rig) -> None:
    """Nobody of a crowd reads: the largest is not looked for at every write."""
    rig.limit(outbox=1 << 20, outbox_budget=640_000)
    crowd(rig, 64)
    while not rig.counters.slow_budget:
        rig.say("x" * 800)
        rig.fanout.flush(later())
    closed = rig.counters.slow_budget
    assert 3 < closed < 16
    rig.say("x")
    rig.fanout.flush(later())
    assert rig.counters.slow_budget == closed


def test_what_the_closing_left_unread_is_not_charged_to_the_open(rig: Rig) -> None:
    """All were cut in the middle of a message, and the rest of it has to stay."""
    rig.limit(outbox=1 << 20, outbox_budget=1_000_000)
    slow = rig.client("hall")
    rig.say("s" * 60_000, "hall")
    rig.fanout.flush(later())
    unread = crowd(rig, 40)
    rig.say("x" * 100_000)
    rig.fanout.flush(later())
    assert rig.counters.slow_budget > 20
    assert all(client.c.phase != Phase.OPEN for client in unread[:10])
    assert rig.counters.outbox_bytes <= 1_000_000
    while slow.c.outbox is not None:
        slow.read()
        rig.reactor.tick()
    assert slow.texts() == ["s" * 60_000]


def test_outbox_bytes_are_those_of_the_outboxes(rig: Rig) -> None:
    clients = crowd(rig, 5)
    for number in range(20):
        rig.say("x" * 3000)
        rig.fanout.flush(later())
        clients[number % 3].read()
        rig.reactor.tick()
        if number == 10:
            rig.reactor.drop(clients[4].c)
        boxes = [client.c.outbox for client in clients if client.c.phase == Phase.OPEN]
        assert rig.counters.outbox_bytes == sum(box.size for box in boxes if box)
