"""When a worker sheds, says that it has outgrown its ceiling, or leaves. Pure."""

import pytest

from hubbub.server.ceilings import AGAIN, JITTER, Ceilings, Growth, Step

SOFT, HARD = 1000, 2000


@pytest.fixture
def ceilings() -> Ceilings:
    return Ceilings(SOFT, HARD, 0.5)


def test_below_the_soft_ceiling_nothing_happens(ceilings: Ceilings) -> None:
    assert ceilings.judge(SOFT, 0.0) is Step.NOTHING


def test_what_crosses_it_sheds_and_is_fine_if_that_was_enough(
    ceilings: Ceilings,
) -> None:
    assert ceilings.judge(SOFT + 1, 0.0) is Step.SHED
    assert ceilings.judge(SOFT, 0.25) is Step.NOTHING
    assert ceilings.judge(SOFT + 1, 0.5) is Step.SHED


def test_what_stays_above_has_outgrown_it_which_is_said_once(
    ceilings: Ceilings,
) -> None:
    steps = [ceilings.judge(SOFT + 1, now / 4) for now in range(int(4 * AGAIN))]
    assert steps[:2] == [Step.SHED, Step.OUTGROWN]
    assert set(steps[2:]) == {Step.NOTHING}
    assert ceilings.judge(SOFT + 1, AGAIN) is Step.SHED
    assert ceilings.judge(SOFT + 1, AGAIN + 0.25) is Step.NOTHING


def test_above_the_hard_one_it_leaves(ceilings: Ceilings) -> None:
    assert ceilings.judge(HARD, 0.0) is Step.SHED
    assert ceilings.judge(HARD + 1, 0.0) is Step.LEAVE


def test_none_is_none() -> None:
    ceilings = Ceilings(0, 0, 0.5)
    assert ceilings.judge(1 << 50, 0.0) is Step.NOTHING


def test_workers_differ_by_a_tenth_at_most() -> None:
    found = [Ceilings(SOFT, HARD, chance / 10).soft for chance in range(11)]
    assert found[0] == SOFT * (1 - JITTER)
    assert found[-1] == SOFT * (1 + JITTER)
    assert sorted(set(found)) == found
    assert Ceilings(SOFT, HARD, 1.0).hard == HARD


def test_growth_is_told_by_the_minute_over_the_last_one() -> None:
    growth = Growth()
    assert growth.per_minute == 0
    growth.add(100, 0.0)
    assert growth.per_minute == 0
    for second in range(1, 31):
        growth.add(100 + 5 * second, float(second))
    assert growth.per_minute == 300
    for second in range(31, 200):
        growth.add(250, float(second))
    assert growth.per_minute == 0
