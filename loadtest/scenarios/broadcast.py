"""One big room that a few speak to."""

from collections.abc import Iterator
from typing import ClassVar

from hubbub.loadtest.plan import Plan
from hubbub.loadtest.scenarios.scenario import Scenario
from hubbub.loadtest.swarm.client import Seat


class Broadcast(Scenario):
    """One room for all; one member speaks, twenty times a second."""

    name: ClassVar[str] = "broadcast"
    rate: ClassVar[float] = 20.0

    def seats(self, plan: Plan) -> Iterator[Seat]:
        """Give the first seat of each room a voice."""
        for name in range(plan.clients):
            yield Seat(name, name % plan.rooms, speaks=name < plan.rooms)
