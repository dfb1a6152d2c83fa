"""Pauses grow, are bounded, and are drawn from nothing up to their ceiling."""

from hubbub.people.backoff import FIRST, MOST, Backoff


def test_ceiling_doubles_up_to_the_most() -> None:
    backoff = Backoff(lambda: 1.0)
    pauses = [backoff.next_pause() for _ in range(8)]
    assert pauses == [FIRST, 1.0, 2.0, 4.0, 8.0, 16.0, MOST, MOST]


def test_jitter_is_full() -> None:
    chances = iter([0.0, 0.25, 0.5])
    backoff = Backoff(lambda: next(chances))
    assert [backoff.next_pause() for _ in range(3)] == [0.0, 0.25, 1.0]


def test_reset_begins_anew() -> None:
    backoff = Backoff(lambda: 1.0)
    for _ in range(5):
        backoff.next_pause()
    backoff.reset()
    assert backoff.next_pause() == FIRST


def test_any_number_of_failures_is_bounded() -> None:
    backoff = Backoff(lambda: 1.0)
    assert max(backoff.next_pause() for _ in range(5000)) == MOST
