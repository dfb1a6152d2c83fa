"""A rolling restart under way."""

from typing import ClassVar

from hubbub.loadtest import chaos
from hubbub.loadtest.scenarios.scenario import Scenario, Stage


class Restart(Scenario):
    """Rooms of ten; every worker is replaced, one after the other.

    After a quarter of the time a rolling restart begins. The workers say goodbye to
    their clients (1001 or 1012), who return within a second. Nobody may lose a
    connection in another way, and members of workers whose turn it is not must not miss
    anything.
    """

    name: ClassVar[str] = "restart"
    rooms: ClassVar[int] = 100
    returns: ClassVar[float | None] = 1.0
    forgiven: ClassVar[frozenset[str]] = frozenset(
        {"closed_1001", "closed_1012", "upgrade_503"}
    )
    local: ClassVar[bool] = True

    def __init__(self) -> None:
        self._begun = self._done = False

    async def act(self, stage: Stage) -> None:
        """Restart all workers and wait until everybody is back."""
        await stage.wait(stage.plan.duration / 4)
        self._begun, since = True, stage.elapsed
        stage.mark("rolling restart")
        count = await chaos.restart(stage, stage.mark)
        took = stage.elapsed - since
        stage.note(f"{count} workers were replaced in {took:.2f} s")
        self._done = True
        back = await stage.back(since)
        stage.mark(f"all back after {back - since:.2f} s", back)
        stage.note(f"all clients were back after {back - since:.2f} s")
        await stage.wait(stage.plan.duration)

    async def sum_up(self, stage: Stage) -> None:
        """Note if the restart was not over in time."""
        if self._begun and not self._done:
            stage.note("the rolling restart was not over when the load ended")
