"""Where chance comes from: every case can be had again.

A case is made by a generator of its own, seeded with the run's seed, the name of what
is fuzzed and the number of the case. What fails says how to have it again alone::

    FUZZ_SEED=7 FUZZ_CASE=312 make test ARGS="tests/fuzz -k decoder"

FUZZ_SEED: the run's seed, 1 by default, so that a test run is the same everywhere.
FUZZ_TIMES: makes runs that many times longer.
FUZZ_CASE: only the case of this number.
"""

import os
from collections.abc import Callable, Iterable
from random import Random

SEED = os.environ.get("FUZZ_SEED", "1")
TIMES = int(os.environ.get("FUZZ_TIMES", "1"))


def random_of(name: str, number: int, seed: str = SEED) -> Random:
    """Return the generator of one case."""
    return Random(f"{seed}/{name}/{number}")


def replay(number: int, seed: str = SEED) -> str:
    """Return what to put before a command to have a case again alone."""
    return f"FUZZ_SEED={seed} FUZZ_CASE={number}"


def each(name: str, count: int, check: Callable[[Random], None]) -> None:
    """Call `check` with the generator of every case.

    Args:
        name: of what is fuzzed; two names have unlike cases.
        count: of cases, times FUZZ_TIMES.
        check: raises where a case shows a defect.

    Raises:
        Whatever `check` raised, with a note that says how to have the case again.
    """
    chosen = os.environ.get("FUZZ_CASE")
    numbers: Iterable[int] = range(count * TIMES) if chosen is None else [int(chosen)]
    for number in numbers:
        try:
            check(random_of(name, number))
        except BaseException as error:
            error.add_note(f"again: {replay(number)}")
            raise
