"""The switchboard: hands out links between workers and tells of those that broke.

Effects only; who is to be linked with whom, and when again, is in `link`. A worker
that dies takes its links along, and its peers see that before anybody sees its death:
their reports are kept for a moment, and those about the dead are dropped. What remains
is what the journal has to tell: links that broke between the living.
"""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hubbub.supervisor.channel import Message
from hubbub.supervisor.chronicle import Chronicle
from hubbub.supervisor.link import Identity, Mesh, Pair
from hubbub.supervisor.process import Process

MOMENT: Final = 0.2
"""How long a report is kept: from the end of a worker's sockets to its end, seconds."""

Send = Callable[[Process, Message, tuple[int, ...]], None]
"""Sends a message with descriptors to a worker; they are owned by it from then on."""


@dataclass(frozen=True, slots=True)
class Report:
    """A worker's word that a link broke."""

    due: float
    """When it is told, if the peer still lives, seconds."""
    process: Process
    """Whose word it is."""
    peer: Identity
    message: Message
    news: bool
    """Whether it is the first one of this loss."""


class Switchboard:
    """All links between workers.

    Args:
        processes: the workers that are there.
        send: passes their ends to them.
        chronicle: where losses are told.
    """

    def __init__(
        self, processes: Mapping[Identity, Process], send: Send, chronicle: Chronicle
    ) -> None:
        self._processes = processes
        self._send = send
        self._chronicle = chronicle
        self._mesh = Mesh()
        self._reports: list[Report] = []

    def hello(self, who: Identity, now: float) -> None:
        """Link a new worker with all others."""
        for pair in self._mesh.hello(who, now):
            self._give(pair, now)

    def gone(self, who: Identity) -> None:
        """Forget a worker and tell the others."""
        others = self._mesh.gone(who)
        self._reports = [one for one in self._reports if one.peer != who]
        message: Message = {"type": "gone", **who._asdict()}
        for other in others:
            self._send(self._processes[other], message, ())

    def lost(
        self, process: Process, peer: Identity, message: Message, now: float
    ) -> None:
        """Take a worker's word that its link to `peer` broke."""
        news = self._mesh.lost(process.identity, peer, now)
        if news is not None:
            self._reports.append(Report(now + MOMENT, process, peer, message, news))

    def tick(self, now: float, quiet: bool) -> float | None:
        """Hand out what is due, tell what has to be told.

        Args:
            now: monotonic time, seconds.
            quiet: everybody is going; lost links are nothing to tell.

        Returns:
            When to call it again at the latest, seconds; None: no matter when.
        """
        for pair in self._mesh.take_due(now):
            self._give(pair, now)
        told = [one for one in self._reports if quiet or one.due <= now]
        for one in told:
            self._reports.remove(one)
            if not quiet:
                fields = one.process, one.peer, one.message, one.news
                self._chronicle.link_lost(*fields)
        times = [self._mesh.next_due(), *(one.due for one in self._reports)]
        return min((at for at in times if at is not None), default=None)

    def _give(self, pair: Pair, now: float) -> None:
        """Hand two workers the ends of a link."""
        try:
            ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:
            self._chronicle.shortage("link", error)
            self._mesh.not_given(pair, now)
            return
        for who, peer, end in zip(pair, reversed(pair), ends, strict=True):
            message: Message = {"type": "link", **peer._asdict()}
            self._send(self._processes[who], message, (end.detach(),))
