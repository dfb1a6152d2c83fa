"""What a scenario is: who sits where, who speaks, and what happens meanwhile."""

from collections.abc import Iterator
from typing import Any, ClassVar, Protocol

from hubbub.loadtest.plan import Plan
from hubbub.loadtest.swarm.client import Seat
from hubbub.loadtest.target import Target


class Stage(Protocol):
    """What a scenario can do while the load is held."""

    @property
    def plan(self) -> Plan:
        """The effective plan."""

    @property
    def server(self) -> Target:
        """Whom the load is on."""

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""

    async def wait(self, seconds: float) -> None:
        """Let the load go on."""

    def mark(self, text: str, at: float | None = None) -> None:
        """Write on the time axis of all reports what is done.

        Args:
            text: a few words.
            at: when, seconds since the start; None: now.
        """

    def total(self, name: str) -> int:
        """Return a sum over all clients so far: joins, sent, received, connected."""

    def note(self, text: str) -> None:
        """Write a sentence into the results: what this scenario is to find out."""

    def forgiven(self) -> int:
        """Return how many connections have ended as was to be expected."""

    def blame(self, kind: str, count: int) -> None:
        """Count errors that no client can see by itself."""

    async def status(self) -> dict[str, Any] | None:
        """Return the cluster's status; None where it cannot be asked."""

    async def drop(self) -> None:
        """Make all clients lose their connections at once, half by RST, and return."""

    async def back(self, since: float) -> float:
        """Wait until all clients, of whom some have left since, are connected again.

        Args:
            since: seconds since the start.

        Returns:
            When the last one was back, seconds since the start.
        """

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
    size: ClassVar[int] = 100
    """Bytes of a message."""
    ramp: ClassVar[float] = 2.0
    """Seconds over which clients connect."""
    returns: ClassVar[float | None] = None
    """Who loses its connection comes back after 0 to so many seconds; None: never."""
    forgiven: ClassVar[frozenset[str]] = frozenset()
    """Ends of connections that the scenario is about: noted, but no errors."""
    local: ClassVar[bool] = False
    """Whether it needs the cluster's run directory."""

    allowed: ClassVar[frozenset[str]] = frozenset()
    """Names of results that make no verdict fail here."""

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return what holds for a plan that says nothing else."""
        return {
            "scenario": cls.name,
            "clients": cls.clients,
            "rooms": cls.rooms,
            "rate": cls.rate,
            "size": cls.size,
            "ramp": cls.ramp,
        }

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]

    def seats(self, plan: Plan) -> Iterator[Seat]:
        """Give the seat of each client, in the order in which they connect."""
        for name in range(plan.clients):
            yield Seat(name, name % plan.rooms)

    async def look(self, stage: Stage) -> None:
        """See how the server is before anybody connects."""

    async def act(self, stage: Stage) -> None:
        """Do what the scenario is about while the load is held.

        It is cancelled at the end of the hold phase, whatever it is doing.
        """
        await stage.wait(stage.plan.duration)

    async def sum_up(self, stage: Stage) -> None:
        """Note what was found; all is quiet, and who stays is still connected."""
