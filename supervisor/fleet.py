"""The fleet: carries out what the slot table says.

Effects only: it forks (through the zygote), signals, connects, wipes and reaps, and
turns what it sees into events for the slots. What follows from an event is in `slot`,
who is late in `watchdog`, who is linked in `link`, how long to wait in `restarts`.
"""

import os
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass

from hubbub.codes import Close, Exit
from hubbub.server.stats.interest import Interest
from hubbub.server.stats.scoreboard import Scoreboard
from hubbub.settings import Settings
from hubbub.supervisor import restarts
from hubbub.supervisor.channel import Message, Nonsense
from hubbub.supervisor.chronicle import Chronicle
from hubbub.supervisor.gauges import Gauges
from hubbub.supervisor.health import Health
from hubbub.supervisor.journal import Journal
from hubbub.supervisor.link import Identity
from hubbub.supervisor.log import Log
from hubbub.supervisor.loop import Loop
from hubbub.supervisor.process import Process
from hubbub.supervisor.slot import Action, Event, Slot, State, Step
from hubbub.supervisor.spawner import Spawner
from hubbub.supervisor.switchboard import Switchboard
from hubbub.supervisor.watchdog import Judge, Pulse
from hubbub.supervisor.zygote import Nest


@dataclass(frozen=True, slots=True)
class Shared:
    """What all processes of a cluster share."""

    listener: socket.socket
    scoreboard: Scoreboard
    interest: Interest
    cluster: str
    """Id of the cluster."""


