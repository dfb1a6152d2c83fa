"""Which cases are run, and that those that were not are missed."""

from tests.conformance.selection import CASES, missing, select


def test_all_groups_are_517_cases() -> None:
    chosen = select(CASES)
    assert sum(chosen.counts.values()) == 517
    assert chosen.patterns == [f"{group}.*" for group in CASES]


def test_everyday_run_samples_every_subgroup_of_12_and_13_alone() -> None:
    chosen = select(CASES, sampled=True)
    assert sum(chosen.counts.values()) == 349
    cut = {g: n for g, n in chosen.counts.items() if n != CASES[g]}
    assert cut == {12: 20, 13: 28}
    single = [pattern for pattern in chosen.patterns if "*" not in pattern]
    subgroups = [f"12.{n}" for n in range(1, 6)] + [f"13.{n}" for n in range(1, 8)]
    wanted = [f"{subgroup}.{size}" for subgroup in subgroups for size in (1, 5, 11, 18)]
    assert single == wanted


def test_cases_that_were_not_run_are_missed() -> None:
    assert missing({2: 11, 3: 7, 10: 1}, {2: 10, 10: 1}) == {2: 1, 3: 7}
