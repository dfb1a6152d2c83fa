"""The slot table: its rows, its two places, and what must hold whatever comes."""

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from hubbub.settings import Restarts
from hubbub.supervisor.slot import (
    TRANSITIONS,
    Action,
    Event,
    IllegalTransition,
    Kind,
    Slot,
    State,
    Step,
)

SETTINGS = Restarts(jitter=0.0)
SIGKILL = 9


def wanted() -> Slot:
    slot = Slot(3, SETTINGS)
    slot.want(0.0)
    return slot


def ready(now: float = 0.0) -> Slot:
    slot = wanted()
    generation = slot.handle(Event.FORK, now)[0].generation
    slot.handle(Event.HELLO, now, generation=generation)
    slot.handle(Event.READY, now, generation=generation)
    return slot


def steps(actions: list[Action]) -> list[Step]:
    return [action.step for action in actions]


def test_wanted_slot_is_due_at_once_and_forks_generation_one() -> None:
    slot = wanted()
    assert slot.due == 0.0
    assert slot.handle(Event.FORK, 0.5) == [Action(Step.SPAWN, 3, 1)]
    assert slot.due is None
    assert slot.incumbent is not None
    assert slot.incumbent.state is State.REQUESTED


def test_alive_and_ready_are_two_facts_with_two_times() -> None:
    slot = wanted()
    slot.handle(Event.FORK, 0.0)
    assert steps(slot.handle(Event.HELLO, 1.0, generation=1)) == [Step.LINK]
    worker = slot.incumbent
    assert worker is not None
    assert (worker.alive_at, worker.ready_at) == (1.0, None)
    assert slot.handle(Event.READY, 2.0, generation=1) == []
    assert (worker.alive_at, worker.ready_at) == (1.0, 2.0)
    assert slot.ever_ready


def test_crashed_worker_is_cleared_and_its_slot_due_after_the_pause() -> None:
    slot = ready()
    actions = slot.handle(Event.EXITED, 5.0, generation=1, signal=SIGKILL)
    assert actions == [Action(Step.CLEAR, 3, 1)]
    assert slot.workers == ()
    assert slot.due == pytest.approx(5.1)
    assert slot.last_exit is not None
    assert slot.last_exit.kind is Kind.CRASH
    assert slot.last_exit.lived == 5.0
    assert slot.handle(Event.FORK, 5.1)[0].generation == 2


def test_late_worker_is_dumped_then_killed_and_its_end_is_the_watchdogs() -> None:
    slot = ready()
    assert steps(slot.handle(Event.HEARTBEAT_LATE, 5, generation=1)) == [Step.DUMP]
    assert steps(slot.handle(Event.DUMP_OVER, 6, generation=1)) == [Step.KILL]
    slot.handle(Event.EXITED, 6, generation=1, signal=SIGKILL)
    assert slot.exits == {Kind.WATCHDOG: 1}
    assert slot.due is not None


def test_late_worker_that_comes_back_is_ready_again() -> None:
    slot = ready()
    slot.handle(Event.HEARTBEAT_LATE, 5, generation=1)
    assert slot.handle(Event.HEARTBEAT_BACK, 5.5, generation=1) == []
    assert slot.incumbent is not None
    assert slot.incumbent.state is State.READY


def test_suspect_that_dies_by_itself_has_crashed() -> None:
    slot = ready()
    slot.handle(Event.HEARTBEAT_LATE, 5, generation=1)
    slot.handle(Event.EXITED, 5.5, generation=1, code=1)
    assert slot.exits == {Kind.CRASH: 1}


def test_worker_that_is_not_ready_in_time_is_killed() -> None:
    slot = wanted()
    slot.handle(Event.FORK, 0)
    slot.handle(Event.HELLO, 0, generation=1)
    assert steps(slot.handle(Event.BOOT_LATE, 10, generation=1)) == [Step.KILL]
    slot.handle(Event.EXITED, 10, generation=1, signal=SIGKILL)
    assert slot.exits == {Kind.BOOT: 1}


def test_request_that_nobody_serves_kills_the_zygote_and_is_made_again() -> None:
    slot = wanted()
    slot.handle(Event.FORK, 0)
    assert steps(slot.handle(Event.BOOT_LATE, 10, generation=1)) == [Step.KILL_ZYGOTE]
    assert slot.handle(Event.NO_FORK, 10, generation=1) == []
    assert slot.due == pytest.approx(10.1)
    assert slot.last_exit is None
    assert slot.tally.exits == ()


def test_cancelled_request_that_was_served_after_all_is_killed_at_its_hello() -> None:
    slot = wanted()
    slot.handle(Event.FORK, 0)
    assert slot.stop(1) == []
    assert steps(slot.handle(Event.HELLO, 2, generation=1)) == [Step.KILL]
    slot.handle(Event.EXITED, 2, generation=1, signal=SIGKILL)
    assert slot.exits == {Kind.PLANNED: 1}
    assert slot.due is None


