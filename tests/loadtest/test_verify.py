"""What a member heard, and which promises that breaks."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.loadtest.message import SMALLEST, encode
from hubbub.loadtest.verify import (
    KINDS,
    MOST_VIOLATIONS,
    Ledger,
    Sender,
    missing_at_end,
)

SIZE = SMALLEST + 20
ROOM, ANN, BEN = 7, 1, 2
JOINED = 1_000
"""Messages with a number n are sent at n * 10."""


class Listener:
    """A member of a room."""

    name = "client 5"
    sender = 5

    def __init__(self, joined: int = 0) -> None:
        self.room = ROOM
        self.joined = joined
        self.last: dict[int, int] = {}


def said(number: int, sender: int = ANN, room: int = ROOM) -> bytes:
    before = (number - 1) * 10
    return encode(room, sender, number, 0, number * 10, before, SIZE)


def hear(
    *numbers: int, member: Listener | None = None, ledger: Ledger | None = None
) -> Ledger:
    """Let one member hear messages of Ann's, in this order."""
    member, ledger = member or Listener(), ledger or Ledger()
    for t, number in enumerate(numbers):
        assert ledger.take(member, said(number), SIZE, t)
    return ledger


def found(ledger: Ledger) -> dict[str, int]:
    return {kind: count for kind, count in ledger.counts.items() if count}


def first(ledger: Ledger) -> list[tuple[str, int]]:
    return [(one.kind, one.number) for one in ledger.first]


def test_every_message_once_in_order_is_no_violation() -> None:
    assert found(hear(1, 2, 3, 4)) == {}


def test_senders_are_counted_each_for_itself() -> None:
    member, ledger = Listener(), Ledger()
    for sender, number in ((ANN, 1), (BEN, 1), (BEN, 2), (ANN, 2), (BEN, 3)):
        ledger.take(member, said(number, sender), SIZE, 0)
    assert found(ledger) == {}
    assert member.last == {ANN: 2, BEN: 3}


def test_member_names_what_was_lost_when_a_later_message_comes() -> None:
    ledger = hear(1, 2, 5)
    assert found(ledger) == {"lost": 2}
    (one,) = ledger.first
    assert one == ("lost", ROOM, ANN, 3, 2, "client 5 heard 5 after 2")


def test_member_names_what_it_hears_twice() -> None:
    ledger = hear(1, 2, 2, 3, 1)
    assert found(ledger) == {"duplicated": 2}
    assert first(ledger) == [("duplicated", 2), ("duplicated", 1)]


def test_message_heard_after_a_later_one_was_reordered_and_is_not_lost() -> None:
    ledger = hear(1, 3, 2, 4)
    assert found(ledger) == {"reordered": 1}
    (one,) = ledger.first
    assert one == ("reordered", ROOM, ANN, 2, 2, "client 5 heard it after 3")


def test_gap_is_described_by_what_is_still_missing_of_it() -> None:
    ledger = hear(1, 5, 2, 4)
    assert found(ledger) == {"lost": 1, "reordered": 2}
    assert first(ledger) == [("lost", 3), ("reordered", 2), ("reordered", 4)]


def test_late_message_that_comes_again_was_duplicated() -> None:
    assert found(hear(1, 3, 2, 2)) == {"reordered": 1, "duplicated": 1}


def test_messages_heard_before_a_gap_are_duplicates_when_they_come_again() -> None:
    assert found(hear(1, 2, 3, 5, 2)) == {"lost": 1, "duplicated": 1}


def test_first_message_may_be_any_if_the_one_before_was_sent_before_the_join() -> None:
    # Number 100 was sent at the very moment of the join's answer: it may be missed.
    assert found(hear(101, 102, member=Listener(JOINED))) == {}


def test_first_message_tells_that_the_one_before_it_is_lost() -> None:
    ledger = hear(102, 103, member=Listener(JOINED))
    assert found(ledger) == {"lost": 1}
    (one,) = ledger.first
    assert one[:5] == ("lost", ROOM, ANN, 101, 0)
    assert one.what == "client 5 had joined, and heard 102 first"


