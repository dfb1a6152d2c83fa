"""What happens in the fleet, told to people (log) and kept for later (journal)."""

import time
from typing import Final

from hubbub.settings import Settings
from hubbub.supervisor.channel import Message
from hubbub.supervisor.journal import Journal
from hubbub.supervisor.link import Identity
from hubbub.supervisor.log import Log
from hubbub.supervisor.process import Process
from hubbub.supervisor.reason import reason, signal_name, stack_text
from hubbub.supervisor.slot import Event, Exit, Kind, Slot

_WORDS: Final = (
    "private",
    "ceiling",
    "growth_per_minute",
    "connections",
    "rooms",
    "outbox_bytes",
    "types",
)
"""What a worker above a ceiling tells; see `hubbub.server.last_words`."""
SHORTAGE: Final = 10.0
"""Time between two entries about one kind of shortage, seconds."""


class Chronicle:
    """Writes both records.

    Args:
        log: for people.
        journal: for later.
        settings: reasons quote their limits.
    """

    def __init__(self, log: Log, journal: Journal, settings: Settings) -> None:
        self.log = log
        self.journal = journal
        self._settings = settings
        self._told_at: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def started(self, process: Process) -> None:
        """A worker said hello."""
        self.journal.write("start", **_who(process))

    def ready(self, process: Process, took: float) -> None:
        """A worker listens, `took` seconds after its hello."""
        self.journal.write("ready", **_who(process), took=round(took, 3))
        self.log.info("worker_ready", **_who(process))

    def late(self, process: Process, event: Event) -> None:
        """A worker missed a deadline, or is back after it had."""
        fields = _who(process)
        if event in (Event.HEARTBEAT_LATE, Event.HEARTBEAT_BACK):
            self.log.warning(event.value, **fields)
        if event is Event.HEARTBEAT_BACK and process.stack:
            fields["stack"] = process.stack
        self.journal.write(event.value, **fields)

    def link_lost(
        self, process: Process, peer: Identity, message: Message, news: bool
    ) -> None:
        """A worker's link to `peer` broke; `news`: this is the first report of it."""
        self.journal.write(
            "link_lost",
            **_who(process),
            peer=f"{peer.slot}/{peer.generation}",
            reason=str(message.get("reason"))[:200],
            missed=message.get("missed"),
            news=news,
        )

    def gone(self, process: Process, end: Exit, stopping: bool) -> None:
        """A worker was reaped; `stopping`: everybody is to go."""
        fields = {
            **_who(process),
            "kind": end.kind.value,
            "code": end.code,
            "signal": signal_name(end.signal),
            "reason": reason(end, self._settings, process.trouble),
            "lived": round(end.lived, 3),
        }
        expected = stopping or end.kind in (Kind.PLANNED, Kind.LEFT)
        say = self.log.info if expected else self.log.warning
        say("worker_gone", **fields)
        stack = stack_text(end, process.stack, process.stopped)
        if stack:
            fields["stack"] = stack
        self.journal.write("exit", **fields)

    def shortage(self, what: str, error: OSError) -> None:
        """A worker, link or zygote could not be made; it is tried again.

        What is short stays so for a while, so only the first of many is told.
        """
        now = time.monotonic()
        if now - self._told_at.get(what, -SHORTAGE) < SHORTAGE:
            self._untold[what] = self._untold.get(what, 0) + 1
            return
        self._told_at[what] = now
        untold = self._untold.pop(what, 0)
        reason = error.strerror or str(error)
        self.log.error("shortage", what=what, reason=reason, untold=untold)
        self.journal.write("shortage", what=what, reason=reason, untold=untold)

    def memory(self, process: Process, message: Message) -> None:
        """A worker is above a ceiling: its words are kept as they are."""
        words = {name: message.get(name) for name in _WORDS}
        told = {
            name: words[name] for name in ("private", "ceiling", "growth_per_minute")
        }
        self.log.warning("memory", **_who(process), step=message.get("step"), **told)
        self.journal.write("memory", **_who(process), step=message.get("step"), **words)

    def failed(self, slot: Slot) -> None:
        """A slot was given up."""
        self.log.error("slot_failed", slot=slot.index, reason=slot.failed)
        self.journal.write("slot_failed", slot=slot.index, reason=slot.failed)

    def revived(self, slot: Slot) -> None:
        """A slot that had been given up is filled again."""
        self.log.info("slot_revived", slot=slot.index)
        self.journal.write("slot_revived", slot=slot.index)


def _who(process: Process) -> dict[str, object]:
    return {**process.identity._asdict(), "pid": process.pid}
