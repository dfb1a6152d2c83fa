"""Memory."""

from typing import Any, ClassVar

from hubbub.loadtest.scenarios.scenario import Scenario, Stage


class Idle(Scenario):
    """Rooms of ten in which nobody says a word; what they cost.

    The figure is the private memory of the server's workers, with the clients less
    before them, for each of its connections. What a worker needs for its first few
    connections is in it, so it is true for thousands. Clients answer pings.
    """

    name: ClassVar[str] = "idle"
    clients: ClassVar[int] = 5000
    rooms: ClassVar[int] = 500
    rate: ClassVar[float] = 0.0
    ramp: ClassVar[float] = 5.0

    def __init__(self) -> None:
        self._before = (0, 0)

    async def look(self, stage: Stage) -> None:
        """Remember the memory without clients."""
        self._before = _held(await stage.status())

    async def sum_up(self, stage: Stage) -> None:
        """Note the memory of a connection."""
        status = await stage.status()
        if status is None:
            stage.note("the memory of the server is out of reach")
            return
        private, connections = (
            now - before
            for now, before in zip(_held(status), self._before, strict=True)
        )
        if connections > 0:
            stage.note(
                f"{private / connections:,.0f} bytes of private memory for each of "
                f"{connections:,} connections"
            )


def _held(status: dict[str, Any] | None) -> tuple[int, int]:
    """Return (private bytes, connections) of all workers."""
    rows = (status or {"workers": ()})["workers"]
    return (
        sum(row["memory"]["private"] for row in rows),
        sum(row["connections"] for row in rows),
    )