def test_first_two_messages_in_the_wrong_order_are_not_lost() -> None:
    ledger = hear(102, 101, 103, member=Listener(JOINED))
    assert found(ledger) == {"reordered": 1}
    assert first(ledger) == [("reordered", 101)]


def test_message_from_before_the_first_one_was_reordered_then_duplicated() -> None:
    ledger = hear(101, 99, 98, 99, 101, member=Listener(JOINED))
    assert found(ledger) == {"reordered": 2, "duplicated": 2}


def test_message_of_another_room_is_misrouted_and_counts_in_no_sequence() -> None:
    member, ledger = Listener(), Ledger()
    assert ledger.take(member, said(1, room=8), SIZE, 9)
    assert member.last == {}
    assert ledger.first == [
        ("misrouted", 8, ANN, 1, 9, "client 5 heard it in room 7"),
    ]


def test_own_message_is_misrouted_every_time() -> None:
    member, ledger = Listener(), Ledger()
    for number in (1, 2):
        assert ledger.take(member, said(number, Listener.sender), SIZE, 0)
    assert found(ledger) == {"misrouted": 2}


def test_bytes_that_are_none_of_ours_are_corrupted_and_not_received() -> None:
    ledger = Ledger()
    for payload in (b"", b"hello", b"\0" * SIZE, said(1)[:-1], said(1) + b"!"):
        assert not ledger.take(Listener(), payload, SIZE, 0)
    assert found(ledger) == {"corrupted": 5}


@pytest.mark.parametrize("at", range(SIZE))
def test_no_byte_of_a_message_can_change_unnoticed(at: int) -> None:
    payload = bytearray(said(1))
    payload[at] ^= 0x20
    ledger = Ledger()
    ledger.take(Listener(), bytes(payload), SIZE, 0)
    assert found(ledger) == {"corrupted": 1}


def test_damaged_message_that_is_recognised_is_not_missed_as_well() -> None:
    member, ledger = Listener(), Ledger()
    assert ledger.take(member, said(1)[:-1] + b"\0", SIZE, 3)
    ledger.take(member, said(2), SIZE, 4)
    assert found(ledger) == {"corrupted": 1}
    assert ledger.first[0][:5] == ("corrupted", ROOM, ANN, 1, 3)


def test_message_whose_number_was_damaged_is_missed_as_well() -> None:
    member, ledger = Listener(), Ledger()
    ledger.take(member, said(1), SIZE, 0)
    damaged = said(2).replace((2).to_bytes(8, "little"), (9).to_bytes(8, "little"))
    assert not ledger.take(member, damaged, SIZE, 0)
    ledger.take(member, said(3), SIZE, 0)
    assert found(ledger) == {"corrupted": 1, "lost": 1}


def test_members_are_judged_each_for_itself() -> None:
    one, two, ledger = Listener(), Listener(), Ledger()
    hear(1, 3, member=one, ledger=ledger)
    hear(1, 2, 2, member=two, ledger=ledger)
    assert found(ledger) == {"lost": 1, "duplicated": 1}
    hear(2, member=one, ledger=ledger)
    assert found(ledger) == {"reordered": 1, "duplicated": 1}


def test_what_was_lost_in_a_membership_that_has_ended_stays_lost() -> None:
    member, ledger = Listener(), Ledger()
    hear(1, 3, member=member, ledger=ledger)
    ledger.forget(member)
    member.last, member.joined = {}, JOINED
    hear(2, member=member, ledger=ledger)
    assert found(ledger) == {"lost": 1}
    ledger.forget(member)
    ledger.forget(member)


def test_all_are_counted_and_the_first_hundred_described() -> None:
    ledger = hear(*range(1, 400, 2))
    assert found(ledger) == {"lost": 199}
    assert len(ledger.first) == MOST_VIOLATIONS