def test_exit_code_three_fails_the_slot_at_once() -> None:
    slot = ready()
    actions = slot.handle(Event.EXITED, 1, generation=1, code=3)
    assert steps(actions) == [Step.CLEAR, Step.GIVE_UP]
    assert slot.failed is not None
    assert slot.due is None


def test_sixth_crash_in_the_window_fails_the_slot_and_want_revives_it() -> None:
    slot = ready()
    now = 0.0
    for generation in range(1, 7):
        actions = slot.handle(Event.EXITED, now, generation=generation, code=1)
        if slot.due is not None:
            now = slot.due
            slot.handle(Event.FORK, now)
            slot.handle(Event.HELLO, now, generation=generation + 1)
            slot.handle(Event.READY, now, generation=generation + 1)
    assert steps(actions) == [Step.CLEAR, Step.GIVE_UP]
    assert slot.generation == 6
    assert slot.failed == "more than 5 unplanned exits in 30 s"
    slot.want(100.0)
    assert (slot.failed, slot.due) == (None, 100.0)


def test_stopped_slot_drains_its_worker_and_stays_empty() -> None:
    slot = ready()
    assert steps(slot.stop(1)) == [Step.DRAIN]
    assert slot.stop(1) == []
    assert steps(slot.handle(Event.EXITED, 2, generation=1, code=0)) == [Step.CLEAR]
    assert slot.exits == {Kind.PLANNED: 1}
    assert slot.due is None


def test_drain_that_is_not_done_in_time_ends_with_a_kill_and_was_planned() -> None:
    slot = ready()
    slot.stop(1)
    assert steps(slot.handle(Event.DRAIN_OVER, 31, generation=1)) == [Step.KILL]
    slot.handle(Event.EXITED, 31, generation=1, signal=SIGKILL)
    assert slot.last_exit is not None
    assert (slot.last_exit.kind, slot.last_exit.killed) == (Kind.PLANNED, True)


def test_stop_now_kills_whoever_is_there() -> None:
    assert steps(ready().stop(1, Event.KILL)) == [Step.KILL]


def test_worker_that_leaves_by_itself_is_replaced_and_counts_for_nothing() -> None:
    slot = ready()
    for generation in range(1, 20):
        slot.handle(Event.EXITED, 0, generation=generation, code=0)
        assert slot.due is not None
        slot.handle(Event.FORK, slot.due)
        slot.handle(Event.HELLO, 0, generation=generation + 1)
        slot.handle(Event.READY, 0, generation=generation + 1)
    assert slot.exits == {Kind.LEFT: 19}
    assert slot.failed is None


def test_worker_that_exits_with_zero_before_it_was_ready_has_crashed() -> None:
    slot = wanted()
    slot.handle(Event.FORK, 0)
    slot.handle(Event.HELLO, 0, generation=1)
    slot.handle(Event.EXITED, 0, generation=1, code=0)
    assert slot.exits == {Kind.CRASH: 1}


# Incumbent and successor


def test_ready_successor_drains_the_incumbent_and_takes_its_place() -> None:
    slot = ready()
    assert slot.handle(Event.RENEW, 1) == [Action(Step.SPAWN, 3, 2)]
    slot.handle(Event.HELLO, 1, generation=2)
    assert [w.generation for w in slot.workers] == [1, 2]
    assert slot.handle(Event.READY, 2, generation=2) == [Action(Step.DRAIN, 3, 1)]
    slot.handle(Event.EXITED, 3, generation=1, code=0)
    assert [w.generation for w in slot.workers] == [2]
    assert slot.successor is None
    assert slot.due is None
    assert slot.tally.row == 0


def test_successor_that_dies_leaves_the_incumbent_as_it_was() -> None:
    slot = ready()
    slot.handle(Event.RENEW, 1)
    slot.handle(Event.HELLO, 1, generation=2)
    slot.handle(Event.EXITED, 1, generation=2, code=1)
    assert [w.generation for w in slot.workers] == [1]
    assert slot.due is None
    assert slot.tally.row == 0


def test_next_successor_never_has_the_parity_of_the_living_incumbent() -> None:
    slot = ready()
    slot.handle(Event.RENEW, 1)
    slot.handle(Event.NO_FORK, 1, generation=2)
    assert slot.handle(Event.RENEW, 2) == [Action(Step.SPAWN, 3, 4)]


def test_incumbent_that_crashes_in_a_roll_is_followed_by_its_successor() -> None:
    slot = ready()
    slot.handle(Event.RENEW, 1)
    slot.handle(Event.EXITED, 1, generation=1, signal=SIGKILL)
    assert slot.incumbent is not None
    assert slot.incumbent.generation == 2
    assert slot.due is None
    slot.handle(Event.HELLO, 1, generation=2)
    assert slot.handle(Event.READY, 1, generation=2) == []


# What is not in the table


