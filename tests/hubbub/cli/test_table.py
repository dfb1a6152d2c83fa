"""The status for people fits 80 columns, whatever the figures are."""

import pytest

from hubbub.cli.table import WIDTH, size, span, status_lines


def worker(slot: int, **changes: object) -> dict[str, object]:
    return {
        "slot": slot,
        "pid": 4194304,
        "generation": 1,
        "state": "ready",
        "uptime_s": 3725.5,
        "connections": 1234,
        "rooms": 56,
        "memory": {"private": 12_345_678, "shared": 1, "soft": None, "hard": None},
        "cpu_percent": 12.6,
        "loop_delay_ms": {"p50": 0.1, "p99": 1.26, "max": 30.0},
        "restarts": {"planned": 1, "crash": 2, "watchdog": 3, "memory": 0},
        **changes,
    }


def status(*workers: dict[str, object]) -> dict[str, object]:
    return {
        "cluster": {
            "state": "ready",
            "ready": len(workers),
            "slots": len(workers),
            "urls": {"public": "http://127.0.0.1:8080", "dashboard": None},
            "uptime_s": 65.0,
            "pid": 77,
        },
        "workers": list(workers),
    }


def test_status_is_a_line_for_the_cluster_and_one_a_worker() -> None:
    assert status_lines(status(worker(0), worker(10, state="draining"))) == [
        "ready  2/2 workers  http://127.0.0.1:8080  up 1m  pid 77",
        "slot state        pid gen    up conns rooms memory cpu% p99 ms restarts",
        "   0 ready    4194304   1 1h02m  1234    56  11.8M   13    1.3        6",
        "  10 draining 4194304   1 1h02m  1234    56  11.8M   13    1.3        6",
    ]


def test_empty_slot_has_dashes_for_what_it_has_not() -> None:
    empty = {"slot": 3, "state": "failed", "pid": None}
    lines = status_lines(status(empty))
    assert lines[-1].split() == ["3", "failed"] + ["-"] * 9


@pytest.mark.parametrize("broken", [{}, {"cluster": 1, "workers": 2}, {"workers": [3]}])
def test_status_of_another_version_is_shown_as_far_as_it_goes(
    broken: dict[str, object],
) -> None:
    assert status_lines(broken)[0].startswith("?  ?/? workers  ?")


def test_any_figures_fit_80_columns() -> None:
    large = worker(
        255,
        state="incumbent",
        generation=123456,
        uptime_s=1e9,
        connections=10_000_000,
        rooms=10_000_000,
        memory={"private": 1 << 50},
        cpu_percent=100.0,
        loop_delay_ms={"p99": 123456.7},
        restarts={"crash": 123456},
    )
    cluster = status(large)
    cluster["cluster"]["urls"]["public"] = "http://" + "x" * 200  # type: ignore[index]
    for line in status_lines(cluster):
        assert len(line) <= WIDTH


def test_status_cannot_act_on_the_terminal() -> None:
    for line in status_lines(status(worker(0, state="\x1b[2J"))):
        assert line.isprintable()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h00m"),
        (359_999, "99h59m"),
        (360_000, "4d"),
    ],
)
def test_span(seconds: object, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "-"),
        (0, "0B"),
        (999, "999B"),
        (1000, "1.0K"),
        (4096, "4.0K"),
        (1 << 20, "1.0M"),
        (1000 << 20, "1.0G"),
        (5000 << 30, "5000.0G"),
    ],
)
def test_size(count: object, text: str) -> None:
    assert size(count) == text