def test_description_that_is_taken_back_makes_room_for_another() -> None:
    ledger = hear(*range(1, 2 * MOST_VIOLATIONS + 2, 2))
    assert ledger.first[-1].number == 2 * MOST_VIOLATIONS
    member = Listener()
    hear(1, 3, 2, member=member, ledger=ledger)
    assert len(ledger.first) == MOST_VIOLATIONS
    assert found(ledger) == {"lost": MOST_VIOLATIONS, "reordered": 1}


def test_gap_larger_than_memory_is_counted_in_full() -> None:
    ledger = hear(1, 1_000_002, 5)
    assert ledger.counts["lost"] == 1_000_000


def test_memory_that_was_used_up_comes_back_with_the_members_that_leave() -> None:
    ledger = Ledger()
    crowd = [Listener(JOINED) for _ in range(3)]
    for member in crowd:
        hear(101, 9_000, member=member, ledger=ledger)
    for member in crowd:
        ledger.forget(member)
    lost = ledger.counts["lost"]
    hear(101, 9_000, 8_000, member=Listener(JOINED), ledger=ledger)
    assert ledger.counts["reordered"] == 1
    assert ledger.counts["lost"] == lost + 8_898 - 1


@given(
    st.lists(st.integers(1, 30), max_size=60),
    st.integers(0, 310),
)
def test_every_order_is_judged_as_a_simple_count_would(
    numbers: list[int], joined: int
) -> None:
    ledger = hear(*numbers, member=Listener(joined))
    heard: set[int] = set()
    expected = dict.fromkeys(KINDS, 0)
    for number in numbers:
        if number in heard:
            expected["duplicated"] += 1
        elif heard and number < max(heard):
            expected["reordered"] += 1
        heard.add(number)
    if heard:
        begin = numbers[0]
        # Of what came before the first one heard, only the last is known to be due.
        if (begin - 1) * 10 > joined and begin > 1:
            begin -= 1
        expected["lost"] = len(set(range(begin, max(heard))) - heard)
    assert ledger.counts == expected
    described = sum(1 for kind, *_ in ledger.first if kind == "lost")
    assert bool(described) == bool(expected["lost"])


def test_counts_stay_whole_when_members_come_and_go_at_random() -> None:
    chance, ledger = random.Random(1), Ledger()
    crowd = [Listener() for _ in range(20)]
    received = 0
    for t in range(5_000):
        member = chance.choice(crowd)
        received += ledger.take(member, said(chance.randrange(1, 40)), SIZE, t)
        if chance.random() < 0.02:
            ledger.forget(member)
            member.last = {}
    assert received == 5_000
    for member in crowd:
        ledger.forget(member)
    assert ledger._remembered == 0


def test_member_misses_at_the_end_what_senders_are_certain_to_have_sent() -> None:
    senders = {
        ANN: Sender(ROOM, 10, 2_000, 1),
        BEN: Sender(ROOM, 4, 2_000, 1),
        3: Sender(ROOM, 1, 1_001, 1_001),
        4: Sender(ROOM, 8, 1_000, 1),
        5: Sender(ROOM, 8, 9_000, 1),
        6: Sender(ROOM, 0, 0, 0),
        # It cannot know how many of these were said after it had joined.
        7: Sender(ROOM, 8, 9_000, 1_000),
        8: Sender(ROOM, 8, 9_000, 1_001),
    }
    last = {ANN: 7, BEN: 4}
    missing = missing_at_end(JOINED, last, senders, own=5)
    assert missing == {ANN: 3, 3: 1, 7: 1, 8: 8}


def test_what_is_missing_at_the_end_is_lost() -> None:
    member, ledger = Listener(), Ledger()
    hear(1, 2, member=member, ledger=ledger)
    ledger.missing(member, ANN, 3, 77)
    assert found(ledger) == {"lost": 3}
    what = "client 5 heard none of the last 3"
    assert ledger.first == [("lost", ROOM, ANN, 3, 77, what)]
