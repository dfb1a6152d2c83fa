"""What a member of one room gets, and what it is owed when it goes."""

import pytest

from hubbub.server.dialects.message import Kind, Message
from hubbub.server.rooms.hub import Hub
from hubbub.server.rooms.room import Batch, Member, Room


class Person:
    """A member, as far as rooms see one."""

    def __init__(self) -> None:
        self.rooms: tuple[Room, ...] = ()


def say(room: Room, text: str, author: Person | None = None) -> bool:
    hub = Hub()
    hub.publish_in(room, Message(Kind.TEXT, text.encode(), ""), author)
    return hub.dirty == [room]


def words(messages: list[Message]) -> list[str]:
    return [message.payload.decode() for message in messages]


def room_of(*people: Person) -> Room:
    room = Room("lobby")
    for person in people:
        room.add(person)
    return room


def take(room: Room) -> Batch:
    batch = room.take()
    assert batch is not None
    return batch


def test_members_get_the_messages_of_a_tick_in_order() -> None:
    ann, ben = Person(), Person()
    room = room_of(ann, ben)
    say(room, "1")
    say(room, "2")
    batch = take(room)
    assert batch.members == (ann, ben)
    assert batch.special() == set()
    assert words(batch.share(ann)) == words(batch.share(ben)) == ["1", "2"]
    assert batch.room == "lobby"


def test_only_the_first_message_of_a_tick_makes_a_room_dirty() -> None:
    room = room_of(Person())
    assert say(room, "1")
    assert not say(room, "2")
    room.take()
    assert say(room, "3")


def test_nothing_waits_in_a_quiet_room() -> None:
    room = room_of(Person())
    assert room.take() is None
    say(room, "1")
    room.take()
    assert room.take() is None


def test_an_author_does_not_get_its_own_message_back() -> None:
    ann, ben = Person(), Person()
    room = room_of(ann, ben)
    say(room, "from ann", ann)
    say(room, "from nobody here")
    say(room, "from ben", ben)
    batch = take(room)
    assert batch.special() == {ann, ben}
    assert words(batch.share(ann)) == ["from nobody here", "from ben"]
    assert words(batch.share(ben)) == ["from ann", "from nobody here"]


def test_a_late_joiner_gets_what_came_after_its_join() -> None:
    ann, ben, cat = Person(), Person(), Person()
    room = room_of(ann)
    say(room, "1")
    room.add(ben)
    say(room, "2")
    room.add(cat)
    batch = take(room)
    assert words(batch.share(ann)) == ["1", "2"]
    assert words(batch.share(ben)) == ["2"]
    assert words(batch.share(cat)) == []
    assert batch.special() == {ben, cat}


def test_being_late_ends_with_the_tick() -> None:
    ann, ben = Person(), Person()
    room = room_of(ann)
    say(room, "1")
    room.add(ben)
    room.take()
    say(room, "2")
    batch = take(room)
    assert batch.special() == set()
    assert words(batch.share(ben)) == ["2"]


def test_an_author_that_left_and_came_back_gets_what_came_after() -> None:
    ann = Person()
    room = room_of(ann, Person())
    say(room, "1", ann)
    room.remove(ann)
    say(room, "2")
    room.add(ann)
    say(room, "3")
    assert words(take(room).share(ann)) == ["3"]


def test_a_leaver_is_owed_what_came_before() -> None:
    ann, ben = Person(), Person()
    room = room_of(ann, ben)
    say(room, "1")
    say(room, "ann's own", ann)
    assert words(room.remove(ann)) == ["1"]
    say(room, "2")
    batch = take(room)
    assert batch.members == (ben,)
    assert words(batch.share(ben)) == ["1", "ann's own", "2"]


def test_a_late_joiner_that_leaves_is_owed_what_came_between() -> None:
    ann, ben = Person(), Person()
    room = room_of(ann)
    say(room, "1")
    room.add(ben)
    say(room, "2")
    assert words(room.remove(ben)) == ["2"]
    say(room, "3")
    room.add(ben)
    assert words(take(room).share(ben)) == []


def test_a_leaver_of_a_quiet_room_is_owed_nothing() -> None:
    ann = Person()
    room = room_of(ann)
    assert room.remove(ann) == []
    assert ann not in room


@pytest.fixture
def people() -> list[Person]:
    return [Person() for _ in range(4)]


