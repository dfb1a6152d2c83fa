"""The slot table: every state of a worker, and what each event does to it.

Rules:
1. Everything that decides about a worker's life is in this file, in TRANSITIONS.
   Whoever carries actions out decides nothing.
2. An event that the table does not know in a state is a bug in the supervisor and
   raises `IllegalTransition` with both names; there is no "else: ignore".
3. Pure: events and `now` come in, actions come out.

Theory. A *slot* is a numbered place for a worker, a *generation* the n-th worker to
hold it. A slot has two places: the *incumbent* serves, the *successor* is there only
while one worker replaces another in good order. Each place runs the same machine:

    GONE -fork-> REQUESTED -hello-> ALIVE -ready-> READY -late-> SUSPECT
                     |                |               |             |
                 CANCELLED        (all of them) -> DRAINING -> KILLED -> GONE

REQUESTED is a fork that was asked for and not yet reported; it has no pid that could
be killed, so whoever stops wanting it CANCELs and kills it when it says hello. KILLED
has had its SIGKILL and waits to be reaped; only a reaped worker is GONE. Alive (it
said hello) and ready (it listens) are separate facts with a time each, and so are
wanted (the slot should be filled) and actual (who is there).

When the incumbent is gone, the successor takes its place, whatever state it is in.
When a successor is gone, the incumbent stays: a roll that fails costs nothing. Heart-
beat, pid and shared-memory record belong to a worker (two records a slot, by parity of
the generation, hence two living workers of one slot never have the same parity); the
restart arithmetic belongs to the slot.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple, Never

from hubbub.settings import Restarts
from hubbub.supervisor import restarts


class State(Enum):
    """What a place in a slot holds."""

    GONE = "gone"
    REQUESTED = "requested"
    CANCELLED = "cancelled"
    ALIVE = "alive"
    READY = "ready"
    SUSPECT = "suspect"
    DRAINING = "draining"
    KILLED = "killed"


class Event(Enum):
    """What can happen to a worker, or be asked of it."""

    FORK = "fork"  # its time has come and there is a zygote
    HELLO = "hello"  # it runs and told its pid
    NO_FORK = "no_fork"  # its channel closed before a hello
    READY = "ready"  # it listens
    RENEW = "renew"  # replace it in good order
    SUCCEEDED = "succeeded"  # its successor is ready
    BOOT_LATE = "boot_late"  # not ready in time
    HEARTBEAT_LATE = "heartbeat_late"
    HEARTBEAT_BACK = "heartbeat_back"
    DUMP_OVER = "dump_over"  # it had its time to write its stack
    DRAIN = "drain"  # finish politely
    DRAIN_OVER = "drain_over"  # it had its time to finish
    CHANNEL = "channel"  # its channel is closed, jammed or makes no sense
    KILL = "kill"  # stop now
    EXITED = "exited"  # it was reaped


class Step(Enum):
    """What the fleet does to a worker."""

    SPAWN = "spawn"  # ask the zygote for it
    LINK = "link"  # connect it with the others
    DUMP = "dump"  # SIGUSR2: write your stack
    DRAIN = "drain"  # the drain message
    KILL = "kill"  # SIGKILL
    KILL_ZYGOTE = "kill_zygote"  # it did not fork; nothing else can be done
    CLEAR = "clear"  # wipe its shared memory, tell the others
    GIVE_UP = "give_up"  # its slot has failed


class Kind(Enum):
    """Why a worker ended."""

    PLANNED = "planned"  # we asked for it
    LEFT = "left"  # it drained by itself: somebody sent it SIGTERM
    CRASH = "crash"  # it died by itself
    CONFIGURATION = "configuration"  # exit code 3: do not restart me
    BOOT = "boot"  # not ready in time
    WATCHDOG = "watchdog"  # its heartbeat stopped
    MEMORY = "memory"  # it left: its memory was above the hard ceiling
    CHANNEL = "channel"  # it did not read, or closed, its channel
    NO_FORK = "no_fork"  # it never was


class Row(NamedTuple):
    """One row of the table."""

    state: State
    steps: tuple[Step, ...] = ()
    kind: Kind | None = None
    """Why it will have ended, should it end now; the first one stands."""


_PLANNED = Kind.PLANNED
_KILLED_PLANNED: Final = Row(State.KILLED, (Step.KILL,), Kind.PLANNED)
_KILLED_CHANNEL: Final = Row(State.KILLED, (Step.KILL,), Kind.CHANNEL)
_DRAINED: Final = Row(State.DRAINING, (Step.DRAIN,), Kind.PLANNED)
_REAPED: Final = Row(State.GONE, (Step.CLEAR,))

TRANSITIONS: Final[dict[tuple[State, Event], Row]] = {
    (State.GONE, Event.FORK): Row(State.REQUESTED, (Step.SPAWN,)),
    (State.REQUESTED, Event.HELLO): Row(State.ALIVE, (Step.LINK,)),
    (State.REQUESTED, Event.NO_FORK): Row(State.GONE),
    (State.REQUESTED, Event.BOOT_LATE): Row(
        State.CANCELLED, (Step.KILL_ZYGOTE,), Kind.BOOT
    ),
    (State.REQUESTED, Event.DRAIN): Row(State.CANCELLED, (), _PLANNED),
    (State.REQUESTED, Event.KILL): Row(State.CANCELLED, (), _PLANNED),
    (State.CANCELLED, Event.HELLO): Row(State.KILLED, (Step.KILL,)),
    (State.CANCELLED, Event.NO_FORK): Row(State.GONE),
    (State.CANCELLED, Event.DRAIN): Row(State.CANCELLED),
    (State.CANCELLED, Event.KILL): Row(State.CANCELLED),
    (State.ALIVE, Event.READY): Row(State.READY),
    (State.ALIVE, Event.BOOT_LATE): Row(State.KILLED, (Step.KILL,), Kind.BOOT),
    (State.ALIVE, Event.DRAIN): _DRAINED,
    (State.ALIVE, Event.CHANNEL): _KILLED_CHANNEL,
    (State.ALIVE, Event.KILL): _KILLED_PLANNED,
    (State.ALIVE, Event.EXITED): _REAPED,
    (State.READY, Event.HEARTBEAT_LATE): Row(State.SUSPECT, (Step.DUMP,)),
    (State.READY, Event.RENEW): Row(State.READY),
    (State.READY, Event.SUCCEEDED): _DRAINED,
    (State.READY, Event.DRAIN): _DRAINED,
    (State.READY, Event.CHANNEL): _KILLED_CHANNEL,
    (State.READY, Event.KILL): _KILLED_PLANNED,
    (State.READY, Event.EXITED): _REAPED,
    (State.SUSPECT, Event.HEARTBEAT_BACK): Row(State.READY),
    (State.SUSPECT, Event.DUMP_OVER): Row(State.KILLED, (Step.KILL,), Kind.WATCHDOG),
    (State.SUSPECT, Event.SUCCEEDED): _DRAINED,
    (State.SUSPECT, Event.DRAIN): _DRAINED,
    (State.SUSPECT, Event.CHANNEL): _KILLED_CHANNEL,
    (State.SUSPECT, Event.KILL): _KILLED_PLANNED,
    (State.SUSPECT, Event.EXITED): _REAPED,
    # It was asked to go, so however it is helped along, its end stays planned.
    (State.DRAINING, Event.READY): Row(State.DRAINING),
    (State.DRAINING, Event.SUCCEEDED): Row(State.DRAINING),
    (State.DRAINING, Event.HEARTBEAT_LATE): Row(State.KILLED, (Step.KILL,)),
    (State.DRAINING, Event.DRAIN): Row(State.DRAINING),
    (State.DRAINING, Event.DRAIN_OVER): Row(State.KILLED, (Step.KILL,)),
    (State.DRAINING, Event.CHANNEL): Row(State.KILLED, (Step.KILL,)),
    (State.DRAINING, Event.KILL): Row(State.KILLED, (Step.KILL,)),
    (State.DRAINING, Event.EXITED): _REAPED,
    # It has had its signal; nothing makes it more dead.
    (State.KILLED, Event.SUCCEEDED): Row(State.KILLED),
    (State.KILLED, Event.DRAIN): Row(State.KILLED),
    (State.KILLED, Event.CHANNEL): Row(State.KILLED),
    (State.KILLED, Event.KILL): Row(State.KILLED),
    (State.KILLED, Event.EXITED): _REAPED,
}


class IllegalTransition(RuntimeError):
    """An event came in a state that has no row for it: the supervisor is wrong.

    Attributes:
        state: the worker's state.
        event: what came.
    """

    def __init__(self, state: State, event: Event, where: str) -> None:
        super().__init__(f"{where}: {event.name} in state {state.name}")
        self.state = state
        self.event = event


class Action(NamedTuple):
    """One step the fleet has to take; in order."""

    step: Step
    slot: int
    generation: int


@dataclass(frozen=True, slots=True)
class Exit:
    """How a reaped worker ended, and what became of its slot."""

    generation: int
    kind: Kind
    code: int | None
    """Exit code; None if a signal ended it."""
    signal: int | None
    """Number of the signal that ended it."""
    killed: bool
    """Whether that signal was ours."""
    lived: float
    """How long it was ready, seconds; 0 if it never was."""


@dataclass(slots=True)
class Worker:
    """One worker, as the supervisor knows it."""

    generation: int
    state: State = State.GONE
    since: float = 0.0
    """When it came into this state, seconds."""
    alive_at: float | None = None
    """When it said hello, seconds; None: not yet."""
    ready_at: float | None = None
    """When it began to listen, seconds; None: not yet."""
    kind: Kind | None = None
    """Why it will have ended, as far as that is decided."""


@dataclass(slots=True)
class Slot:
    """One numbered place for a worker.

    `due` says when the next fork is wanted (None: no fork is); the fleet sends FORK
    once that time has come and a zygote is ready.
    """

    index: int
    settings: Restarts
    wanted: bool = False
    """Whether the slot should be filled."""
    failed: str | None = None
    """Why it is not filled although wanted, one sentence; None: it is not so."""
    due: float | None = None
    """When the next fork is due, seconds."""
    generation: int = 0
    """The youngest generation that was asked for."""
    incumbent: Worker | None = None
    successor: Worker | None = None
    tally: restarts.Tally = field(default_factory=restarts.Tally)
    exits: Counter[Kind] = field(default_factory=Counter)
    """Exits since start, by kind."""
    last_exit: Exit | None = None
    ever_ready: bool = False
    """Whether any worker of this slot ever got ready."""

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The workers that are there, the incumbent first; two at most."""
        return tuple(w for w in (self.incumbent, self.successor) if w is not None)

    def worker(self, generation: int) -> Worker | None:
        """Return the worker of `generation` if it is there."""
        return next((w for w in self.workers if w.generation == generation), None)

    def want(self, now: float) -> None:
        """Want the slot filled, from now on, with a clean record."""
        self.wanted, self.failed, self.tally = True, None, restarts.Tally()
        if self.incumbent is None:
            self.due = now

    def stop(self, now: float, how: Event = Event.DRAIN) -> list[Action]:
        """Want the slot empty; whoever is there gets `how`: DRAIN or KILL."""
        self.wanted, self.due = False, None
        return [a for w in self.workers for a in self._step(w, how, now)]

    def handle(
        self,
        event: Event,
        now: float,
        *,
        generation: int | None = None,
        code: int | None = None,
        signal: int | None = None,
        chance: float = 0.5,
    ) -> list[Action]:
        """Apply one event.

        Args:
            event: what happened.
            now: monotonic time, seconds.
            generation: whose event it is; None for FORK and RENEW, which are the
                slot's.
            code: for EXITED, the exit code.
            signal: for EXITED, the signal's number.
            chance: for EXITED and NO_FORK, a number in [0, 1) for the pause.

        Returns:
            What to do now, in order. The caller must do all of it.

        Raises:
            IllegalTransition: the table has no row for it.
        """
        if event is Event.FORK:
            if self.incumbent or not self.wanted or self.failed or self.due is None:
                self._refuse(self.incumbent, event)
            self.due = None
            self.incumbent = Worker(self._next_generation())
            return self._step(self.incumbent, event, now)
        if event is Event.RENEW:
            if self.incumbent is None or self.successor or not self.wanted:
                self._refuse(self.incumbent, event)
            actions = self._step(self.incumbent, event, now)
            self.successor = Worker(self._next_generation())
            return actions + self._step(self.successor, Event.FORK, now)
        worker = None if generation is None else self.worker(generation)
        if worker is None:
            self._refuse(None, event)
        before = worker.state
        actions = self._step(worker, event, now)
        if worker.state is State.GONE:
            kind = _kind(worker, before, event, code)
            lived = 0.0 if worker.ready_at is None else now - worker.ready_at
            killed = before is State.KILLED
            end = Exit(worker.generation, kind, code, signal, killed, lived)
            self.exits[kind] += 1
            if kind is not Kind.NO_FORK:
                self.last_exit = end
            actions += self._vacate(worker, end, now, chance)
        elif event is Event.READY and worker is self.successor and self.incumbent:
            actions += self._step(self.incumbent, Event.SUCCEEDED, now)
        return actions

    def _step(self, worker: Worker, event: Event, now: float) -> list[Action]:
        """Move one worker along the table."""
        row = TRANSITIONS.get((worker.state, event))
        if row is None:
            self._refuse(worker, event)
        if row.state is not worker.state:
            worker.state, worker.since = row.state, now
        worker.kind = worker.kind or row.kind
        if event is Event.HELLO:
            worker.alive_at = now
        elif event is Event.READY:
            worker.ready_at, self.ever_ready = now, True
        return [Action(step, self.index, worker.generation) for step in row.steps]

    def _vacate(
        self, worker: Worker, end: Exit, now: float, chance: float
    ) -> list[Action]:
        """Take a worker that is gone out of its place; decide what comes next."""
        if worker is self.successor:
            self.successor = None
            return []
        self.incumbent, self.successor = self.successor, None
        wait: float | None = 0.0
        failed = None
        if end.kind is Kind.CONFIGURATION:
            wait, failed = None, "its worker exited with code 3: do not restart me"
        elif end.kind is not Kind.PLANNED:
            counts = end.kind not in (Kind.LEFT, Kind.NO_FORK)
            self.tally, wait = restarts.after_exit(
                self.tally,
                self.settings,
                now,
                lived=end.lived,
                chance=chance,
                counts=counts,
            )
            failed = (
                f"more than {self.settings.intensity} unplanned exits "
                f"in {self.settings.window:g} s"
            )
        if self.incumbent or not self.wanted:
            return []
        if wait is None:
            self.failed = failed
            return [Action(Step.GIVE_UP, self.index, worker.generation)]
        self.due = now + wait
        return []

    def _next_generation(self) -> int:
        """Number the next worker; its parity differs from its living neighbour's."""
        self.generation += 1
        if any((w.generation ^ self.generation) & 1 == 0 for w in self.workers):
            self.generation += 1
        return self.generation

    def _refuse(self, worker: Worker | None, event: Event) -> Never:
        state = worker.state if worker else State.GONE
        raise IllegalTransition(state, event, f"slot {self.index}")


def _kind(worker: Worker, before: State, event: Event, code: int | None) -> Kind:
    """Say why a worker that is gone has ended."""
    if event is Event.NO_FORK:
        return Kind.NO_FORK
    if before is State.KILLED and worker.kind:
        return worker.kind
    if worker.kind is Kind.PLANNED and code == 0:
        return Kind.PLANNED
    if code == restarts.DO_NOT_RESTART:
        return Kind.CONFIGURATION
    if code == restarts.OUTGROWN:
        return Kind.MEMORY
    if code == 0 and worker.ready_at is not None:
        return Kind.LEFT
    return Kind.CRASH
