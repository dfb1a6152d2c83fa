"""Results: all that a load test found, as one document.

`--json` writes exactly this, `--compare` reads it back, every report is made of it,
and `--expect` takes its names. Pure: figures in, figures out.

Units: times named `t`, `start` and `end` are seconds since the start of the run;
latencies and lags are milliseconds; sizes are bytes; everything else is a count.
A figure that was not measured is null, never 0.
"""

import json
from typing import Literal

import msgspec

VIOLATIONS = ("lost", "duplicated", "reordered", "misrouted", "corrupted")
"""Kinds of violations: what a room never does. Each is a count of `Results`, too."""

MOST_VIOLATIONS = 100
"""Violations that are kept in full; the counts hold all of them."""


class NotResults(Exception):
    """A document that holds no results; its text is one sentence."""


class Percentiles(msgspec.Struct, kw_only=True, frozen=True):
    """Latencies of a whole run, from due to received, in milliseconds."""

    p50: float | None = None
    """Half of the messages took no longer; null where none was received, as below."""
    p90: float | None = None
    """Nine of ten."""
    p99: float | None = None
    """99 of 100."""
    p999: float | None = None
    """999 of 1,000."""
    max: float | None = None
    """The slowest."""


class Spread(msgspec.Struct, kw_only=True, frozen=True):
    """Latencies of a second, in milliseconds."""

    p50: float
    """Half of the messages took no longer."""
    p99: float
    """99 of 100."""
    max: float
    """The slowest."""


class Generator(msgspec.Struct, kw_only=True, frozen=True):
    """What the load generator itself needed."""

    cpu_s: float
    """CPU time of all its processes, in seconds."""
    lag_ms_p99: float
    """How late it was with what was due: 99 of 100 times no more than this."""
    late: bool
    """Whether it was too late too often: then latencies tell of it, not the server."""


class Violation(msgspec.Struct, kw_only=True, frozen=True):
    """One broken promise, as a member saw it."""

    kind: str
    """One of `VIOLATIONS`."""
    room: int | str | None
    """Where: its number or name; null where the message no longer tells, as below."""
    sender: int | str | None
    """Who published the message."""
    number: int | None
    """Which one: the publisher's own count in this room."""
    t: float
    """When it was noticed."""
    what: str = ""
    """One sentence: what was seen, and what should have been."""


class Machine(msgspec.Struct, kw_only=True, frozen=True):
    """What the figures were taken on."""

    cpus: int
    """CPUs that this command may use."""
    kernel: str
    """Its name and release."""
    python: str
    """Implementation and version."""
    memory_bytes: int
    """Memory of the machine."""


class Phase(msgspec.Struct, kw_only=True, frozen=True):
    """A part of the run."""

    name: str
    """ramp (clients connect), hold (the load) or drain (the last messages arrive)."""
    start: float
    end: float


class Mark(msgspec.Struct, kw_only=True, frozen=True):
    """Something that was done to the server, or that it did."""

    t: float
    text: str
    """A few words: "worker 1 killed"."""


class Worker(msgspec.Struct, kw_only=True, frozen=True):
    """A worker of the server."""

    slot: int
    """Its slot in the supervisor's table."""
    private: int | None
    """Memory that has become its own since its birth, in bytes; null while no worker
    holds the slot."""
    connections: int
    """Connections that it serves."""
    restarts: int
    """Workers that have held this slot and ended, of whatever kind, so far."""


class Server(msgspec.Struct, kw_only=True, frozen=True):
    """The server, as its own status told."""

    workers: list[Worker]


class Point(msgspec.Struct, kw_only=True, frozen=True):
    """One second of the run."""

    t: float
    """Its end. It begins where the point before ends; the first one at 0."""
    connected: int
    """Clients connected at its end."""
    sent: int
    """Messages sent within it (not since the start)."""
    received: int
    """Messages received within it."""
    errors: int = 0
    """Errors within it, of all kinds."""
    lag_ms_max: float = 0.0
    """How late the generator was at worst."""
    latency_ms: Spread | None = None
    """Null where nothing was received."""
    server: Server | None = None
    """Null where the server's status is out of reach."""


class Histogram(msgspec.Struct, kw_only=True, frozen=True):
    """Latencies of the whole run."""

    encoded: str
    """The HDR histogram, in microseconds: V2, compressed, in base64."""
    buckets: list[tuple[float, int]]
    """(upper bound in milliseconds, messages up to it and above the one before)."""


class Met(msgspec.Struct, kw_only=True, frozen=True):
    """One expectation and whether it was met."""

    expression: str
    """As it was given."""
    value: float | None
    """What was found, in the unit of the results; null where there is no figure."""
    met: bool


