"""Joins and leaves all the time."""

from collections.abc import Iterator
from typing import ClassVar, Final

from hubbub.loadtest.plan import Plan
from hubbub.loadtest.scenarios.scenario import Scenario, Stage
from hubbub.loadtest.swarm.client import Seat

_LONGEST: Final = 3.0
"""Seconds of a stay, on average."""


class Churn(Scenario):
    """Rooms of ten; everybody keeps leaving for another one.

    A stay takes three seconds on average, less in a short run, so that everybody moves
    several times. Who leaves says goodbye and waits for the answer: all that it has
    said must have reached everybody it was for.
    """

    name: ClassVar[str] = "churn"
    clients: ClassVar[int] = 500
    rooms: ClassVar[int] = 50
    returns: ClassVar[float | None] = 0.5

    def __init__(self) -> None:
        self._began = (0.0, 0)

    def seats(self, plan: Plan) -> Iterator[Seat]:
        """Let everybody stay for a while, then try another room."""
        stays = min(_LONGEST, plan.duration / 5)
        for name in range(plan.clients):
            yield Seat(name, name % plan.rooms, stays=stays, roams=plan.rooms)

    async def act(self, stage: Stage) -> None:
        """Remember how many joins there were before."""
        self._began = (stage.elapsed, stage.total("joins"))
        await stage.wait(stage.plan.duration)

    async def sum_up(self, stage: Stage) -> None:
        """Note how many joins there were, and how many a second."""
        began, before = self._began
        joins = stage.total("joins") - before
        seconds = stage.elapsed - began
        stage.note(f"{joins:,} joins in {seconds:.1f} s, {joins / seconds:,.0f}/s")