class Fleet:
    """All slots, the workers in them, and their zygote.

    Args:
        settings: the settings of the cluster.
        count: how many slots.
        shared: what every worker inherits.
        loop, log, journal: as everywhere.
        entry: what a worker runs.
        all_ready: called once, when every slot has a ready worker for the first time.
    """

    def __init__(
        self,
        settings: Settings,
        count: int,
        shared: Shared,
        loop: Loop,
        log: Log,
        journal: Journal,
        entry: str,
        all_ready: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._shared = shared
        self._loop = loop
        self._chronicle = Chronicle(log, journal, settings)
        self._all_ready = all_ready
        self._judge = Judge(settings.watchdog, settings.restarts, settings.drain)
        self._health = Health()
        self._now = 0.0
        self.slots = [Slot(index, settings.restarts) for index in range(count)]
        self.gauges = Gauges(self.slots, shared.scoreboard)
        self.processes: dict[Identity, Process] = {}
        self._links = Switchboard(self.processes, self._send, self._chronicle)
        self.announced = False
        """Whether every slot once had a ready worker."""
        self.stopping = False
        self.outcome: Exit | None = None
        """Why it stopped by itself; None: it did not."""

        def nest(channel: int) -> Nest:
            return Nest(
                channel=channel,
                listener=shared.listener.fileno(),
                scoreboard=shared.scoreboard.fd,
                interest=shared.interest.fd,
                supervisor=os.getpid(),
                slots=count,
                settings=settings,
                cluster=shared.cluster,
                entry=entry,
            )

        self.spawner = Spawner(
            nest, settings.restarts, loop, self._chronicle, self._cannot_import
        )

    @property
    def finished(self) -> bool:
        """Whether it was stopped and nobody is left."""
        return self.stopping and not self.processes and self.spawner.pid is None

    def start(self, now: float) -> None:
        """Want every slot filled."""
        self.spawner.due = now
        for slot in self.slots:
            slot.want(now)

    def revive(self, now: float) -> list[int]:
        """Fill the slots that were given up, with clean records; return which."""
        failed = [slot for slot in self.slots if slot.failed and slot.wanted]
        for slot in failed:
            slot.want(now)
            self._chronicle.revived(slot)
        if not self.stopping:
            self.spawner.forgive(now)
        return [slot.index for slot in failed]

    def stop(self, now: float) -> None:
        """Let everybody drain. The listener's last holder closes it."""
        self._now, self.stopping = now, True
        # It holds the listener too, and nothing is forked any more.
        self.spawner.stop()
        for process in list(self.processes.values()):
            self._hear(process)  # who is ready by now gets a drain, not a kill
        for slot in self.slots:
            self._perform(slot.stop(now))

    def kill(self, now: float) -> None:
        """End everybody at once."""
        self._now, self.stopping = now, True
        self.spawner.stop()
        for slot in self.slots:
            self._perform(slot.stop(now, Event.KILL))

    def tick(self, now: float, lateness: float) -> float | None:
        """Do what is due.

        Args:
            now: monotonic time, seconds.
            lateness: by how much the loop missed its deadline, seconds.

        Returns:
            When to call it again at the latest, seconds; None: no matter when.
        """
        self._now = now
        self.reap(now)
        pulses = self.gauges.pulses(self.processes)
        for pulse, event in self._judge.judge(now, lateness, pulses):
            self._late(pulse, event)
        self.gauges.sample(now)
        self.spawner.tick(now, self._judge.granted)
        if self.spawner.ready:
            for slot in self.slots:
                if slot.due is not None and slot.due <= now:
                    self._perform(slot.handle(Event.FORK, now))
        link_due = self._links.tick(now, self.stopping)
        self._consider(now)
        self._shared.scoreboard.degraded = self._health.degraded(self.slots, now)
        waiting = [slot.due for slot in self.slots] if self.spawner.ready else []
        times = [*waiting, link_due, self.spawner.due]
        return min((at for at in times if at is not None), default=None)

    def fault(self, index: int, message: Message) -> str | None:
        """Send a fault to a slot's worker; return None, or why it cannot be."""
        if not 0 <= index < len(self.slots):
            return f"there is no slot {index}; slots are 0 to {len(self.slots) - 1}"
        incumbent = self.slots[index].incumbent
        if incumbent is None or incumbent.state is not State.READY:
            return f"slot {index} has no ready worker"
        self._send(self.processes[Identity(index, incumbent.generation)], message)
        self._chronicle.journal.write("fault", slot=index, fault=message["fault"])
        return None

    # What happens outside becomes an event.

    def reap(self, now: float) -> None:
        """Take every child that has ended: workers, zygotes and strangers.

        Exact: a child is looked at before it is reaped, and while it is unreaped its
        number is nobody else's. One that we do not know may be a worker whose hello
        was not read yet; it was sent before its sender died, so it can be read now.
        """
        self._now = now
        flags = os.WEXITED | os.WNOHANG
        while True:
            try:
                child = os.waitid(os.P_ALL, 0, flags | os.WNOWAIT)
            except ChildProcessError:
                return
            if child is None:
                return
            pid = child.si_pid
            process = self._by_pid(pid)
            if process is None and pid != self.spawner.pid:
                for unborn in list(self.processes.values()):
                    if unborn.pid is None:
                        self._hear(unborn)
                process = self._by_pid(pid)
            exited = child.si_code == os.CLD_EXITED
            code = child.si_status if exited else None
            number = None if exited else child.si_status
            if process is not None:
                self._hear(process)
                process.read_stack()
            os.waitid(os.P_PID, pid, flags)
            if process is not None:
                self._reaped(process, code, number)
            elif pid == self.spawner.pid:
                self.spawner.reaped(now, code, number)

    def _hear(self, process: Process) -> None:
        """Take what a worker has to say."""
        if process.deaf_at is not None or process.trouble:
            return
        try:
            for message in process.channel.receive():
                self._heard(process, message)
        except Nonsense as error:
            self._distrust(process, str(error))
            return
        if process.channel.ended and process.pid is None:
            self._unborn(process)
        elif process.channel.ended:
            process.deaf_at = self._now

    def _heard(self, process: Process, message: Message) -> None:
        identity = process.identity
        slot = self.slots[identity.slot]
        worker = slot.worker(identity.generation)
        match message:
            case {"type": "hello", "pid": int(pid)} if process.pid is None:
                process.born(pid)
                self.spawner.answered(*identity)
                self._chronicle.started(process)
                self._handle(process, Event.HELLO)
            case {"type": "ready"} if worker and worker.alive_at is not None:
                if worker.ready_at is not None or worker.state is State.KILLED:
                    return
                self._handle(process, Event.READY)
                self._chronicle.ready(process, self._now - worker.alive_at)
                if not self.announced and all(s.ever_ready for s in self.slots):
                    self.announced = True
                    self._all_ready()
            case {"type": "link_lost", "slot": int(index), "generation": int(number)}:
                self._links.lost(process, Identity(index, number), message, self._now)
            case {"type": "memory", "step": str()}:
                self._chronicle.memory(process, message)
            case _:
                raise Nonsense(f"a message of type {message.get('type')!r:.40}")

    def _distrust(self, process: Process, trouble: str) -> None:
        """Give up a worker whose channel is of no use."""
        if process.trouble:
            return
        process.trouble = trouble
        if process.pid is None:
            # Nobody we could kill; the end of its channel tells it to go.
            self._unborn(process)
        else:
            self._handle(process, Event.CHANNEL)

    def _unborn(self, process: Process) -> None:
        self.spawner.answered(*process.identity)
        self._handle(process, Event.NO_FORK, chance=random.random())
        self._forget(process)

    def _late(self, pulse: Pulse, event: Event) -> None:
        process = self.processes[Identity(pulse.slot, pulse.generation)]
        process.read_stack()
        self._chronicle.late(process, event)
        self._handle(process, event)

    def _reaped(self, process: Process, code: int | None, number: int | None) -> None:
        self._handle(
            process, Event.EXITED, code=code, signal=number, chance=random.random()
        )
        end = self.slots[process.identity.slot].last_exit
        assert end is not None
        self._chronicle.gone(process, end, self.stopping)
        self._forget(process)

    # What the slots answer becomes an effect.

    def _handle(
        self,
        process: Process,
        event: Event,
        *,
        code: int | None = None,
        signal: int | None = None,
        chance: float = 0.5,
    ) -> None:
        slot, generation = process.identity
        self._perform(
            self.slots[slot].handle(
                event,
                self._now,
                generation=generation,
                code=code,
                signal=signal,
                chance=chance,
            )
        )

    def _perform(self, actions: list[Action]) -> None:
        for step, slot, generation in actions:
            identity = Identity(slot, generation)
            if step is Step.SPAWN:
                self._spawn(identity)
                continue
            if step is Step.GIVE_UP:
                self._chronicle.failed(self.slots[slot])
                continue
            process = self.processes[identity]
            match step:
                case Step.LINK:
                    self._links.hello(identity, self._now)
                case Step.DUMP:
                    process.dump()
                case Step.DRAIN:
                    code = Close.GOING_AWAY if self.stopping else Close.RESTART
                    grace = self._settings.drain.grace
                    drain: Message = {"type": "drain", "code": code, "grace": grace}
                    self._send(process, drain)
                case Step.KILL:
                    process.kill()
                case Step.KILL_ZYGOTE:
                    self.spawner.kill("did not fork a worker in time")
                case Step.CLEAR:
                    self._clear(identity)

    def _spawn(self, identity: Identity) -> None:
        try:
            process = Process(identity, self._loop, lambda: self._hear(process))
        except OSError as error:
            self._chronicle.shortage("worker", error)
            slot, chance = self.slots[identity.slot], random.random()
            number = identity.generation
            self._perform(
                slot.handle(Event.NO_FORK, self._now, generation=number, chance=chance)
            )
            return
        self.processes[identity] = process
        self.spawner.request(*identity, process.their_channel, process.their_dump)

    def _send(
        self, process: Process, message: Message, fds: tuple[int, ...] = ()
    ) -> None:
        if not process.channel.send(message, fds):
            self._distrust(process, "does not read its channel")

    def _clear(self, gone: Identity) -> None:
        """Wipe what a dead worker left in shared memory; tell the others."""
        shared = self._shared
        # A successor may keep the slot's table by now; the record is by parity.
        if shared.interest.generation(gone.slot) in (0, gone.generation):
            shared.interest.wipe(gone.slot)
        shared.scoreboard.record(*gone).wipe()
        self._links.gone(gone)

    def _forget(self, process: Process) -> None:
        process.close()
        del self.processes[process.identity]

    # The state of things.

    def _by_pid(self, pid: int) -> Process | None:
        return next((p for p in self.processes.values() if p.pid == pid), None)

    def _cannot_import(self, why: str) -> None:
        self._chronicle.log.error("server_not_importable", reason=why)
        if not any(slot.ever_ready for slot in self.slots):
            self.outcome = Exit.CONFIGURATION
            # Its end may be seen in this very turn, and is no other trouble.
            self.spawner.retire()

    def _consider(self, now: float) -> None:
        """Stop if there is no point in going on."""
        if self.stopping:
            return
        if self.spawner.given_up and not self.processes:
            self.outcome = Exit.ALL_SLOTS_FAILED
        elif all(slot.failed for slot in self.slots):
            refused = all(_refused(slot) for slot in self.slots)
            self.outcome = Exit.CONFIGURATION if refused else Exit.ALL_SLOTS_FAILED
        if self.outcome is not None:
            self.stop(now)


def _refused(slot: Slot) -> bool:
    """Whether a slot never worked because its worker said that it cannot."""
    code = slot.last_exit.code if slot.last_exit else None
    return code == restarts.DO_NOT_RESTART and not slot.ever_ready
