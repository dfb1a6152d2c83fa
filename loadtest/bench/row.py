"""A row of the table: one figure beside its floor, and what it should be.

Rounds alternate (floor, server, floor, server), so that what disturbs the machine
meets both; a row shows medians over the rounds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median


class Invalid(Exception):
    """A run that measured nothing: something was lost, closed, or too slow."""


class Late(Invalid):
    """The generator did not keep its rate: that says nothing about a server."""


@dataclass(frozen=True, slots=True)
class Target:
    """What one value of a row should be; exactly one bound is given."""

    of: str
    """Which: "ratio", "hubbub", or a key of the row's `more`."""
    at_most: float | None = None
    at_least: float | None = None

    def reached_by(self, value: float) -> bool:
        """Return whether `value` keeps within the bound."""
        if self.at_most is not None:
            return value <= self.at_most
        return self.at_least is not None and value >= self.at_least


@dataclass(frozen=True, slots=True)
class Options:
    """How to measure."""

    seconds: float = 2.5
    """Length of a round."""
    rounds: int = 3
    """Rounds of each side."""
    scale: float = 1.0
    """Factor on all sizes; other figures than those of 1 have no targets."""

    def sized(self, size: int, step: int = 1) -> int:
        """Return `size` to scale: a multiple of `step`, never 0."""
        return max(1, round(size * self.scale / step)) * step


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    name: str
    """What `--only` calls it, with a part behind a dot if it has several rows."""
    what: str
    """What was measured, with its sizes."""
    unit: str
    """Of `floor` and `hubbub`; smaller is better."""
    floor: float | None
    """What it is held against; None: nothing."""
    hubbub: float
    beside: str = ""
    """What the floor is."""
    target: Target | None = None
    """None: for information."""
    more: dict[str, float] = field(default_factory=dict)
    """Further figures, their unit at the end of the name."""
    note: str = ""
    rounds: tuple[tuple[float, ...], ...] = ()
    """Floor and hubbub of each round, in `unit`."""
    others: float = 0.0
    """Part of the machine's CPUs that others used meanwhile: above a tenth, the figures
    are theirs too."""

    @property
    def ratio(self) -> float | None:
        """Hubbub over floor: the median of the rounds' ratios."""
        if self.rounds:
            return median(hubbub / floor for floor, hubbub in self.rounds)
        return self.hubbub / self.floor if self.floor else None

    @property
    def judged(self) -> float | None:
        """The value that the target is about."""
        if self.target is None:
            return None
        if self.target.of == "ratio":
            return self.ratio
        return self.hubbub if self.target.of == "hubbub" else self.more[self.target.of]

    @property
    def ok(self) -> bool | None:
        """Whether the target is reached; None: there is none."""
        value = self.judged
        if self.target is None or value is None:
            return None
        return self.target.reached_by(value)


def in_turns(rounds: int, *sides: Callable[[], float]) -> tuple[tuple[float, ...], ...]:
    """Measure `sides` in turn, `rounds` times; return the values of each round."""
    return tuple(tuple(side() for side in sides) for _ in range(rounds))


def middle(rounds: Sequence[Sequence[float]], side: int) -> float:
    """Return the median of one side."""
    return median(values[side] for values in rounds)
