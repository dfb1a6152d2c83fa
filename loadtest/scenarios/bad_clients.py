"""Bad clients beside a healthy crowd."""

import os
import random
from typing import ClassVar, Final

import trio

from hubbub.loadtest import misdeeds
from hubbub.loadtest.scenarios.scenario import Scenario, Stage

_PAUSE: Final = 0.2
"""Seconds between two misdeeds of a kind: some fifty a second in all."""


class BadClients(Scenario):
    """Rooms of ten, beside garbage, half handshakes and floods.

    The rooms are a healthy crowd: its latency is what counts, and that nobody of it
    loses a message or the connection. What the server answers to each misdeed is
    noted, whatever it is.
    """

    name: ClassVar[str] = "bad-clients"
    clients: ClassVar[int] = 500
    rooms: ClassVar[int] = 50

    def __init__(self) -> None:
        self._answers: dict[str, dict[str, int]] = {
            kind: {} for kind in misdeeds.MISDEEDS
        }

    async def act(self, stage: Stage) -> None:
        """Misbehave from the first moment to the last."""
        stage.mark(f"bad clients of {len(misdeeds.MISDEEDS)} kinds begin")
        async with trio.open_nursery() as nursery:
            for turn, kind in enumerate(misdeeds.MISDEEDS):
                chance = random.Random(stage.plan.seed + turn)
                nursery.start_soon(self._misbehave, stage, kind, chance)

    async def _misbehave(self, stage: Stage, kind: str, chance: random.Random) -> None:
        answers = self._answers[kind]
        path = f"/rooms/bad-clients-{os.getpid()}"
        server, misdeed = stage.server, misdeeds.MISDEEDS[kind]
        await trio.sleep(chance.uniform(0, _PAUSE))  # Not all at the same moment.
        while True:
            answer = await misdeeds.commit(
                misdeed, server.address, server.place.authority, path, chance
            )
            answers[answer] = answers.get(answer, 0) + 1
            await stage.wait(_PAUSE)

    async def sum_up(self, stage: Stage) -> None:
        """Note what the server answered, by kind of misdeed."""
        for kind, answers in self._answers.items():
            told = ", ".join(
                f"{answer} ({count:,})"
                for answer, count in sorted(answers.items(), key=lambda one: -one[1])
            )
            stage.note(f"{kind}: {told or 'no answer yet'}")
