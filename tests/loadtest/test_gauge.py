"""What all processes have told, added up."""

from typing import Any

import pytest
import trio
import trio.testing

from hubbub.loadtest.gauge import Gauge, server_of
from hubbub.loadtest.histogram import bucket
from hubbub.loadtest.results import Spread, Worker


def told(**figures: Any) -> dict[str, Any]:
    """Return what a process tells, all zero but for `figures`."""
    nothing: dict[str, Any] = {
        "at": 0,
        "ramped": False,
        "connected": 0,
        "whole": 0,
        "sent": 0,
        "received": 0,
        "errors": {},
        "counts": {},
        "violations": [],
        "latency": {},
        "lag": {},
    }
    return nothing | figures


def test_counts_of_all_processes_are_added_up() -> None:
    gauge = Gauge()
    gauge.hear(0, told(sent=3, errors={"lost": 1}))
    gauge.hear(1, told(sent=4, errors={"lost": 2, "closed_4008": 5}))
    gauge.hear(0, told(sent=10, errors={"lost": 1}))
    assert gauge.total("sent") == 14
    assert gauge.by_kind("errors") == {"lost": 3, "closed_4008": 5}


def test_most_connected_is_remembered() -> None:
    gauge = Gauge()
    gauge.hear(0, told(connected=5))
    gauge.hear(1, told(connected=6))
    gauge.hear(0, told(connected=1))
    assert gauge.most == 11
    assert gauge.total("connected") == 7


def test_latencies_are_told_in_parts_and_kept_whole() -> None:
    gauge = Gauge()
    gauge.hear(0, told(latency={bucket(100): 2}, lag={bucket(50): 1}))
    gauge.hear(0, told(latency={bucket(100): 1, bucket(200): 1}))
    assert gauge.latency.total == 4
    assert gauge.lag.total == 1


def test_point_holds_what_came_since_the_last_one() -> None:
    gauge = Gauge()
    gauge.hear(
        0,
        told(
            connected=2,
            sent=5,
            received=7,
            errors={"lost": 1},
            latency={bucket(100): 4},
            lag={bucket(50): 1},
        ),
    )
    first = gauge.point(1.0004, None)
    assert (first.t, first.connected, first.sent, first.received) == (1.0, 2, 5, 7)
    assert (first.errors, first.lag_ms_max) == (1, 0.05)
    assert first.latency_ms == Spread(p50=0.1, p99=0.1, max=0.1)
    gauge.hear(0, told(connected=2, sent=6, received=7, errors={"lost": 1}))
    second = gauge.point(2.0, None)
    assert (second.sent, second.received, second.errors) == (1, 0, 0)
    assert second.latency_ms is None
    assert second.lag_ms_max == 0
    assert gauge.points == [first, second]


def test_violations_of_all_processes_are_in_the_order_of_time() -> None:
    gauge = Gauge()
    one, two, three = (["lost", 1, 2, 3, t, "x"] for t in (10, 20, 30))
    gauge.hear(0, told(violations=[one, three]))
    gauge.hear(1, told(violations=[two]))
    assert gauge.violations() == [tuple(one), tuple(two), tuple(three)]


async def test_ramp_is_over_when_all_processes_say_so(
    autojump_clock: trio.testing.MockClock,
) -> None:
    gauge, over = Gauge(), []

    async def wait() -> None:
        await gauge.wait_ramped(2)
        over.append(True)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        for process, ramped in ((0, True), (1, False)):
            gauge.hear(process, told(ramped=ramped))
            await trio.testing.wait_all_tasks_blocked()
            assert not over
        gauge.hear(1, told(ramped=True))
    assert over


async def test_ramp_does_not_wait_for_a_process_that_died() -> None:
    gauge = Gauge()
    gauge.hear(0, told(ramped=False, connected=5, sent=3))
    gauge.lose(0)
    gauge.lose(1)
    with trio.fail_after(1):
        await gauge.wait_ramped(1)
    assert gauge.total("connected") == 0
    assert gauge.total("sent") == 3


async def test_crowd_is_back_when_each_process_has_told_of_it_later() -> None:
    gauge, back = Gauge(), []

    async def wait() -> None:
        back.append(await gauge.wait_whole(100))

    gauge.hear(0, told(whole=50, at=90))
    gauge.hear(1, told(whole=60, at=90))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        for process, whole, at in (
            (0, 0, 110),  # It has lost some,
            (0, 130, 140),  # which are back. But what of the other one?
            (1, 0, 145),
        ):
            await trio.testing.wait_all_tasks_blocked()
            gauge.hear(process, told(whole=whole, at=at))
        await trio.testing.wait_all_tasks_blocked()
        assert not back
        gauge.hear(1, told(whole=150, at=160))
        await trio.testing.wait_all_tasks_blocked()
        assert not back
        gauge.hear(0, told(whole=130, at=170))
    assert back == [150]


def test_lately_is_about_the_last_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    gauge = Gauge()
    gauge.hear(0, told())
    gauge.lately()
    for turn in range(1, 13):
        now[0] += 0.25
        gauge.hear(0, told(sent=turn * 10, received=turn * 100))
        lately = gauge.lately()
    assert lately.sent_s == pytest.approx(40)
    assert lately.received_s == pytest.approx(400)
    assert lately.latency_ms is None


def test_lately_shows_the_last_second_until_the_next_one_has_something() -> None:
    gauge = Gauge()
    gauge.hear(0, told(latency={bucket(100): 1}, lag={bucket(2000): 1}))
    gauge.point(1.0, None)
    lately = gauge.lately()
    assert lately.latency_ms == Spread(p50=0.1, p99=0.1, max=0.1)
    assert lately.lag_ms_max == pytest.approx(2, rel=0.01)


def row(slot: int, pid: int | None) -> dict[str, Any]:
    return {
        "slot": slot,
        "pid": pid,
        "memory": {"private": 5000 if pid else 0},
        "connections": 12,
        "restarts": {"memory": 2, "crash": 1},
    }


def test_workers_of_a_status_are_taken_over() -> None:
    server = server_of({"workers": [row(0, 77), row(1, None)]})
    assert server is not None
    assert server.workers == [
        Worker(slot=0, private=5000, connections=12, restarts=3),
        Worker(slot=1, private=None, connections=12, restarts=3),
    ]
    assert server_of(None) is None
