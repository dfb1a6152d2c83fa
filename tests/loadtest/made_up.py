"""Made-up results: runs as they could have been, the same every time."""

import random
from typing import Any

import msgspec
from hdrh.histogram import HdrHistogram

from hubbub.loadtest.expect import judge, parse
from hubbub.loadtest.results import (
    Generator,
    Histogram,
    Machine,
    Mark,
    Percentiles,
    Phase,
    Point,
    Results,
    Server,
    Spread,
    Violation,
    Worker,
)

MEGABYTE = 1 << 20


def results(
    *,
    seed: int = 1,
    clients: int = 1000,
    ramp: int = 3,
    hold: int = 15,
    drain: int = 1,
    rate: float = 1.0,
    workers: int | None = 2,
    killed: bool = False,
    lost: int = 0,
    late: bool = False,
    early: bool = False,
    expect: tuple[str, ...] = (),
    median_ms: float = 0.8,
    scenario: str = "chat",
    **changes: Any,
) -> Results:
    """Return the results of a run that never was.

    Args:
        seed: of what is left to chance.
        clients: people, in rooms of 10.
        ramp, hold, drain: length of the phases, in seconds.
        rate: messages a second of each of them.
        workers: of the server; None: its status is out of reach.
        killed: whether a worker is killed in the middle, and comes back.
        lost: messages lost on the way.
        late: whether the generator was late.
        early: whether Ctrl-C ended the hold phase half way.
        expect: expectations.
        median_ms: the latency of most.
        scenario: its name.
        changes: fields of the results that are to be different.
    """
    chance = random.Random(seed)
    held = hold // 2 if early else hold
    end = ramp + held + drain
    histogram = HdrHistogram(1, 3_600_000_000, 3)
    killed_at = ramp + held // 2 if killed else None
    series = []
    for second in range(1, end + 1):
        part = min(1.0, second / ramp) if ramp else 1.0
        missing = clients // 2 if second - 1 == killed_at else 0
        here = round(clients * part) - missing
        sending = ramp < second <= ramp + held
        sent = round(here * rate * chance.uniform(0.97, 1.03)) if sending else 0
        slow = 40.0 if killed_at is not None and second - 1 == killed_at else 1.0
        latencies = sorted(
            median_ms * slow * chance.lognormvariate(0, 0.5)
            for _ in range(min(500, sent))
        )
        if latencies and chance.random() < 0.2:
            latencies[-1] *= 6
        for latency in latencies:
            histogram.record_value(max(1, round(latency * 1000)))
        series.append(
            Point(
                t=second + chance.uniform(0, 0.004),
                connected=here,
                sent=sent,
                received=sent * 9,
                errors=missing,
                lag_ms_max=chance.uniform(0.1, 2) * (60 if late else 1),
                latency_ms=Spread(
                    p50=latencies[len(latencies) // 2],
                    p99=latencies[int(len(latencies) * 0.99)],
                    max=latencies[-1],
                )
                if latencies
                else None,
                server=_server(second, workers, here, killed_at, chance),
            )
        )
    sent = sum(point.sent for point in series)
    marks = []
    if killed_at is not None:
        marks = [
            Mark(t=killed_at + 0.5, text="worker 1 killed"),
            Mark(t=killed_at + 1.2, text="worker 1 ready again"),
        ]
    made = Results(
        verdict="pass",
        clients=clients,
        connected=max((point.connected for point in series), default=0),
        closed=0,
        sent=sent,
        expected=sent * 9,
        received=sent * 9 - lost,
        lost=lost,
        duplicated=0,
        reordered=0,
        misrouted=0,
        corrupted=0,
        errors={"reset": clients // 2} if killed else {},
        latency_ms=_percentiles(histogram),
        generator=Generator(
            cpu_s=end * 0.4, lag_ms_p99=62.5 if late else 0.9, late=late
        ),
        violations=[
            Violation(
                kind="lost",
                room=n % 7,
                sender=n % 31,
                number=100 + n,
                t=ramp + n / max(1, lost) * held,
                what=f"1 before {101 + n}",
            )
            for n in range(min(lost, 100))
        ],
        scenario=scenario,
        early=early,
        started_at="2025-03-14T15:09:26+01:00",
        duration_s=float(end),
        plan={
            "url": None,
            "scenario": scenario,
            "clients": clients,
            "rooms": clients // 10,
            "rate": rate,
            "size": 100,
            "duration": float(hold),
            "ramp": float(ramp),
            "processes": 1,
            "seed": seed,
        },
        machine=Machine(
            cpus=2,
            kernel="Linux 6.1.0",
            python="CPython 3.11.2",
            memory_bytes=8 << 30,
        ),
        versions={"hubbub": "0.1.0", "python": "3.11.2", "trio": "0.30.0"},
        phases=[
            Phase(name="ramp", start=0.0, end=float(ramp)),
            Phase(name="hold", start=float(ramp), end=float(ramp + held)),
            Phase(name="drain", start=float(ramp + held), end=float(end)),
        ],
        marks=marks,
        series=series,
        histogram=_encoded(histogram) if sent else None,
    )
    made = msgspec.structs.replace(made, **changes)
    allowed = ("errors", "closed") if killed else ()
    judged = judge(made, [parse(one) for one in expect], allowed)
    return msgspec.structs.replace(judged, **changes)


def empty(**changes: Any) -> Results:
    """Return the results of a run that could not even connect."""
    given: dict[str, Any] = {
        "clients": 10,
        "errors": {"refused": 10},
        "series": [],
        "phases": [],
        "marks": [],
        "connected": 0,
        "duration_s": 0.0,
    }
    return results(ramp=0, hold=0, drain=0, **(given | changes))


def hostile() -> Results:
    """Return results whose every text is an attempt on the terminal or the page."""
    evil = "</script><script>alert(1)</script>\x1b[31m\"'&\u202e[bold]red\n"
    return results(
        scenario=evil,
        plan={"url": evil, evil: evil},
        versions={"hubbub": evil},
        errors={evil: 3},
        why=[evil],
        started_at=evil,
        verdict="fail",
        marks=[Mark(t=5.0, text=evil)],
        notes=[evil],
        lost=1,
        violations=[
            Violation(kind=evil, room=evil, sender=evil, number=1, t=1.0, what=evil)
        ],
        machine=Machine(cpus=2, kernel=evil, python=evil, memory_bytes=1),
        phases=[Phase(name=evil, start=0.0, end=3.0)],
    )


def _server(
    second: int,
    workers: int | None,
    connected: int,
    killed_at: int | None,
    chance: random.Random,
) -> Server | None:
    """Return what the server told of its workers."""
    if workers is None:
        return None
    rows = []
    for slot in range(workers):
        back = killed_at is not None and slot == 1 and second > killed_at
        gone = back and second - 1 == killed_at
        share = connected // workers
        memory = (18 + 0.02 * share + chance.uniform(0, 0.2)) * MEGABYTE
        rows.append(
            Worker(
                slot=slot,
                private=None if gone else round(memory),
                connections=0 if gone else share,
                restarts=int(back),
            )
        )
    return Server(workers=rows)


def _percentiles(histogram: HdrHistogram) -> Percentiles:
    """Return the percentiles of a histogram of microseconds."""
    if not histogram.total_count:
        return Percentiles()

    def at(percent: float) -> float:
        return float(histogram.get_value_at_percentile(percent)) / 1000

    return Percentiles(p50=at(50), p90=at(90), p99=at(99), p999=at(99.9), max=at(100))


def _encoded(histogram: HdrHistogram) -> Histogram:
    """Return a histogram as results hold it."""
    buckets = [
        (item.value_iterated_to / 1000, int(item.count_added_in_this_iter_step))
        for item in histogram.get_recorded_iterator()
    ]
    return Histogram(encoded=histogram.encode().decode(), buckets=buckets)
