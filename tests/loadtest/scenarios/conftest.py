"""A scenario against a cluster of its own, small and short."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from hubbub.loadtest.plan import Given, Plan, effective
from hubbub.loadtest.results import VIOLATIONS, Results
from hubbub.loadtest.run import run
from hubbub.loadtest.scenarios.catalogue import SCENARIOS
from hubbub.loadtest.target import Target
from hubbub.loadtest.view.progress import Progress, View
from hubbub.people.place import Place
from tests.e2e.conftest import Cluster

Play = Callable[..., Results]


class Blind:
    """A view that shows nothing."""

    def update(self, progress: Progress) -> None:
        """Look away."""


@contextmanager
def _blind() -> Iterator[View]:
    yield Blind()


def plan_of(name: str, **given: Any) -> Plan:
    """Return the plan of a scenario as the command would."""
    return effective(SCENARIOS[name].defaults(), Given(**given))


@pytest.fixture
def play() -> Play:
    """Carry out a scenario with a few clients; return what was found."""

    def go(name: str, **given: Any) -> Results:
        small = {"clients": 60, "rooms": 6, "ramp": 0.3, "duration": 3.0}
        plan = plan_of(name, **{**small, "workers": 2, "canaries": 0, **given})
        return run(plan, SCENARIOS[name](), _blind())

    return go


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that is not started yet."""
    made = Cluster(tmp_path)
    yield made
    made.end()


class MadeUpStage:
    """A stage without a load.

    Attributes:
        notes: what was noted.
        marks: what was marked.
        drops: how often all were dropped.
        says: the status of its server.
        ended: connections that have ended as was to be expected.
        errors: what was blamed on the server.
        missing: how many do not come back, by drop, counted from 1.
    """

    server = Target(
        Place(False, "127.0.0.1", 9, "/ws"), ("127.0.0.1", 9), None, "ws://x"
    )

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.notes: list[str] = []
        self.marks: list[str] = []
        self.drops = 0
        self.ended = 0
        self.errors: dict[str, int] = {}
        self.says: dict[str, Any] | None = None
        self.missing: dict[int, int] = {}
        self._start = trio.current_time()

    @property
    def elapsed(self) -> float:
        return trio.current_time() - self._start

    async def wait(self, seconds: float) -> None:
        await trio.sleep(seconds)

    def mark(self, text: str, at: float | None = None) -> None:
        self.marks.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def total(self, name: str) -> int:
        return {"connected": self.plan.clients - self.missing.get(self.drops, 0)}[name]

    def forgiven(self) -> int:
        return self.ended

    def blame(self, kind: str, count: int) -> None:
        self.errors[kind] = count

    async def status(self) -> dict[str, Any] | None:
        return self.says

    async def drop(self) -> None:
        self.drops += 1

    async def back(self, since: float) -> float:
        if self.drops in self.missing:
            await trio.sleep_forever()
        return since + 0.05

    async def sleep(self) -> None:
        """Nobody is here to sleep."""


def assert_kept(found: Results) -> None:
    """Check that no promise was broken, and that there was something to keep."""
    assert found.received > 100
    for kind in VIOLATIONS:
        assert not getattr(found, kind), (kind, found.violations)
    assert found.closed == 0
    assert found.errors == {}
    assert found.connected == found.clients


def marks(found: Results, text: str) -> list[float]:
    """Return when the marks with `text` in them are."""
    return [mark.t for mark in found.marks if text in mark.text]