def test_missing_row_raises_with_state_and_event() -> None:
    slot = ready()
    with pytest.raises(IllegalTransition, match=r"slot 3: HELLO in state READY") as one:
        slot.handle(Event.HELLO, 1, generation=1)
    assert (one.value.state, one.value.event) == (State.READY, Event.HELLO)


@pytest.mark.parametrize("event", [e for e in Event if e is not Event.FORK])
def test_nobody_there_has_no_events(event: Event) -> None:
    with pytest.raises(IllegalTransition):
        wanted().handle(event, 0, generation=7)


def test_fork_is_refused_unless_it_is_due() -> None:
    for slot in (ready(), Slot(0, SETTINGS)):
        with pytest.raises(IllegalTransition):
            slot.handle(Event.FORK, 0)


def test_second_successor_is_refused() -> None:
    slot = ready()
    slot.handle(Event.RENEW, 1)
    with pytest.raises(IllegalTransition):
        slot.handle(Event.RENEW, 1)


def test_every_state_leads_to_gone() -> None:
    reached = {State.GONE}
    while True:
        more = {s for (s, _), row in TRANSITIONS.items() if row.state in reached}
        if more <= reached:
            break
        reached |= more
    assert reached == set(State)


def test_killed_worker_waits_for_nothing_but_its_reaping() -> None:
    after = {row.state for (s, _), row in TRANSITIONS.items() if s is State.KILLED}
    assert after == {State.KILLED, State.GONE}


class SlotMachine(RuleBasedStateMachine):
    """Any legal history of one slot."""

    def __init__(self) -> None:
        super().__init__()
        self.slot = Slot(0, Restarts())
        self.now = 0.0
        self.crashed: list[float] = []
        self.doomed: set[int] = set()

    def carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            if action.step is Step.KILL:
                self.doomed.add(action.generation)
            if action.step is Step.GIVE_UP:
                assert not self.slot.workers

    @rule(seconds=st.sampled_from([0.01, 0.2, 1.0, 7.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: not self.slot.wanted)
    @rule()
    def want(self) -> None:
        self.slot.want(self.now)
        self.crashed.clear()

    @precondition(lambda self: self.slot.due is not None)
    @rule()
    def fork(self) -> None:
        assert self.slot.due is not None
        assert self.slot.failed is None
        self.now = max(self.now, self.slot.due)
        self.carry_out(self.slot.handle(Event.FORK, self.now))

    @rule(how=st.sampled_from([Event.DRAIN, Event.KILL]))
    def stop(self, how: Event) -> None:
        self.carry_out(self.slot.stop(self.now, how))

    @precondition(lambda self: self.slot.workers)
    @rule(
        data=st.data(),
        code=st.sampled_from([0, 1, 1, 3, None]),
        chance=st.floats(0, 1, exclude_max=True),
    )
    def something_happens(
        self, data: st.DataObject, code: int | None, chance: float
    ) -> None:
        worker = data.draw(st.sampled_from(self.slot.workers))
        legal = [event for (state, event) in TRANSITIONS if state is worker.state]
        if self.slot.successor or not self.slot.wanted:
            legal = [event for event in legal if event is not Event.RENEW]
        event = data.draw(st.sampled_from(legal))
        generation = None if event is Event.RENEW else worker.generation
        signal = SIGKILL if code is None else None
        was_incumbent = worker is self.slot.incumbent
        before = self.slot.exits.copy()
        self.carry_out(
            self.slot.handle(
                event,
                self.now,
                generation=generation,
                code=code,
                signal=signal,
                chance=chance,
            )
        )
        counted = (self.slot.exits - before).keys() - {
            Kind.PLANNED,
            Kind.LEFT,
            Kind.NO_FORK,
        }
        if counted and was_incumbent:
            self.crashed.append(self.now)

    @invariant()
    def never_more_than_two_workers(self) -> None:
        assert len(self.slot.workers) <= 2
        assert not (self.slot.successor and not self.slot.incumbent)

    @invariant()
    def two_workers_never_share_a_record(self) -> None:
        parities = [worker.generation & 1 for worker in self.slot.workers]
        assert len(set(parities)) == len(parities)

    @invariant()
    def crashes_never_cause_more_forks_than_the_intensity(self) -> None:
        if self.slot.failed or not self.slot.wanted:
            return
        window = self.slot.settings.window
        young = [at for at in self.crashed if self.now - at < window]
        if not self.slot.workers and self.slot.due is not None:
            assert len(young) <= self.slot.settings.intensity

    @invariant()
    def empty_wanted_slot_is_due_or_has_failed(self) -> None:
        slot = self.slot
        if slot.wanted and not slot.workers:
            assert (slot.due is None) == (slot.failed is not None)
        else:
            assert slot.due is None

    @invariant()
    def killed_stay_killed(self) -> None:
        for worker in self.slot.workers:
            if worker.generation in self.doomed:
                assert worker.state is State.KILLED


SlotMachine.TestCase.settings = hypothesis_settings(
    max_examples=60, stateful_step_count=40, deadline=None
)
TestSlotMachine = SlotMachine.TestCase
