"""Which of the suite's 517 cases are run.

Groups 12 and 13 send a thousand messages a case with permessage-deflate: 12.1 to 12.5
are five kinds of data with the usual offer of a client, 13.1 to 13.7 are seven other
offers (windows, context takeover, several at once). Each of these twelve has the same
18 sizes of messages and fragments, and all of them together take minutes. So the
everyday run takes every other group whole, and of each of the twelve the sizes in
SAMPLE.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

CASES: Final = {
    1: 16,
    2: 11,
    3: 7,
    4: 10,
    5: 20,
    6: 145,
    7: 37,
    9: 54,
    10: 1,
    12: 90,
    13: 126,
}
"""How many cases each group of the suite has; one that was not run is a failure too."""

SIZES: Final = 18
"""Cases of each subgroup of groups 12 and 13."""
SAMPLE: Final = {
    1: "16 bytes: below compression_least, so the answers are not compressed",
    5: "4 KiB in one frame",
    11: "8 KiB in fragments of 256 bytes",
    18: "128 KiB in fragments of 32 KiB: longer than the largest window",
}
"""The sizes that the everyday run has of each subgroup of groups 12 and 13."""


class Selection(NamedTuple):
    """The cases of one run."""

    patterns: list[str]
    """What the suite is told, such as `6.*` or `12.1.5`."""
    counts: dict[int, int]
    """How many cases these are of each group."""


def select(groups: Iterable[int], sampled: bool = False) -> Selection:
    """Choose cases.

    Args:
        groups: the groups of the suite.
        sampled: whether of groups 12 and 13 only SAMPLE is run.
    """
    patterns: list[str] = []
    counts: dict[int, int] = {}
    for group in sorted(groups):
        if sampled and group in (12, 13):
            chosen = [
                f"{group}.{subgroup}.{size}"
                for subgroup in range(1, CASES[group] // SIZES + 1)
                for size in SAMPLE
            ]
            patterns += chosen
            counts[group] = len(chosen)
        else:
            patterns.append(f"{group}.*")
            counts[group] = CASES[group]
    return Selection(patterns, counts)


def missing(wanted: Mapping[int, int], run: Mapping[int, int]) -> dict[int, int]:
    """Return how many cases of each group were not run, where any were not.

    Args:
        wanted: `counts` of a selection.
        run: how many cases of each group have a verdict.
    """
    return {g: n - run.get(g, 0) for g, n in wanted.items() if n != run.get(g, 0)}
