"""How many members each room has, over all workers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.server.stats import census
from hubbub.server.stats.census import Census, room_key
from hubbub.server.stats.interest import BITMAP_BYTES, CENSUS_ENTRIES, Interest

SLOTS = 2


@pytest.fixture
def interest() -> Interest:
    return Interest.create(SLOTS)


def keys(interest: Interest, slot: int) -> list[int]:
    """Return every key that is in a slot's table."""
    start = (interest.offset(slot) + BITMAP_BYTES) // 8
    words = interest.words[start : start + 2 * CENSUS_ENTRIES]
    return [key for key in words.tolist()[::2] if key]


def test_members_of_all_slots_are_counted(interest: Interest) -> None:
    one, two = Census(interest, 0), Census(interest, 1)
    place = one.open("lobby")
    one.store(place, 3)
    two.open("lobby")
    two.open("hall")
    assert one.total("lobby") == two.total("lobby") == 4
    assert one.total("hall") == 1
    assert one.total("cellar") == 0
    one.store(place, 0)
    assert one.total("lobby") == 1


def test_rooms_that_came_and_went_leave_nothing_to_look_through(
    interest: Interest,
) -> None:
    one = Census(interest, 0)
    for number in range(2000):
        one.store(one.open(f"room {number}"), 0)
    assert keys(interest, 0) == []


def test_where_there_is_no_place_nobody_guesses(
    interest: Interest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "_MOST_PROBES", 1)
    monkeypatch.setattr(census, "room_key", lambda name: 7)
    one, two = Census(interest, 0), Census(interest, 1)
    one.open("lobby")
    place = one.open("hall")
    assert place == 0
    assert one.total("lobby") is None
    assert two.total("lobby") is None
    one.store(place, 2)
    one.store(place, 0)
    assert two.total("lobby") == 1


def test_a_rooms_key_is_the_same_everywhere() -> None:
    assert room_key("lobby") == room_key("lobby") != room_key("hall")
    assert 0 < room_key("lobby") < 1 << 64


STEPS = st.lists(
    st.tuples(st.integers(0, 11), st.integers(0, 3)), min_size=1, max_size=120
)


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_counts_are_those_of_a_dict_however_keys_collide(
    steps: list[tuple[int, int]],
) -> None:
    """Twelve rooms with four home entries, two of them at the table's end."""
    homes = (CENSUS_ENTRIES - 2, CENSUS_ENTRIES - 1, 0, 40)
    real = census.room_key

    def crowded(name: str) -> int:
        number = int(name)
        return CENSUS_ENTRIES * (number + 1) + homes[number % 4]

    census.room_key = crowded  # type: ignore[assignment]
    try:
        interest = Interest.create(1)
        one = Census(interest, 0)
        places: dict[int, int] = {}
        counts: dict[int, int] = {}
        for room, count in steps:
            if room in places:
                one.store(places[room], count)
                if not count:
                    del places[room]
            else:
                places[room] = one.open(str(room))
                count = 1
            counts[room] = count
            for other, expected in counts.items():
                assert one.total(str(other)) == expected
        for room, place in places.items():
            one.store(place, 0)
            assert one.total(str(room)) == 0
        assert keys(interest, 0) == []
    finally:
        census.room_key = real