def in_progress(people: list[Person], served: int) -> tuple[Room, Batch]:
    """Return a room and its batch of 1 and 2 that `served` members have got."""
    room = room_of(*people)
    say(room, "1")
    say(room, "2")
    batch = take(room)
    batch.at = served
    room.batch = batch
    return room, batch


def due(batch: Batch) -> dict[Member, list[str]]:
    """Return what those get who have not been served yet."""
    return {m: words(batch.share(m)) for m in batch.members[batch.at :]}


def test_a_leaver_is_owed_the_batch_in_progress_once(people: list[Person]) -> None:
    room, batch = in_progress(people, served=2)
    say(room, "3")
    assert words(room.remove(people[2])) == ["1", "2", "3"]
    # It must not be served again, nor anybody be skipped for it.
    assert due(batch) == {people[2]: [], people[3]: ["1", "2"]}
    assert batch.special() == {people[2]}


def test_a_leaver_that_was_served_is_owed_only_the_rest(people: list[Person]) -> None:
    room, batch = in_progress(people, served=2)
    say(room, "3")
    assert words(room.remove(people[1])) == ["3"]
    assert due(batch) == {people[2]: ["1", "2"], people[3]: ["1", "2"]}
    assert batch.special() == set()


def test_leavers_of_a_batch_that_goes_on_are_owed_what_they_have_not_got(
    people: list[Person],
) -> None:
    room, batch = in_progress(people, served=0)
    assert words(room.remove(people[3])) == ["1", "2"]
    batch.at = 2
    assert words(room.remove(people[1])) == []
    assert words(room.remove(people[2])) == ["1", "2"]
    assert due(batch) == {people[2]: [], people[3]: []}


def test_a_leaver_is_owed_its_share_of_the_batch_in_progress() -> None:
    ann, ben, cat = Person(), Person(), Person()
    room = room_of(ann, ben)
    say(room, "1", ben)
    say(room, "2")
    room.add(cat)
    say(room, "3")
    room.batch = take(room)
    assert words(room.remove(ben)) == ["2", "3"]
    assert words(room.remove(cat)) == ["3"]
    assert words(room.remove(ann)) == ["1", "2", "3"]
    assert due(room.batch) == {ann: [], ben: [], cat: []}


def test_a_joiner_has_no_part_in_the_batch_in_progress(people: list[Person]) -> None:
    room, batch = in_progress(people, served=1)
    newcomer = Person()
    room.add(newcomer)
    assert newcomer not in batch.members
    say(room, "3")
    assert words(room.remove(newcomer)) == ["3"]


def test_who_comes_back_during_a_batch_is_not_served_from_it(
    people: list[Person],
) -> None:
    room, batch = in_progress(people, served=0)
    assert words(room.remove(people[3])) == ["1", "2"]
    room.add(people[3])
    assert words(batch.share(people[3])) == []
    assert words(room.remove(people[3])) == []
    room.add(people[3])
    say(room, "3")
    assert words(take(room).share(people[3])) == ["3"]


def test_a_room_that_grows_and_shrinks_keeps_its_members_in_order() -> None:
    crowd = [Person() for _ in range(40)]
    room = Room("lobby")
    for count, person in enumerate(crowd, 1):
        room.add(person)
        assert len(room.members) == count
        assert list(room.members) == crowd[:count]
    assert isinstance(room.members, dict)
    for person in crowd[::2]:
        assert person in room
        room.remove(person)
        assert person not in room
    say(room, "1")
    assert take(room).members == tuple(crowd[1::2])


@pytest.mark.parametrize("size", [1, 15, 16, 17, 100])
def test_late_joiners_of_a_room_of_any_size_are_late(size: int) -> None:
    room = room_of(*(Person() for _ in range(size)))
    late = Person()
    say(room, "1")
    room.add(late)
    say(room, "2")
    batch = take(room)
    assert words(batch.share(late)) == ["2"]
    assert len(batch.members) == size + 1


def test_only_large_rooms_pay_for_a_dict() -> None:
    assert isinstance(room_of(*(Person() for _ in range(16))).members, tuple)


def test_a_room_has_one_bit_wherever_it_is() -> None:
    # Written down: two releases of Hubbub share a cluster during a roll.
    assert Room("lobby").bit == 0x455F7
