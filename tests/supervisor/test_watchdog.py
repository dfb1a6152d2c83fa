"""Who is late: a table of pulses and verdicts."""

from dataclasses import replace

import pytest

from hubbub.settings import Drain, Restarts, Watchdog
from hubbub.supervisor.slot import Event, State
from hubbub.supervisor.watchdog import Judge, Pulse

START = 1000.0


def judge() -> Judge:
    return Judge(Watchdog(late=5.0, dump=1.0), Restarts(boot=10.0), Drain(grace=30.0))


def pulse(
    state: State,
    *,
    heartbeat: float = 0.0,
    ready: bool = True,
    deaf_at: float | None = None,
) -> Pulse:
    return Pulse(0, 1, state, START, ready, heartbeat, deaf_at)


def verdict(one: Pulse, after: float, lateness: float = 0.0) -> Event | None:
    events = judge().judge(START + after, lateness, [one])
    return events[0][1] if events else None


@pytest.mark.parametrize(
    ("state", "after", "event"),
    [
        (State.REQUESTED, 9.9, None),
        (State.REQUESTED, 10.0, Event.BOOT_LATE),
        (State.ALIVE, 9.9, None),
        (State.ALIVE, 10.0, Event.BOOT_LATE),
        (State.READY, 4.9, None),
        (State.READY, 5.0, Event.HEARTBEAT_LATE),
        (State.SUSPECT, 0.9, None),
        (State.SUSPECT, 1.0, Event.DUMP_OVER),
        (State.DRAINING, 4.9, None),
        (State.DRAINING, 5.0, Event.HEARTBEAT_LATE),
        (State.CANCELLED, 1e6, None),
        (State.KILLED, 1e6, None),
    ],
)
def test_deadline_of_each_state_without_heartbeats(
    state: State, after: float, event: Event | None
) -> None:
    assert verdict(pulse(state), after) is event


def test_heartbeat_puts_the_deadline_off() -> None:
    beating = pulse(State.READY, heartbeat=START + 100)
    assert verdict(beating, 104.9) is None
    assert verdict(beating, 105) is Event.HEARTBEAT_LATE


def test_suspect_that_beats_again_is_back() -> None:
    back = pulse(State.SUSPECT, heartbeat=START + 0.5)
    assert verdict(back, 0.6) is Event.HEARTBEAT_BACK


def test_draining_worker_that_beats_has_the_grace_period() -> None:
    beating = pulse(State.DRAINING, heartbeat=START + 29)
    assert verdict(beating, 29.9) is None
    assert verdict(beating, 30) is Event.DRAIN_OVER


def test_draining_worker_that_was_never_ready_has_two_seconds() -> None:
    young = pulse(State.DRAINING, ready=False)
    assert verdict(young, 1.9) is None
    assert verdict(young, 2.0) is Event.DRAIN_OVER


def test_worker_that_closed_its_channel_and_lives_on_is_given_a_second() -> None:
    deaf = pulse(State.READY, heartbeat=START + 3, deaf_at=START + 2)
    assert verdict(deaf, 2.9) is None
    assert verdict(deaf, 3.0) is Event.CHANNEL


def test_late_loop_grants_everybody_a_fresh_deadline() -> None:
    watchdog = judge()
    silent = [pulse(State.READY), replace(pulse(State.ALIVE), slot=1)]
    assert watchdog.judge(START + 60, 50.0, silent) == []
    assert watchdog.judge(START + 64.9, 0.0, silent) == []
    events = [event for _, event in watchdog.judge(START + 65, 0.0, silent)]
    assert events == [Event.HEARTBEAT_LATE]


def test_loop_that_is_late_by_little_judges_as_ever() -> None:
    assert verdict(pulse(State.READY), 5.0, lateness=0.9) is Event.HEARTBEAT_LATE