class Results(msgspec.Struct, kw_only=True, frozen=True):
    """All that a load test found; see the module's units."""

    verdict: Literal["pass", "fail"]
    """As `hubbub.loadtest.expect.judge` finds."""
    clients: int
    """Clients that were asked for."""
    connected: int
    """Most clients connected at once."""
    closed: int
    """Connections that the server closed though nothing called for it."""
    sent: int
    """Messages that publishers sent."""
    expected: int
    """Messages that members should have received, as rooms and memberships were."""
    received: int
    """Messages that members received."""
    lost: int
    """Messages that a member should have received, and did not."""
    duplicated: int
    """Messages that a member received again."""
    reordered: int
    """Messages that came after a later one of the same publisher in the same room."""
    misrouted: int
    """Messages that came to somebody who is no member of their room."""
    corrupted: int
    """Messages whose content was not what was sent."""
    errors: dict[str, int]
    """What else went wrong, by kind: refused, timeout, reset, …"""
    latency_ms: Percentiles
    """From the moment a message was due to its receipt, over the hold phase."""
    generator: Generator
    violations: list[Violation]
    """The first `MOST_VIOLATIONS`, in the order they were noticed."""
    why: list[str] = []
    """What the verdict failed for, a sentence each; empty where it passed."""
    scenario: str = ""
    """Its name."""
    canaries: int = 0
    """Clients of another implementation that checked every message in full."""
    early: bool = False
    """Whether Ctrl-C ended the run before its time."""
    started_at: str = ""
    """Wall clock, ISO 8601 with its time zone."""
    duration_s: float = 0.0
    """How long the run took, in seconds."""
    plan: dict[str, object] = {}
    """The plan as it was carried out: defaults, file and flags together."""
    machine: Machine | None = None
    versions: dict[str, str] = {}
    """Of hubbub, python and the packages that a figure may depend on."""
    phases: list[Phase] = []
    """In their order."""
    marks: list[Mark] = []
    """In their order."""
    notes: list[str] = []
    """What the scenario was to find out, a sentence each: "300 B a connection"."""
    series: list[Point] = []
    """The run second by second."""
    histogram: Histogram | None = None
    """Null where nothing was received."""
    expectations: list[Met] = []
    """What `--expect` asked for, in its order."""


def to_json(results: Results, indent: int = 1) -> bytes:
    """Write results as JSON.

    Args:
        results: what was found.
        indent: spaces a level, so that people can read it too; -1: on one line.
    """
    try:
        written = msgspec.json.encode(results)
    except UnicodeEncodeError:
        # A path of the command line can hold bytes that are no text: better a "?" in
        # its place than a run without its results.
        text = json.dumps(msgspec.to_builtins(results), ensure_ascii=False)
        written = text.encode(errors="replace")
    return msgspec.json.format(written, indent=indent) + b"\n"


def from_json(document: bytes | str) -> Results:
    """Read what `to_json` wrote.

    Fields that are not known are left out, so that a newer version's are readable.

    Raises:
        NotResults: It is something else.
    """
    try:
        return msgspec.json.decode(document, type=Results)
    except msgspec.ValidationError as error:
        raise NotResults(f"holds no results of a load test: {_told(error)}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise NotResults("is not JSON") from None


def spans(results: Results) -> list[float]:
    """Return how long each point of the series covers, in seconds."""
    ends = [point.t for point in results.series]
    return [end - start for start, end in zip([0.0, *ends], ends, strict=False)]


def phase(results: Results, name: str) -> Phase | None:
    """Return the phase of this name, or None where the run did not come to it."""
    return next((one for one in results.phases if one.name == name), None)


def hold_rates(results: Results) -> tuple[float, float] | None:
    """Return messages sent and received a second, on average over the hold phase.

    Only points that lie within it count: a second that is half ramp says nothing.

    Returns:
        (sent, received), or None where no point lies within the phase.
    """
    hold = phase(results, "hold")
    if hold is None:
        return None
    # A point is taken when the phase's last timer has fired, a little late.
    slack = 0.1
    inside = [
        (point, span)
        for point, span in zip(results.series, spans(results), strict=True)
        if point.t - span >= hold.start - slack and point.t <= hold.end + slack
    ]
    seconds = sum(span for _, span in inside)
    if seconds <= 0:
        return None
    sent = sum(point.sent for point, _ in inside)
    received = sum(point.received for point, _ in inside)
    return sent / seconds, received / seconds


def _told(error: msgspec.ValidationError) -> str:
    """Turn msgspec's sentence into ours: a small letter, no full stop."""
    text = str(error)
    return text[:1].lower() + text[1:]
