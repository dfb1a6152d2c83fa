"""All drop and return at once."""

from typing import ClassVar, Final

from hubbub.loadtest.scenarios.scenario import Scenario, Stage

_STORMS: Final = 2


class ReconnectStorm(Scenario):
    """All connections drop at the same moment, and everybody returns.

    Twice in a run, as when a proxy or a network in between fails. Nobody says goodbye
    (half of the connections end with RST), and nobody waits a moment before it
    returns. The figure is the time until the last one is back in its room.
    """

    name: ClassVar[str] = "reconnect-storm"
    rooms: ClassVar[int] = 100
    returns: ClassVar[float | None] = 0.0

    def __init__(self) -> None:
        self._took: list[float] = []
        self._storms = 0

    async def act(self, stage: Stage) -> None:
        """Drop all, wait until they are back, and so again."""
        pause = stage.plan.duration / (_STORMS + 1)
        start = stage.elapsed
        for turn in range(_STORMS):
            await stage.wait(start + (turn + 1) * pause - stage.elapsed)
            since = stage.elapsed
            stage.mark("all connections dropped")
            self._storms += 1
            await stage.drop()
            back = await stage.back(since)
            self._took.append(back - since)
            stage.mark(f"all back after {self._took[-1]:.2f} s", back)
        await stage.wait(stage.plan.duration)

    async def sum_up(self, stage: Stage) -> None:
        """Note how long it took, each time."""
        if self._took:
            times = " and ".join(f"{seconds:.2f} s" for seconds in self._took)
            stage.note(f"all {stage.plan.clients:,} clients were back after {times}")
        if len(self._took) < self._storms:
            stage.note(
                f"{stage.total('connected'):,} of {stage.plan.clients:,} clients were "
                "back when the load ended"
            )
