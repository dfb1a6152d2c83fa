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

from hubbub.loadtest.plan import Given, Plan, effective
from hubbub.loadtest.results import VIOLATIONS, Results
from hubbub.loadtest.run import run
from hubbub.loadtest.scenarios.scenario import Scenario
from hubbub.loadtest.swarm.client import Seat
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
    rate = 64.0


class Moving(Rooms):
    """The same, with members that leave and go elsewhere all the time."""

    name = "moving"
    returns = 0.1

    def seats(self, plan: Plan) -> Iterator[Seat]:
        for seat in super().seats(plan):
            yield seat._replace(stays=0.4, roams=plan.rooms)


class Blind:
    """A view that shows nothing."""

    def update(self, progress: Progress) -> None:
        """Look away."""


@contextmanager
def _blind() -> Iterator[View]:
    yield Blind()


def load(server: Broken, scenario: Scenario | None = None, **given: Any) -> Results:
    scenario = scenario or Rooms()
    short = {"ramp": 0.1, "duration": 0.7, "canaries": 0, "url": server.url}
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


CANARY_FAULTS = {**FAULTS, "corrupt": {"corrupted"}}
del CANARY_FAULTS["echo"]  # It is not up to canaries alone: see test_canary.py.


@pytest.mark.parametrize("fault", CANARY_FAULTS)
def test_canaries_alone_name_what_only_they_are_served_wrongly(
    broken: Callable[..., Broken], fault: str
) -> None:
    server = broken(fault, "--every", "49", "--victims", "canaries")
    found = load(server, canaries=4, rate=15.0)
    done = server.end()
    assert set(total(done)) == CANARY_FAULTS[fault]
    assert counts(found) == total(done)
    assert named(found) == done
    assert all("canary" in one.what for one in found.violations)


def test_last_message_that_never_comes_is_missed(
    broken: Callable[..., Broken], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubbub.loadtest.run._DRAIN_PATIENCE", 0.5)
    server = broken("last")
    found = load(server, rate=5.0, canaries=4)
    done = server.end()
    # Of 10 rooms of 5, four have a canary, of which one speaks.
    assert counts(found) == total(done) == {"lost": 50 * 4 + 4 * 5 + 5}
    assert named(found) <= done


def test_server_that_relays_nothing_loses_every_message(
    broken: Callable[..., Broken], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubbub.loadtest.run._DRAIN_PATIENCE", 0.3)
    server = broken("drop", "--every", "1")
    found = load(server, rate=5.0, canaries=4)
    done = server.end()
    assert found.received == 0
    assert found.lost == found.expected == total(done)["lost"]


def test_join_that_is_in_force_too_late_is_noticed(
    broken: Callable[..., Broken], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubbub.loadtest.run._DRAIN_PATIENCE", 0.5)
    server = broken("late")
    found = load(server, Moving(), rate=20.0, duration=1.0)
    done = server.end()
    assert counts(found).keys() == {"lost"}
    assert {mark[:4] for mark in named(found)} <= {mark[:4] for mark in done}


def test_last_word_of_who_has_left_is_missed(
    broken: Callable[..., Broken], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubbub.loadtest.run._DRAIN_PATIENCE", 0.5)
    server = broken("last")
    found = load(server, Moving(), clients=10, rooms=2, rate=20.0, duration=2.0)
    server.end()
    assert counts(found).keys() == {"lost"}
    # Who is there in the end is one sender each: the others have left before.
    assert len({one.sender for one in found.violations}) > found.clients


def test_content_that_was_changed_is_noticed_by_mass_clients_in_samples(
    broken: Callable[..., Broken],
) -> None:
    server = broken("corrupt", "--every", "1")
    found = load(server)
    done = server.end()
    assert counts(found).keys() == {"corrupted"}
    # The first of each sender, and one of 64 of the others.
    assert 200 + found.received / 100 < found.corrupted <= 200 + found.received / 64
    assert named(found).keys() <= done.keys()


def quiet(found: Results) -> None:
    assert found.received == found.expected > 100
    assert counts(found) == {}
    assert found.violations == []


@pytest.mark.parametrize("scenario", [Rooms, Moving])
def test_server_that_keeps_its_promises_is_not_accused(
    broken: Callable[..., Broken], scenario: type[Scenario]
) -> None:
    found = load(broken("none"), scenario(), canaries=4, processes=2)
    quiet(found)
    assert found.closed == 0
    assert found.errors == {}
    assert found.canaries == 5


def test_client_that_is_cut_off_is_counted_and_nobody_else_accused(
    broken: Callable[..., Broken],
) -> None:
    found = load(broken("close"), canaries=4)
    quiet(found)
    assert found.closed == 1
    assert set(found.errors) in ({"lost"}, {"lost_ECONNRESET"})


def test_server_that_dies_in_the_middle_still_gets_its_report(
    broken: Callable[..., Broken],
) -> None:
    found = load(broken("die"), canaries=4)
    assert counts(found) == {}
    assert found.received > 2_000
    assert found.connected == 50
    assert found.closed == 55
    assert found.duration_s < 2.5
    assert found.series[-1].connected == 0
