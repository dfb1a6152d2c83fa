"""The schedule of a load: fixed beforehand, even, without drift."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.loadtest.pacer import Pacer

SECOND = 1_000_000_000


def everything(pacer: Pacer) -> list[tuple[int, int]]:
    found = []
    while pacer.due < pacer.end:
        found.append(pacer.next())
    return found


def test_senders_speak_in_turn_evenly_spread() -> None:
    pacer = Pacer(senders=2, rate=2.0, start=100, end=100 + SECOND)
    quarter = SECOND // 4
    assert everything(pacer) == [
        (0, 100),
        (1, 100 + quarter),
        (0, 100 + 2 * quarter),
        (1, 100 + 3 * quarter),
    ]


@given(
    st.integers(1, 50),
    st.floats(0.1, 50),
    st.integers(0, 1 << 60),
    st.floats(0.01, 2),
)
def test_as_many_are_due_as_rate_and_time_say(
    senders: int, rate: float, start: int, seconds: float
) -> None:
    pacer = Pacer(senders, rate, start, start + int(seconds * SECOND))
    found = everything(pacer)
    assert abs(len(found) - senders * rate * seconds) <= 1
    dues = [due for _, due in found]
    assert dues == sorted(dues)
    assert dues[0] == start
    assert [sender for sender, _ in found] == [
        turn % senders for turn in range(len(found))
    ]


def test_schedule_does_not_depend_on_when_it_is_looked_at() -> None:
    # A sender that was held up finds all that was due meanwhile, at the old times.
    late, punctual = Pacer(3, 7.0, 0, SECOND), Pacer(3, 7.0, 0, SECOND)
    assert everything(late) == everything(punctual)


def test_ten_million_messages_do_not_drift() -> None:
    pacer = Pacer(1, 3.0, 0, 1 << 62)
    pacer._turn = 10_000_000 - 1
    pacer.next()
    assert abs(pacer.due - 10_000_000 * SECOND / 3) < 1_000


@pytest.mark.parametrize(("senders", "rate"), [(0, 1.0), (5, 0.0), (0, 0.0)])
def test_nobody_or_no_rate_has_nothing_due(senders: int, rate: float) -> None:
    pacer = Pacer(senders, rate, 100, 200)
    assert pacer.due >= pacer.end


def test_stopped_schedule_has_nothing_due() -> None:
    pacer = Pacer(1, 1000.0, 100, 1 << 62)
    pacer.next()
    pacer.end = 0
    assert everything(pacer) == []
