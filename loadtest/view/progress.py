"""How a load test stands at a moment: what a view is fed with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hubbub.loadtest.results import Spread

PHASES = ("ramp", "hold", "drain")
"""The phases of every run, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One look at a run, four times a second or so."""

    phase: str
    """One of `PHASES`."""
    fraction: float
    """How much of the phase is over, 0 to 1."""
    elapsed: float
    """Seconds since the start of the run."""
    clients: int
    """Clients asked for."""
    connected: int
    """Clients connected now."""
    sent_s: float
    """Messages sent a second, lately."""
    received_s: float
    """Messages received a second, lately."""
    latency_ms: Spread | None = None
    """Latencies lately; None where nothing was received."""
    totals: Mapping[str, int] = field(default_factory=dict)
    """Counts since the start, by the names of the results: sent, received, lost, …"""
    errors: Mapping[str, int] = field(default_factory=dict)
    """Errors since the start, by kind."""
    lag_ms_max: float = 0.0
    """How late the generator was lately, at worst, in milliseconds."""
    workers: Sequence[Mapping[str, object]] | None = None
    """The server's workers as its status has them; None where it is out of reach."""
    note: str = ""
    """What was last done to the server: "worker 1 killed"."""


class View(Protocol):
    """What shows a run while it goes on: a context manager around it."""

    def __enter__(self) -> "View":
        """Begin to show."""

    def __exit__(self, *error: object) -> None:
        """Leave the terminal as it was found, the last look still on it."""

    def update(self, progress: Progress) -> None:
        """Show how the run stands. Never raises because of the terminal."""
