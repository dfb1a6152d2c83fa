"""Scales: round ticks, few labels, every value within."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hubbub.loadtest.report import scale
from hubbub.loadtest.report.scale import Scale


def labels(found: Scale) -> list[str]:
    return [label for _, label in found.ticks]


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (0, ["0", "1"]),
        (1, ["0", "1"]),
        (3, ["0", "1", "2", "3"]),
        (7, ["0", "2", "4", "6", "8"]),
        (1000, ["0", "250", "500", "750", "1k"]),
        (87_400, ["0", "25k", "50k", "75k", "100k"]),
    ],
)
def test_counts_are_whole_and_round(most: float, expected: list[str]) -> None:
    assert labels(scale.counts(most)) == expected


def test_rates_may_be_below_one() -> None:
    assert labels(scale.rates(0.7)) == ["0", "0.2", "0.4", "0.6", "0.8"]
    assert labels(scale.rates(1000)) == labels(scale.counts(1000))
    assert labels(scale.rates(0)) == ["0", "1"]


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (0, ["0", "1 B"]),
        (900, ["0", "250 B", "500 B", "750 B", "1000 B"]),
        (56 << 20, ["0", "20 MiB", "40 MiB", "60 MiB"]),
        (3 << 30, ["0", "1 GiB", "2 GiB", "3 GiB"]),
    ],
)
def test_sizes_are_round_in_their_unit(most: float, expected: list[str]) -> None:
    assert labels(scale.sizes(most)) == expected


@pytest.mark.parametrize(
    ("end", "most", "expected"),
    [
        (0, 8, ["0 s", "1 s"]),
        (4.2, 8, ["0 s", "1 s", "2 s", "3 s", "4 s"]),
        (19, 8, ["0 s", "5 s", "10 s", "15 s"]),
        (19, 4, ["0 s", "5 s", "10 s", "15 s"]),
        (300, 6, ["0:00", "1:00", "2:00", "3:00", "4:00", "5:00"]),
        (7200, 4, ["0:00", "30:00", "1:00:00", "1:30:00", "2:00:00"]),
    ],
)
def test_times_are_what_people_count_in(
    end: float, most: int, expected: list[str]
) -> None:
    assert labels(scale.times(end, most)) == expected


def test_week_has_few_labels() -> None:
    assert len(scale.times(7 * 86_400.0, 8).ticks) <= 9


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], "0.1 ms, 0.3 ms, 1 ms, 3 ms, 10 ms, 30 ms, 100 ms"),
        ([1.0], "0.2 ms, 0.5 ms, 1 ms, 2 ms, 5 ms"),
        ([0.8, 2.4, 38.5], "0.5 ms, 1 ms, 2 ms, 5 ms, 10 ms, 20 ms, 50 ms"),
        ([0.004, 12_345.0], "10 µs, 0.1 ms, 1 ms, 10 ms, 100 ms, 1 s, 10 s"),
        ([0.0, 5.0], "1 ms, 2 ms, 5 ms, 10 ms, 20 ms"),
    ],
)
def test_latencies_are_logarithmic(values: list[float], expected: str) -> None:
    found = scale.latencies(values)
    assert found.logarithmic
    assert ", ".join(labels(found)) == expected
    assert found.high / found.low >= 9.9


@pytest.mark.parametrize(
    ("seconds", "step", "written"),
    [(7.4, 1, "7 s"), (99.0, 1, "99 s"), (125, 1, "2:05"), (3725, 1, "1:02:05")],
)
def test_moments(seconds: float, step: float, written: str) -> None:
    assert scale.moment(seconds, step) == written


LARGE = some.floats(0, 1e12)


@given(some.lists(LARGE, max_size=5), some.integers(2, 12))
def test_latency_axis_holds_everything(values: list[float], most: int) -> None:
    found = scale.latencies(values, most)
    above = [value for value in values if value > 1e-9]
    if above and min(above) > 1e-6:
        assert found.low <= min(above) * 1.000001
    assert all(found.high >= value * 0.999999 for value in above)
    check(found, most)


@given(LARGE)
def test_axes_from_nothing_hold_everything(most: float) -> None:
    for make in (scale.counts, scale.rates, scale.sizes):
        found = make(most)
        assert found.low == 0
        assert found.high >= most * 0.999999
        check(found, 6)


@given(some.floats(0, 1e7), some.integers(2, 12))
def test_time_axis_ends_with_the_run(end: float, most: int) -> None:
    found = scale.times(end, most)
    assert found.high == max(end, 1.0)
    check(found, most + 1)


def check(found: Scale, most: int) -> None:
    values = [value for value, _ in found.ticks]
    assert 1 <= len(values) <= most
    assert values == sorted(set(values))
    assert len(set(labels(found))) == len(values)
    assert all(found.low <= v * 1.000001 and v <= found.high * 1.000001 for v in values)
    assert found.part(found.low) == 0
    assert math.isclose(found.part(found.high), 1)
    assert found.part(found.high * 2 + 1) == 1
    assert found.part(-1.0) == 0
