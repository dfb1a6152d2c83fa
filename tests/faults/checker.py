"""The checker: a history in, what went wrong in it out. Pure.

What is promised (docs/wire.md), and therefore judged, for every member's session:

- What was sent into its room after its join was answered reaches it once, in the order
  of each publisher's connection, until the session ends. What was sent before the
  answer may come or not, but then without a hole up to what follows.
- A hole is *told* if a `gap` came to the session between the messages around it, and
  *lost* otherwise. At the end of a session that lives, everything acknowledged must
  have come. A session that ended may lack a tail.
- A message that was not acknowledged, because its publisher's connection ended first,
  is `unknown`: it may come, once and in order; it is no loss if it does not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.faults.history import Gap, History, Kind, Sent, Session

_MOST_SAMPLES = 5


@dataclass(slots=True)
class Verdict:
    """What a check found; all but `heard`, `told`, `unknown` and the tail must be 0."""

    heard: int = 0
    """Messages received."""
    lost: int = 0
    """Acknowledged and never received, without a word."""
    doubled: int = 0
    reordered: int = 0
    """Received after a later one of the same stream."""
    leaked: int = 0
    """Received by a member of another room."""
    strange: int = 0
    """Received and never sent."""
    told: int = 0
    """Messages missed in a gap that the member was told of."""
    unknown: int = 0
    """Messages that were not acknowledged when their publisher's connection ended."""
    tail: int = 0
    """Acknowledged before the end of a session that ended, and not received by it."""
    tail_age: float = 0.0
    """How long before the end the first of these was acknowledged, seconds."""
    samples: list[str] = field(default_factory=list)
    """The first few things that were wrong, for people."""

    @property
    def wrong(self) -> int:
        """Return how many promises were broken."""
        return self.lost + self.doubled + self.reordered + self.leaked + self.strange

    def note(self, what: str, session: Session, sent: Sent) -> None:
        """Keep one broken promise as an example."""
        if len(self.samples) < _MOST_SAMPLES:
            self.samples.append(
                f"client {session.client} ({session.kind.value}, worker "
                f"{session.slot}/{session.generation}, {session.room}): {what} "
                f"message {sent.number} of client {sent.stream.client} on worker "
                f"{sent.stream.slot}/{sent.stream.generation}, sent {sent.at:.3f}"
            )


def check(history: History, sessions: Iterable[Session] | None = None) -> Verdict:
    """Judge what members received.

    Args:
        history: of a crowd that has come to rest: nothing is on its way any more.
        sessions: judge only these; by default everybody.
    """
    verdict = Verdict()
    streams: dict[str, list[Session]] = {}
    for one in history.sessions:
        if one.kind is Kind.PUBLISHER:
            streams.setdefault(one.room, []).append(one)
            verdict.unknown += sum(sent.acked is None for sent in one.sent)
    chosen = history.sessions if sessions is None else list(sessions)
    for session in chosen:
        if session.kind is not Kind.PUBLISHER and session.joined is not None:
            _check_session(verdict, session, streams.get(session.room, ()))
    among = set(map(id, chosen))
    for session, payload in history.strange:
        if id(session) in among:
            verdict.strange += 1
            verdict.samples.append(f"client {session.client} got {payload[:80]!r}")
    return verdict


def _check_session(
    verdict: Verdict, session: Session, streams: Sequence[Session]
) -> None:
    """Judge one member's session: by stream, in the order in which it heard them."""
    by_stream: dict[int, list[tuple[Sent, int]]] = {id(one): [] for one in streams}
    gaps = 0
    for item, _ in session.heard:
        if isinstance(item, Gap):
            gaps += 1
            continue
        verdict.heard += 1
        if item.room != session.room:
            verdict.leaked += 1
            verdict.note("another room's", session, item)
        else:
            by_stream[id(item.stream)].append((item, gaps))
    for stream in streams:
        _check_stream(verdict, session, stream, by_stream[id(stream)], gaps)


def _check_stream(
    verdict: Verdict,
    session: Session,
    stream: Session,
    heard: list[tuple[Sent, int]],
    gaps: int,
) -> None:
    """Judge what a session heard of one stream.

    Args:
        heard: each message with the number of gaps told before it.
        gaps: how many were told in all.
    """
    assert session.joined is not None
    expected = 0
    if not heard or heard[0][0].at > session.joined:
        while expected < len(stream.sent) and (
            stream.sent[expected].at <= session.joined
        ):
            expected += 1
    else:
        expected = heard[0][0].number
    seen: set[int] = set()
    told_until = 0
    for sent, told in heard:
        if sent.number in seen:
            verdict.doubled += 1
            verdict.note("doubled", session, sent)
            continue
        seen.add(sent.number)
        if sent.number < expected:
            verdict.reordered += 1
            verdict.note("late", session, sent)
            continue
        missed = stream.sent[expected : sent.number]
        _miss(verdict, session, missed, told > told_until)
        told_until = told
        expected = sent.number + 1
    rest = stream.sent[expected:]
    if session.ended is None:
        acked = [sent for sent in rest if sent.acked is not None]
        _miss(verdict, session, acked, gaps > told_until)
    else:
        ended = session.ended
        ages = [ended - sent.acked for sent in rest if sent.acked is not None]
        late = [age for age in ages if age > 0]
        verdict.tail += len(late)
        verdict.tail_age = max([verdict.tail_age, *late])


def _miss(verdict: Verdict, session: Session, missed: list[Sent], told: bool) -> None:
    """Count a hole. In front of a later message of the same stream even what was not
    acknowledged is missed: the cluster has read it before."""
    if told:
        verdict.told += len(missed)
        return
    verdict.lost += len(missed)
    for sent in missed:
        verdict.note("lost", session, sent)


def latencies(
    sessions: Iterable[Session], begin: float, end: float, slots: Iterable[int] = ()
) -> list[float]:
    """Return how long each delivery took whose message was sent within a window.

    Args:
        sessions: of members.
        begin: of the window.
        end: of the window.
        slots: only those sessions; and only messages that came by these slots, too.
            None given: all.

    Returns:
        Seconds from the publisher's write to the member's read, sorted.
    """
    chosen = frozenset(slots)
    return sorted(
        at - item.at
        for session in sessions
        if not chosen or session.slot in chosen
        for item, at in session.heard
        if isinstance(item, Sent)
        and begin <= item.at < end
        and (not chosen or item.stream.slot in chosen)
    )


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value under which `part` (0 to 1) of the sorted `values` lie."""
    if not values:
        return float("nan")
    return values[min(len(values) - 1, int(part * len(values)))]
