"""The rooms of one worker: against what can be said of them in a sentence."""

from hypothesis import given
from hypothesis import strategies as st

from hubbub.server.dialects.message import Kind, Message
from hubbub.server.rooms.hub import ENVELOPE, Hub
from hubbub.server.rooms.room import Room


class Person:
    """A member that keeps what it is sent."""

    def __init__(self) -> None:
        self.rooms: tuple[Room, ...] = ()
        self.got: list[bytes] = []


def text(payload: bytes) -> Message:
    return Message(Kind.TEXT, payload, "")


def join(hub: Hub, person: Person, name: str) -> Room:
    return hub.join(person, name)[0]


def test_the_first_member_makes_a_room_and_the_last_ends_it() -> None:
    hub, ann, ben = Hub(), Person(), Person()
    room, new = hub.join(ann, "lobby")
    assert new
    assert hub.join(ben, "lobby") == (room, False)
    assert hub.leave(ann, room) == ([], False)
    assert hub.rooms == {"lobby": room}
    assert hub.leave(ben, room) == ([], True)
    assert hub.rooms == {}


def test_members_know_their_rooms_in_the_order_they_joined() -> None:
    hub, ann = Hub(), Person()
    a, b, c = (join(hub, ann, name) for name in "abc")
    assert list(ann.rooms) == [a, b, c]
    hub.leave(ann, b)
    assert list(ann.rooms) == [a, c]


def test_a_message_to_a_room_nobody_is_in_is_nobodys() -> None:
    hub = Hub()
    hub.publish("lobby", text(b"hello"), None)
    assert hub.dirty == []
    assert hub.pending_bytes == 0


def test_rooms_are_dirty_once_in_the_order_they_got_messages() -> None:
    hub, ann = Hub(), Person()
    a, b = join(hub, ann, "a"), join(hub, ann, "b")
    for name in ("b", "a", "b"):
        hub.publish(name, text(b"."), None)
    assert hub.dirty == [b, a]


def test_waiting_bytes_are_counted_until_they_are_taken() -> None:
    hub, ann = Hub(), Person()
    a, b = join(hub, ann, "a"), join(hub, ann, "b")
    hub.publish("a", text(b"123"), None)
    hub.publish_in(b, text(b"4567"), ann)
    assert hub.pending_bytes == 7 + 2 * ENVELOPE
    hub.take(a)
    assert hub.pending_bytes == 4 + ENVELOPE
    hub.take(b)
    assert hub.pending_bytes == 0
    assert hub.take(b) is None


def test_waiting_bytes_of_a_room_that_ended_are_not_kept_for_ever() -> None:
    hub, ann = Hub(), Person()
    room = join(hub, ann, "lobby")
    hub.publish("lobby", text(b"123"), None)
    hub.leave(ann, room)
    assert hub.dirty == [room]
    batch = hub.take(room)
    assert batch is not None
    assert batch.members == ()
    assert hub.pending_bytes == 0


def test_a_room_that_ended_and_began_again_owes_nothing_of_before() -> None:
    hub, ann, ben = Hub(), Person(), Person()
    first = join(hub, ann, "lobby")
    hub.publish("lobby", text(b"before"), None)
    hub.leave(ann, first)
    second = join(hub, ben, "lobby")
    assert second is not first
    assert hub.take(second) is None


MEMBERS = st.integers(0, 4)
STEPS = st.one_of(
    st.tuples(st.just("join"), MEMBERS),
    st.tuples(st.just("leave"), MEMBERS),
    st.tuples(st.just("publish"), MEMBERS | st.none()),
    st.tuples(st.just("serve"), st.integers(0, 5)),
)


def serve(hub: Hub, room: Room, most: int) -> None:
    """Serve up to `most` members, as a fan-out with little time does."""
    batch = room.batch
    room.batch = None
    if batch is None:
        batch = hub.take(room)
        if batch is None:
            return
    for member in batch.members[batch.at : batch.at + most]:
        assert isinstance(member, Person)
        member.got += [message.payload for message in batch.share(member)]
        batch.at += 1
    if batch.at < len(batch.members):
        room.batch = batch


@given(st.lists(STEPS, max_size=40))
def test_everybody_gets_what_came_while_it_was_in_but_its_own(
    steps: list[tuple[str, int | None]],
) -> None:
    hub = Hub()
    everyone = [Person() for _ in range(5)]
    expected: dict[Person, list[bytes]] = {person: [] for person in everyone}
    inside: list[Person] = []
    keeper = Person()  # keeps the room from ending
    room = join(hub, keeper, "lobby")
    for number, (step, who) in enumerate(steps):
        person = None if who is None or step == "serve" else everyone[who]
        if step == "join" and person is not None and person not in inside:
            join(hub, person, "lobby")
            inside.append(person)
        elif step == "leave" and person in inside:
            owed, gone = hub.leave(person, room)
            assert not gone
            person.got += [message.payload for message in owed]
            inside.remove(person)
        elif step == "publish":
            payload = b"%d" % number
            hub.publish("lobby", text(payload), person)
            for other in inside:
                if other is not person:
                    expected[other].append(payload)
        elif step == "serve" and who is not None:
            serve(hub, room, who)
    while room.batch is not None or hub.pending_bytes:
        serve(hub, room, len(everyone) + 1)
    assert {person: person.got for person in everyone} == expected
