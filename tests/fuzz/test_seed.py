"""A case that failed can be had again."""

from random import Random

import pytest

from tests.fuzz import seed
from tests.fuzz.mutation import cut, mutate


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FUZZ_CASE", raising=False)
    monkeypatch.setattr(seed, "TIMES", 1)


def test_cases_of_one_name_are_the_same_in_every_run() -> None:
    runs: list[list[float]] = [[], []]
    for run in runs:
        seed.each("a", 5, lambda random, run=run: run.append(random.random()))
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 5
    other: list[float] = []
    seed.each("b", 5, lambda random: other.append(random.random()))
    assert not set(other) & set(runs[0])


def test_failure_says_how_to_have_its_case_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def check(random: Random) -> None:
        seen.append(random.random())
        assert len(seen) < 4

    seen: list[float] = []
    with pytest.raises(AssertionError) as caught:
        seed.each("a", 10, check)
    assert caught.value.__notes__[-1] == f"again: FUZZ_SEED={seed.SEED} FUZZ_CASE=3"
    monkeypatch.setenv("FUZZ_CASE", "3")
    again: list[float] = []
    seed.each("a", 10, lambda random: again.append(random.random()))
    assert again == seen[3:]


def test_pieces_make_the_whole() -> None:
    def check(random: Random) -> None:
        data = mutate(random, b"0123456789" * 3, [b"abc"]) + b"."
        pieces = cut(random, data)
        assert b"".join(pieces) == data
        assert all(pieces)

    seed.each("pieces", 200, check)
