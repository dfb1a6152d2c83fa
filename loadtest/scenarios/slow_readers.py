"""Some stop reading."""

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from hubbub.loadtest.plan import Plan
from hubbub.loadtest.scenarios.scenario import Scenario, Stage
from hubbub.loadtest.swarm.client import Seat

_EVERY: Final = 10
"""Of so many members one stops reading."""


class SlowReaders(Scenario):
    """One room that a member speaks to; a tenth stops reading.

    After a third of the time, and for good. A server has to end their connections
    before what it keeps for them costs it, and everybody else, too much: it is the
    latency of the others that counts, and that none of them is lost. Who sleeps hears
    nothing, so what becomes of it is told by the server's status.
    """

    name: ClassVar[str] = "slow-readers"
    clients: ClassVar[int] = 200
    rate: ClassVar[float] = 50.0
    size: ClassVar[int] = 4096

    def __init__(self) -> None:
        self._before = 0
        self._asleep = 0

    def seats(self, plan: Plan) -> Iterator[Seat]:
        """Give the first seat of each room a voice; let every tenth one sleep."""
        for name in range(plan.clients):
            speaks = name < plan.rooms
            sleeps = not speaks and name % _EVERY == _EVERY - 1
            self._asleep += sleeps
            yield Seat(name, name % plan.rooms, speaks, sleeps=sleeps)

    async def look(self, stage: Stage) -> None:
        """Remember how many slow readers the server has had before."""
        self._before = sum(_closed(await stage.status()).values())

    async def act(self, stage: Stage) -> None:
        """Let everybody read for a third of the time."""
        await stage.wait(stage.plan.duration / 3)
        stage.mark(f"{self._asleep} clients stop reading")
        await stage.sleep()
        await stage.wait(stage.plan.duration)

    async def sum_up(self, stage: Stage) -> None:
        """Note how many the server has closed."""
        closed = _closed(await stage.status())
        if not closed:
            stage.note("what the server did with slow readers is out of reach")
            return
        count = sum(closed.values()) - self._before
        why = ", ".join(f"{name} {number}" for name, number in closed.items() if number)
        stage.note(
            f"the server closed {count} of {self._asleep} slow readers"
            + (f" ({why})" if why else "")
        )


def _closed(status: dict[str, Any] | None) -> dict[str, int]:
    """Return how many slow readers were closed, by the limit they were at."""
    sums: dict[str, int] = {}
    for row in (status or {"workers": ()})["workers"]:
        for name, number in row["slow_closed_by"].items():
            sums[name] = sums.get(name, 0) + number
    return sums
