"""How large a run of a scenario is, and what it broke."""

from dataclasses import dataclass, field

import pytest

from tests.faults.crowd import Size
from tests.faults.history import Session


@dataclass(frozen=True)
class Plan:
    """How large a run of a scenario is."""

    crowd: Size
    calm: float
    """Fault-free part, seconds."""
    after: float
    """What is watched after the fault, seconds."""
    workers: int = 4
    full: bool = True
    latency: float = 0.025
    """A p99 under this is good whatever the calm part's was, seconds: where others use
    the machine, the ratio of two small figures is their noise."""


FULL = Plan(Size(), calm=6.0, after=10.0)
QUICK = Plan(
    Size(rooms=8, members=10, jitter=0.4),
    calm=0.6,
    after=0.7,
    full=False,
    # The p99 of a second is a handful of deliveries: only a standstill is told apart.
    latency=0.25,
)
sizes = pytest.mark.parametrize(
    "plan",
    [
        pytest.param(QUICK, id="quick"),
        pytest.param(FULL, id="full", marks=pytest.mark.long),
    ],
)
"""A scenario in two sizes: the quick one runs in every `make test`."""


@dataclass(frozen=True)
class Fault:
    """What was broken, and when."""

    slot: int
    generation: int
    pid: int
    at: float
    """time.monotonic()"""
    wall: float
    """time.time(), which is what the journal has."""
    victims: list[Session] = field(default_factory=list, repr=False)
    """Sessions that the worker served."""
