"""Restart arithmetic, as tables of times and pauses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.settings import Restarts
from hubbub.supervisor.restarts import Tally, after_exit, pause

SETTINGS = Restarts(jitter=0.0)
MIDDLE = 0.5  # a chance that adds nothing to a pause


@pytest.mark.parametrize(
    ("row", "seconds"),
    [(1, 0.1), (2, 0.2), (3, 0.4), (6, 3.2), (7, 5.0), (50, 5.0), (10**6, 5.0)],
)
def test_pause_doubles_up_to_its_cap(row: int, seconds: float) -> None:
    assert pause(SETTINGS, row, MIDDLE) == pytest.approx(seconds)


def test_jitter_spreads_the_pause_to_both_sides() -> None:
    settings = Restarts(jitter=0.2)
    assert pause(settings, 1, 0.0) == pytest.approx(0.08)
    assert pause(settings, 1, 0.5) == pytest.approx(0.1)
    assert pause(settings, 1, 0.999999) == pytest.approx(0.12, abs=1e-5)


@given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_pause_is_never_over_its_cap_or_negative(row: int, chance: float) -> None:
    assert 0 <= pause(Restarts(jitter=1.0), row, chance) <= 5.0


def exits(settings: Restarts, *times: float, lived: float = 0.0) -> list[float | None]:
    tally, pauses = Tally(), []
    for now in times:
        tally, wait = after_exit(tally, settings, now, lived=lived, chance=MIDDLE)
        pauses.append(wait)
    return pauses


def test_sixth_exit_in_the_window_gives_up() -> None:
    pauses = exits(SETTINGS, 0, 1, 2, 3, 4, 5)
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, None])


def test_exit_that_left_the_window_is_forgotten() -> None:
    assert exits(SETTINGS, 0, 1, 2, 3, 4, 30)[-1] is not None
    assert exits(SETTINGS, 0, 1, 2, 3, 4, 29.9)[-1] is None


def test_healthy_life_resets_the_pause() -> None:
    tally = Tally(row=5)
    tally, wait = after_exit(tally, SETTINGS, 100, lived=30.0, chance=MIDDLE)
    assert (tally.row, wait) == (1, pytest.approx(0.1))
    tally, wait = after_exit(tally, SETTINGS, 130, lived=29.9, chance=MIDDLE)
    assert (tally.row, wait) == (2, pytest.approx(0.2))


def test_exit_that_does_not_count_earns_a_pause_and_never_gives_up() -> None:
    tally, waits = Tally(), []
    for now in range(20):
        tally, wait = after_exit(
            tally, SETTINGS, now, lived=0, chance=MIDDLE, counts=False
        )
        waits.append(wait)
    assert None not in waits
    assert waits[-1] == 5.0
    assert tally.exits == ()


@given(st.lists(st.floats(0.001, 20), min_size=1, max_size=60))
def test_never_more_than_intensity_restarts_in_a_window(gaps: list[float]) -> None:
    tally, now, restarted = Tally(), 0.0, []
    for gap in gaps:
        now += gap
        tally, wait = after_exit(tally, SETTINGS, now, lived=0, chance=MIDDLE)
        if wait is None:
            break
        restarted.append(now)
        young = [at for at in restarted if now - at < SETTINGS.window]
        assert len(young) <= SETTINGS.intensity
