"""What a scenario is: who sits where, who speaks, and what happens meanwhile."""

from collections.abc import Iterator
from typing import ClassVar, Protocol

from hubbub.loadtest.plan import Plan
from hubbub.loadtest.swarm.client import Seat


class Stage(Protocol):
    """What a scenario can do while the load is held."""

    @property
    def plan(self) -> Plan:
        """The effective plan."""

    async def wait(self, seconds: float) -> None:
        """Let the load go on."""

    def mark(self, text: str) -> None:
        """Write on the time axis of all reports what is done now."""

    async def drop(self) -> None:
        """Make all clients lose their connections at once and return."""

    async def sleep(self) -> None:
        """Make the seats that sleep stop reading."""


class Scenario:
    """Base of all scenarios: everybody connects, speaks at the plan's rate, stays."""

    name: ClassVar[str]
    """As `--scenario` takes it."""
    clients: ClassVar[int] = 1000
    """Of a plan that names none; so are the others."""
    rooms: ClassVar[int] = 1
    rate: ClassVar[float] = 1.0
    """Messages a second of each client that speaks."""
    returns: ClassVar[float | None] = None
    """Who loses its connection comes back within so many seconds; None: never."""
    forgiven: ClassVar[frozenset[str]] = frozenset()
    """Ends of connections that the scenario is about: no errors of the server."""
    local: ClassVar[bool] = False
    """Whether it needs the cluster's run directory."""

    @property
    def allowed(self) -> frozenset[str]:
        """Names of results that make no verdict fail here."""
        return frozenset(f"errors.{kind}" for kind in self.forgiven)

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]

    def seats(self, plan: Plan) -> Iterator[Seat]:
        """Give the seat of each client, in the order in which they connect."""
        for name in range(plan.clients):
            yield Seat(name, name % plan.rooms)

    async def act(self, stage: Stage) -> None:
        """Do what the scenario is about while the load is held.

        It is cancelled at the end of the hold phase, whatever it is doing.
        """
        await stage.wait(stage.plan.duration)
