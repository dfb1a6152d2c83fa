"""The checker finds what it should: histories with one broken promise each."""

from collections.abc import Iterable

import pytest

from tests.faults.checker import check, latencies, percentile
from tests.faults.history import Gap, History, Kind, Sent, Session


def publisher(count: int, room: str = "a", acked: int | None = None) -> Session:
    """Return a stream of `count` messages, sent at 10, 11, …; `acked` of them (all)
    acknowledged half a second later."""
    session = Session(0, Kind.PUBLISHER, room, 0.0, 0.0, 0, 1)
    last = count if acked is None else acked
    for number in range(count):
        at = 10.0 + number
        session.sent.append(
            Sent(session, number, at, at + 0.5 if number < last else None)
        )
    return session


def member(
    stream: Session,
    numbers: Iterable[int | Gap],
    joined: float = 1.0,
    ended: float | None = None,
    room: str = "a",
) -> Session:
    """Return a member that heard these messages of `stream` and was told these gaps."""
    session = Session(1, Kind.NATIVE, room, 0.0, joined, 2, 1)
    for one in numbers:
        heard = one if isinstance(one, Gap) else stream.sent[one]
        session.heard.append((heard, heard.at + 0.1 if isinstance(heard, Sent) else 0))
    session.ended = ended
    return session


def test_everything_heard_in_order_breaks_no_promise() -> None:
    stream = publisher(4)
    verdict = check(History([stream, member(stream, range(4))]))
    assert (verdict.heard, verdict.wrong, verdict.samples) == (4, 0, [])


@pytest.mark.parametrize(
    ("numbers", "broken"),
    [
        ([0, 1, 3], {"lost": 1}),
        ([0, 1], {"lost": 2}),
        ([], {"lost": 4}),
        ([1, 2, 3], {"lost": 1}),
        ([0, 1, 1, 2, 3], {"doubled": 1}),
        ([0, 2, 1, 3], {"lost": 1, "reordered": 1}),
    ],
    ids=["hole", "tail", "all", "first", "twice", "order"],
)
def test_each_broken_promise_is_counted(
    numbers: list[int], broken: dict[str, int]
) -> None:
    stream = publisher(4)
    verdict = check(History([stream, member(stream, numbers)]))
    found = {name: getattr(verdict, name) for name in broken}
    assert found == broken
    assert verdict.wrong == sum(broken.values())
    assert len(verdict.samples) == verdict.wrong


def test_a_hole_that_was_told_is_not_lost() -> None:
    stream = publisher(5)
    told = check(History([stream, member(stream, [0, Gap(), 3, 4])]))
    assert (told.wrong, told.told) == (0, 2)
    at_end = check(History([stream, member(stream, [0, 1, 2, Gap()])]))
    assert (at_end.wrong, at_end.told) == (0, 2)


def test_a_gap_tells_of_one_hole_only() -> None:
    stream = publisher(6)
    verdict = check(History([stream, member(stream, [0, Gap(), 2, 4, 5])]))
    assert (verdict.told, verdict.lost) == (1, 1)


def test_a_gap_after_the_hole_comes_too_late() -> None:
    stream = publisher(4)
    verdict = check(History([stream, member(stream, [0, 2, 3, Gap()])]))
    assert (verdict.told, verdict.lost) == (0, 1)


def test_what_was_sent_before_the_join_may_come_or_not() -> None:
    stream = publisher(5)
    # Joined between messages 1 and 2.
    for numbers in (range(2, 5), range(1, 5), range(5)):
        verdict = check(History([stream, member(stream, numbers, joined=11.5)]))
        assert verdict.wrong == 0, numbers
    for numbers, lost in ((range(3, 5), 1), ([0, 2, 3, 4], 1), ([], 3)):
        verdict = check(History([stream, member(stream, numbers, joined=11.5)]))
        assert verdict.lost == lost, numbers


def test_a_session_that_ended_may_lack_a_tail_and_no_more() -> None:
    stream = publisher(4)
    verdict = check(History([stream, member(stream, [0, 1], ended=12.8)]))
    # Message 2 was acknowledged before the end, 3 sent after it.
    assert (verdict.wrong, verdict.tail) == (0, 1)
    assert verdict.tail_age == pytest.approx(0.3)
    hole = check(History([stream, member(stream, [0, 2], ended=12.8)]))
    assert hole.lost == 1


def test_what_was_not_acknowledged_is_unknown_and_not_lost() -> None:
    stream = publisher(4, acked=2)
    for numbers in ([0, 1], [0, 1, 2], range(4)):
        verdict = check(History([stream, member(stream, numbers)]))
        assert (verdict.wrong, verdict.unknown) == (0, 2), numbers
    # What came later on the same connection proves that the rest was taken, too.
    verdict = check(History([stream, member(stream, [0, 1, 3])]))
    assert verdict.lost == 1


def test_messages_of_another_room_are_leaked() -> None:
    own, other = publisher(2), publisher(2, "b")
    heard = member(own, range(2))
    heard.heard.append((other.sent[0], 11.0))
    verdict = check(History([own, other, heard]))
    assert (verdict.leaked, verdict.wrong) == (1, 1)


def test_messages_that_nobody_sent_are_strange() -> None:
    stream = publisher(1)
    heard, bystander = member(stream, [0]), member(stream, [0])
    history = History([stream, heard, bystander], [(heard, b"boo")])
    assert check(history).strange == 1
    assert check(history, [bystander]).strange == 0


def test_only_chosen_sessions_are_judged() -> None:
    stream = publisher(2)
    good, bad = member(stream, range(2)), member(stream, [0])
    history = History([stream, good, bad])
    assert check(history, [good]).wrong == 0
    assert check(history, [bad]).wrong == 1
    assert check(history).wrong == 1


def test_sessions_that_never_joined_are_owed_nothing() -> None:
    stream = publisher(2)
    refused = member(stream, [])
    refused.joined = None
    assert check(History([stream, refused])).wrong == 0


def test_latencies_are_those_of_the_window_and_the_slots() -> None:
    stream = publisher(4)
    heard = member(stream, range(4))
    assert latencies([heard], 11.0, 13.0) == pytest.approx([0.1, 0.1])
    assert latencies([heard], 0.0, 99.0, {0, 2}) == pytest.approx([0.1] * 4)
    # The message came by slot 0, the member is on slot 2: both have to be meant.
    assert latencies([heard], 0.0, 99.0, {2, 3}) == []
    assert latencies([heard], 0.0, 99.0, {0, 1}) == []


def test_percentile_of_nothing_is_not_a_number() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
    assert percentile([1.0, 2.0], 0.99) == 2.0
    assert percentile([], 0.99) != percentile([], 0.99)
