"""What the supervisor reads of its workers, from shared memory and its own table.

Readers never ask: everything here is there already. CPU time is a counter, so a
percentage needs two readings; they are taken once a second, whoever looks or not.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from hubbub.server.stats.scoreboard import Reading, Scoreboard
from hubbub.supervisor.link import Identity
from hubbub.supervisor.process import Process
from hubbub.supervisor.slot import Slot
from hubbub.supervisor.watchdog import Pulse

SAMPLE: Final = 1.0
"""Time between two readings of the CPU counters, seconds."""


class Gauges:
    """Readings of all workers.

    Args:
        slots: the slot table.
        scoreboard: where the workers publish.
    """

    def __init__(self, slots: Sequence[Slot], scoreboard: Scoreboard) -> None:
        self._slots = slots
        self._board = scoreboard
        self._sampled_at = 0.0
        self._cpu: dict[Identity, int] = {}
        self.cpu_percent: dict[Identity, float] = {}
        """CPU use of each worker over the last sample; 100 is one core."""

    def readings(self) -> dict[Identity, Reading]:
        """Return a consistent reading of each living worker that has published."""
        found = {}
        for slot in self._slots:
            for worker in slot.workers:
                reading = self._board.read(slot.index, worker.generation & 1)
                if reading and reading["generation"] == worker.generation:
                    found[Identity(slot.index, worker.generation)] = reading
        return found

    def sample(self, now: float) -> None:
        """Read the CPU counters, if it is time."""
        passed = now - self._sampled_at
        if passed < SAMPLE:
            return
        before, self._sampled_at = self._cpu, now
        self._cpu = {who: reading["cpu"] for who, reading in self.readings().items()}
        self.cpu_percent = {
            who: max(0.0, (cpu - before[who]) / 1e7 / passed)
            for who, cpu in self._cpu.items()
            if who in before
        }

    def heartbeat(self, slot: int, generation: int) -> float:
        """Return a worker's last heartbeat, monotonic seconds; 0: none."""
        if self._board.word(slot, generation & 1, "generation") != generation:
            return 0.0
        return self._board.word(slot, generation & 1, "heartbeat") / 1e9

    def pulses(self, processes: Mapping[Identity, Process]) -> list[Pulse]:
        """Return the pulse of every worker."""
        return [
            Pulse(
                slot.index,
                worker.generation,
                worker.state,
                worker.since,
                worker.ready_at is not None,
                self.heartbeat(slot.index, worker.generation),
                processes[Identity(slot.index, worker.generation)].deaf_at,
            )
            for slot in self._slots
            for worker in slot.workers
        ]
