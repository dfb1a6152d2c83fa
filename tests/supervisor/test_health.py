"""When a cluster counts as degraded."""

import pytest

from hubbub.settings import Restarts
from hubbub.supervisor.health import MOMENT, Health
from hubbub.supervisor.slot import Event, Slot


def ready_slot(index: int) -> Slot:
    slot = Slot(index, Restarts())
    slot.want(0)
    slot.handle(Event.FORK, 0)
    slot.handle(Event.HELLO, 0, generation=1)
    slot.handle(Event.READY, 0, generation=1)
    return slot


@pytest.fixture
def slots() -> list[Slot]:
    return [ready_slot(0), ready_slot(1)]


def test_all_ready_is_not_degraded(slots: list[Slot]) -> None:
    assert not Health().degraded(slots, 100)


def test_missing_worker_counts_after_a_moment(slots: list[Slot]) -> None:
    health = Health()
    slots[0].handle(Event.EXITED, 10, generation=1, signal=9)
    assert not health.degraded(slots, 10)
    assert not health.degraded(slots, 10 + MOMENT - 0.01)
    assert health.degraded(slots, 10 + MOMENT)
    slots[0].handle(Event.FORK, 13)
    slots[0].handle(Event.HELLO, 13, generation=2)
    assert health.degraded(slots, 13)
    slots[0].handle(Event.READY, 13, generation=2)
    assert not health.degraded(slots, 13)
    # The next moment begins anew.
    slots[1].handle(Event.EXITED, 13, generation=1, signal=9)
    assert not health.degraded(slots, 13.1)


def test_worker_that_is_late_counts_as_missing(slots: list[Slot]) -> None:
    health = Health()
    slots[1].handle(Event.HEARTBEAT_LATE, 10, generation=1)
    assert not health.degraded(slots, 10)
    assert health.degraded(slots, 10 + MOMENT)


def test_failed_slot_counts_at_once(slots: list[Slot]) -> None:
    slots[1].handle(Event.EXITED, 10, generation=1, code=3)
    assert slots[1].failed
    assert Health().degraded(slots, 10)


def test_slot_that_is_not_wanted_is_not_missed(slots: list[Slot]) -> None:
    slots[1].stop(10)
    slots[1].handle(Event.EXITED, 10, generation=1, code=0)
    health = Health()
    health.degraded(slots, 10)
    assert not health.degraded(slots, 10 + 2 * MOMENT)
