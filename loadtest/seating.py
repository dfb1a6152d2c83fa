"""Who sits where: what each process of mass clients is born with, and the canaries."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from hubbub.loadtest.plan import Plan
from hubbub.loadtest.scenarios.scenario import Scenario
from hubbub.loadtest.swarm.client import Seat
from hubbub.loadtest.swarm.swarm import Orders
from hubbub.loadtest.target import Target

MOST_HEARD: Final = 2_000.0
"""Messages a second that all canaries hear together."""
MOST_SAID: Final = 1.0
"""Messages a second of the canary that speaks."""


def orders(
    plan: Plan, scenario: Scenario, server: Target, name: str
) -> Iterator[Orders]:
    """Give the orders of each process of mass clients, then those of the canaries."""
    crowd = list(scenario.seats(plan))
    parts = [crowd[number :: plan.processes] for number in range(plan.processes)]
    for number, seats in enumerate([*parts, list(canary_seats(plan, crowd))]):
        yield Orders(
            address=server.address,
            host=server.place.authority,
            prefix=f"/rooms/{name}.",
            size=plan.size,
            rate=plan.rate,
            seats=seats,
            returns=scenario.returns,
            forgiven=scenario.forgiven,
            seed=plan.seed + number,
        )


def canary_seats(plan: Plan, crowd: Sequence[Seat]) -> Iterator[Seat]:
    """Give canaries their seats, spread over the rooms that they can follow.

    Args:
        plan: says how many canaries are wanted.
        crowd: where the mass clients sit.

    Returns:
        The seats, the first with a voice; the last one is in an empty room.
    """
    if not plan.canaries:
        return
    speakers = Counter(seat.room for seat in crowd if seat.speaks)
    rooms = sorted({seat.room for seat in crowd})
    name = max(seat.name for seat in crowd) + 1
    left, speaks = MOST_HEARD, plan.rate > 0
    for turn in range(plan.canaries):
        room = rooms[turn * len(rooms) // plan.canaries]
        heard = speakers[room] * plan.rate + MOST_SAID
        if heard <= left:
            left -= heard
            yield Seat(name + turn, room, speaks)
            speaks = False
    empty = max(rooms[-1] + 1, plan.rooms)
    yield Seat(name + plan.canaries, empty, False)


def notes(plan: Plan, seated: int) -> list[str]:
    """Tell if there was no room slow enough for all canaries that were wanted."""
    missing = plan.canaries + 1 - seated
    if not plan.canaries or not missing:
        return []
    return [
        f"{missing} of {plan.canaries} canaries stayed away: they cannot follow more "
        f"than {MOST_HEARD:,.0f} messages a second"
    ]
