"""Figures drawn from the results."""

import math

from msgspec.structs import replace

from hubbub.loadtest.report.figures import Memory, bars, curve, memory, samples
from hubbub.loadtest.results import Histogram, Point, Server, Worker
from tests.loadtest.made_up import empty, results


def point(t: float, *workers: tuple[int, int | None, int]) -> Point:
    """Return a point with workers as (slot, private, restarts)."""
    rows = [
        Worker(slot=slot, private=private, connections=0, restarts=restarts)
        for slot, private, restarts in workers
    ]
    return Point(t=t, connected=0, sent=0, received=0, server=Server(workers=rows))


def test_memory_is_that_of_all_workers_at_its_most() -> None:
    series = [
        point(1.0, (0, 10, 3), (1, 20, 0)),
        point(2.0, (0, 40, 3), (1, None, 1)),
        Point(t=3.0, connected=0, sent=0, received=0),
        point(4.0, (0, 30, 3), (1, 15, 2)),
    ]
    made = replace(results(), series=series)
    assert memory(made) == Memory(workers=2, private=45, restarts=2)


def test_slot_with_two_workers_is_one() -> None:
    """During a handover a slot has an incumbent and a successor."""
    series = [point(1.0, (0, 10, 0)), point(2.0, (0, 10, 1), (0, 12, 1))]
    found = memory(replace(results(), series=series))
    assert found is not None
    assert (found.workers, found.private, found.restarts) == (1, 22, 1)


def test_server_out_of_reach_has_no_memory() -> None:
    assert memory(results(workers=None)) is None
    assert memory(empty()) is None


def test_samples_are_the_points_of_a_short_run() -> None:
    made = results(killed=True, ramp=3, hold=10)
    found = samples(made)
    assert len(found) == len(made.series)
    for one, given in zip(found, made.series, strict=True):
        assert one.t == given.t
        assert one.connected == given.connected
        assert math.isclose(one.received_s * one.span, given.received)
        assert (one.p99 is None) == (given.latency_ms is None)
    assert found[-1].restarts == {0: 0, 1: 1}


def test_samples_of_a_long_run_keep_the_worst() -> None:
    made = results(killed=True, ramp=3, hold=996)
    found = samples(made, most=100)
    assert len(found) == 100
    assert found[-1].t == made.series[-1].t
    assert min(one.connected for one in found[5:]) == 500
    known = [one.latency_ms for one in made.series if one.latency_ms]
    assert max(one.max or 0 for one in found) == max(one.max for one in known)
    assert max(one.p99 or 0 for one in found) == max(one.p99 for one in known)
    assert max(one.lag_ms for one in found) == max(p.lag_ms_max for p in made.series)
    assert sum(one.errors for one in found) == sum(p.errors for p in made.series)
    received = sum(one.received_s * one.span for one in found)
    assert math.isclose(received, made.received, rel_tol=1e-6)
    p50 = [one.p50 for one in found if one.p50 is not None]
    assert all(0.5 < value < 5 for value in p50)


def test_samples_of_nothing_are_none() -> None:
    assert samples(empty()) == []


def test_worker_that_is_gone_has_no_memory() -> None:
    series = [point(1.0, (0, 10, 0), (1, 20, 0)), point(2.0, (0, 0, 0), (1, None, 1))]
    found = samples(replace(results(), series=series))
    assert [one.memory for one in found] == [{0: 10, 1: 20}, {0: 0}]


def test_restarts_count_from_the_first_look() -> None:
    series = [point(1.0, (0, 10, 7)), point(2.0, (0, 10, 9)), point(3.0, (5, 1, 2))]
    found = samples(replace(results(), series=series))
    assert [one.restarts for one in found] == [{0: 0}, {0: 2}, {5: 0}]


def histogram(*buckets: tuple[float, int]) -> Histogram:
    return Histogram(encoded="", buckets=list(buckets))


def test_bars_hold_every_message_once() -> None:
    made = results().histogram
    assert made is not None
    total = sum(count for _, count in made.buckets)
    for number in (1, 7, 48):
        found = bars(made, 0.1, 100.0, number)
        assert len(found) == number
        assert sum(one.count for one in found) == total
        assert math.isclose(found[0].low, 0.1)
        assert math.isclose(found[-1].high, 100)


def test_bar_is_that_of_its_latency() -> None:
    found = bars(histogram((0.001, 1), (1.0, 2), (5.0, 4), (900.0, 8)), 1.0, 100.0, 2)
    assert [one.count for one in found] == [7, 8]
    found = bars(histogram((10.0, 1), (10.1, 2)), 1.0, 100.0, 2)
    assert [one.count for one in found] == [1, 2]


def test_curve_rises_to_the_slowest() -> None:
    found = curve(histogram((1.0, 90), (2.0, 0), (3.0, 9), (50.0, 1)))
    assert [(round(x, 6), y) for x, y in found] == [
        (0, 1.0),
        (1, 3.0),
        (2, 50.0),
        (2, 50.0),
    ]


def test_curve_of_nothing_is_empty() -> None:
    assert curve(histogram()) == []
    assert curve(histogram((1.0, 0))) == []


def test_curve_is_short_and_rises_only() -> None:
    made = results(hold=200, clients=500).histogram
    assert made is not None
    found = curve(made)
    assert 50 < len(found) <= 202
    assert found == sorted(found)
    assert found[-1][1] == made.buckets[-1][0]
