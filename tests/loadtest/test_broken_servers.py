"""Servers that break a promise are caught, each fault named, every time."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hubbub.loadtest.plan import Given, effective
from hubbub.loadtest.results import VIOLATIONS, Results
from hubbub.loadtest.run import run
from hubbub.loadtest.scenarios.scenario import Scenario
from hubbub.loadtest.view.progress import Progress, View

pytestmark = pytest.mark.slow

SERVER = Path(__file__).with_name("broken_server.py")
Done = Counter[tuple[str, int, int, int]]
"""(kind, room, sender, number): members."""


class Broken:
    """A server that is broken in one way, in a process of its own."""

    def __init__(self, fault: str, *args: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, SERVER, fault, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = f"ws://127.0.0.1:{int(self._process.stdout.readline())}"

    def end(self) -> Done:
        """End it; return what it has done."""
        try:
            told, _ = self._process.communicate(timeout=10)
        finally:
            self._process.kill()
        done: Done = Counter()
        for *mark, count in json.loads(told or "[]"):
            done[tuple(mark)] = count
        return done


@pytest.fixture
def broken() -> Iterator[Callable[..., Broken]]:
    made: list[Broken] = []

    def start(fault: str, *args: str) -> Broken:
        made.append(Broken(fault, *args))
        return made[-1]

    yield start
    for one in made:
        one._process.kill()
        one._process.communicate()


class Rooms(Scenario):
    """Rooms of five in which everybody speaks."""

    name = "rooms"
    clients = 50
    rooms = 10
    rate = 45.0


class Blind:
    """A view that shows nothing."""

    def update(self, progress: Progress) -> None:
        """Look away."""


@contextmanager
def _blind() -> Iterator[View]:
    yield Blind()


def load(server: Broken, scenario: Scenario | None = None, **given: Any) -> Results:
    scenario = scenario or Rooms()
    short = {"ramp": 0.2, "duration": 1.0, "canaries": 0, "url": server.url}
    plan = effective(scenario.defaults(), Given(**{**short, **given}))
    return run(plan, scenario, _blind())


def named(found: Results) -> Done:
    """Return the violations of a report as the server counts them."""
    return Counter(
        (one.kind, int(str(one.room)), int(str(one.sender)), int(one.number or 0))
        for one in found.violations
    )


def counts(found: Results) -> dict[str, int]:
    return {kind: getattr(found, kind) for kind in VIOLATIONS if getattr(found, kind)}


def total(done: Done) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for (kind, *_), count in done.items():
        sums[kind] += count
    return dict(sums)


FAULTS = {
    "drop": {"lost"},
    "duplicate": {"duplicated"},
    "reorder": {"reordered"},
    "swap": {"reordered"},
    "mix": {"misrouted"},
    "echo": {"misrouted"},
    "garble": {"corrupted", "lost"},
    "cut": {"corrupted", "lost"},
    "never": {"lost"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_mass_clients_name_every_thousandth_message(
    broken: Callable[..., Broken], fault: str
) -> None:
    server = broken(fault)
    found = load(server)
    done = server.end()
    assert set(total(done)) == FAULTS[fault]
    assert counts(found) == total(done)
    if sum(done.values()) <= 100:
        assert named(found) == done
    else:
        assert named(found) <= done
    assert found.closed == 0
    assert found.errors == {}
