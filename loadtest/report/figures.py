"""Figures that reports draw from the results beside those written there. Pure."""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

from hubbub.loadtest.results import Histogram, Point, Results, Worker, spans


@dataclass(frozen=True, slots=True)
class Memory:
    """The server's memory and what became of its workers."""

    workers: int
    """Workers at the last look."""
    private: int
    """Memory that is their own since birth, all together, at its most; bytes."""
    restarts: int
    """Workers that ended within the run."""


def memory(results: Results) -> Memory | None:
    """Return the server's memory, or None where its status was out of reach."""
    known = [point.server.workers for point in results.series if point.server]
    if not known:
        return None
    before, after = restarts(known[0]), restarts(known[-1])
    return Memory(
        workers=len(after),
        private=max(
            sum(worker.private or 0 for worker in workers) for workers in known
        ),
        restarts=sum(
            max(0, number - before.get(slot, number)) for slot, number in after.items()
        ),
    )


def restarts(workers: Sequence[Worker]) -> dict[int, int]:
    """Return the restarts of each slot: two workers share one during a handover."""
    found: dict[int, int] = {}
    for worker in workers:
        found[worker.slot] = max(worker.restarts, found.get(worker.slot, 0))
    return found


@dataclass(frozen=True, slots=True)
class Sample:
    """A part of the run: a second, or several of a long run together."""

    t: float
    """Its end, in seconds since the start of the run."""
    span: float
    """How long it is, in seconds."""
    connected: int
    """Clients connected at its end; of several seconds the fewest."""
    sent_s: float
    """Messages sent a second."""
    received_s: float
    """Messages received a second."""
    errors: int
    """Errors within it."""
    lag_ms: float
    """How late the generator was at worst."""
    p50: float | None
    """Median latency in milliseconds; of several seconds their mean, by messages."""
    p99: float | None
    """Of several seconds the worst."""
    max: float | None
    """Of several seconds the worst."""
    memory: dict[int, int]
    """Private memory by slot, in bytes, of slots that have a worker."""
    restarts: dict[int, int]
    """Workers that ended, by slot, since the first look at the server."""


def samples(results: Results, most: int = 400) -> list[Sample]:
    """Return the run in at most `most` parts of equal length."""
    points = list(zip(results.series, spans(results), strict=True))
    known = next((point.server for point in results.series if point.server), None)
    before = restarts(known.workers) if known else {}
    size = max(1, math.ceil(len(points) / most))
    groups = (points[start : start + size] for start in range(0, len(points), size))
    return [_sample(group, before) for group in groups]


def _sample(group: Sequence[tuple[Point, float]], before: dict[int, int]) -> Sample:
    """Return several points as one."""
    points = [point for point, _ in group]
    seconds = sum(span for _, span in group)
    latencies = [(one.latency_ms, one.received) for one in points if one.latency_ms]
    weight = sum(max(1, received) for _, received in latencies)
    servers = [point.server for point in points if point.server]
    memory: dict[int, int] = {}
    for worker in servers[-1].workers if servers else ():
        if worker.private is not None:
            memory[worker.slot] = memory.get(worker.slot, 0) + worker.private
    ended = restarts(servers[-1].workers) if servers else {}
    return Sample(
        t=points[-1].t,
        span=seconds,
        connected=min(point.connected for point in points),
        sent_s=_a_second(sum(point.sent for point in points), seconds),
        received_s=_a_second(sum(point.received for point in points), seconds),
        errors=sum(point.errors for point in points),
        lag_ms=max(point.lag_ms_max for point in points),
        p50=sum(one.p50 * max(1, received) for one, received in latencies) / weight
        if latencies
        else None,
        p99=max((one.p99 for one, _ in latencies), default=None),
        max=max((one.max for one, _ in latencies), default=None),
        memory=memory,
        restarts={
            slot: max(0, count - before.get(slot, count))
            for slot, count in ended.items()
        },
    )


def _a_second(count: int, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a histogram."""

    low: float
    """Milliseconds where it begins."""
    high: float
    """Milliseconds where it ends."""
    count: int
    """Messages that took so long."""


def bars(histogram: Histogram, low: float, high: float, number: int) -> list[Bar]:
    """Return a histogram as bars of equal width on a logarithmic axis.

    Args:
        histogram: buckets, as fine as they are.
        low, high: the ends of the axis, in milliseconds; what is beyond is counted
            in the first and the last bar.
        number: how many bars.
    """
    step = (high / low) ** (1 / number)
    edges = [low * step**index for index in range(number + 1)]
    counts = [0] * number
    for upper, count in histogram.buckets:
        # A bucket belongs where its upper end lies; an end on an edge, below it.
        index = bisect.bisect_left(edges, upper * (1 - 1e-9)) - 1
        counts[min(number - 1, max(0, index))] += count
    return [
        Bar(edges[index], edges[index + 1], count) for index, count in enumerate(counts)
    ]


def curve(histogram: Histogram, most: int = 200) -> list[tuple[float, float]]:
    """Return latency by percentile.

    Args:
        histogram: buckets, in rising order.
        most: points at most.

    Returns:
        (-log10(1 - portion), milliseconds) in rising order; the last one is the
        slowest message, where less than one of all messages would be beyond.
    """
    total = sum(count for _, count in histogram.buckets)
    found: list[tuple[float, float]] = []
    seen = 0
    last = -1
    for upper, count in histogram.buckets:
        if not count:
            continue
        # Where this latency begins: the portion of messages that were faster.
        x = math.log10(total) - math.log10(total - seen)
        seen += count
        step = int(x * most / max(1.0, math.log10(max(total, 2))))
        if step != last or seen == total:
            found.append((x, upper))
            last = step
    if found:
        found.append((math.log10(max(total, 2)), found[-1][1]))
    return found
