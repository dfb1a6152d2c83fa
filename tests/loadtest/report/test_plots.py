"""Plots of a page: which there are, and what they hold."""

import re
from typing import Any

import pytest
from msgspec.structs import replace

from hubbub.loadtest.report import plots
from hubbub.loadtest.report.figures import Sample, samples
from hubbub.loadtest.report.plots import Plot
from hubbub.loadtest.results import Results
from tests.loadtest.made_up import empty, results


def over_time(made: Results) -> dict[str, Plot]:
    return {one.name: one for one in plots.over_time(made, samples(made))}


ALWAYS = ["latency", "received", "sent", "connections"]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, [*ALWAYS, "memory", "lag"]),
        ({"killed": True}, [*ALWAYS, "memory", "errors", "lag"]),
        ({"workers": None}, [*ALWAYS, "lag"]),
        ({"rate": 0.0}, [*ALWAYS[1:], "memory", "lag"]),
    ],
)
def test_what_was_measured_has_a_plot(
    changes: dict[str, Any], names: list[str]
) -> None:
    assert list(over_time(results(**changes))) == names


def test_every_line_has_a_value_for_each_second() -> None:
    made = results(killed=True)
    for plot in over_time(made).values():
        for line in plot.lines:
            assert len(line.values) == len(made.series)
            assert all(v is None or v <= plot.y.high for v in line.values), plot.name


def test_axis_of_connections_reaches_the_clients_asked_for() -> None:
    made = replace(results(clients=10), clients=5000)
    assert over_time(made)["connections"].y.high == 5000 or (
        over_time(made)["connections"].y.high > 5000
    )


def test_every_worker_has_a_line_with_a_gap_while_it_is_gone() -> None:
    made = results(workers=8, killed=True, ramp=3, hold=10)
    lines = over_time(made)["memory"].lines
    assert [line.title for line in lines] == [f"worker {slot}" for slot in range(8)]
    assert len({line.class_ for line in lines}) == 8
    assert [index for index, v in enumerate(lines[1].values) if v is None] == [8]
    assert None not in lines[0].values


def test_many_workers_are_a_sum() -> None:
    lines = over_time(results(workers=9))["memory"].lines
    assert [line.title for line in lines] == ["all 9 workers", "the largest"]
    for total, largest in zip(lines[0].values, lines[1].values, strict=True):
        assert total is not None
        assert largest is not None
        assert 8 * largest < total < 9 * largest


def sample(t: float, **slots: int) -> Sample:
    """Return a sample with restarts by slot: s0=1."""
    return Sample(
        t=t,
        span=1.0,
        connected=0,
        sent_s=0.0,
        received_s=0.0,
        errors=0,
        lag_ms=0.0,
        p50=None,
        p99=None,
        max=None,
        memory={},
        restarts={int(name[1:]): count for name, count in slots.items()},
    )


def test_restart_is_where_it_was_first_seen() -> None:
    looks = [sample(1.0, s0=0), sample(2.0, s0=1), sample(3.0), sample(4.0, s0=1, s1=2)]
    assert plots.restarted(looks) == [(2.0, 0), (4.0, 1)]


def test_figure_is_drawn_for_a_screen_and_a_phone() -> None:
    made = results(killed=True)
    taken = samples(made)
    plot = plots.over_time(made, taken)[0]
    markup = plots.figure(plot, made, taken, first=True)
    assert re.findall(r'<svg class="(\w+)" viewBox="0 0 (\d+) ', markup) == [
        ("wide", "940"),
        ("narrow", "360"),
    ]
    # There is room for two numbers on a screen only.
    assert markup.count('class="flag"') == 3
    assert ">ramp</text>" in markup
    rest = plots.figure(plot, made, taken, first=False)
    assert 'class="flag"' not in rest
    assert ">ramp</text>" not in rest
    assert rest.count('class="mark"') == 4


def test_restarts_are_triangles_on_the_plot_of_memory() -> None:
    made = results(killed=True)
    taken = samples(made)
    plot = over_time(made)["memory"]
    assert plot.note.endswith("a triangle is a restart")
    markup = plots.figure(plot, made, taken, first=False)
    assert markup.count("<title>worker 1 restarted</title>") == 2  # Both widths.
    quiet = over_time(results())["memory"]
    assert "triangle" not in quiet.note


def test_readout_has_what_the_plots_show() -> None:
    made = results(killed=True)
    taken = samples(made)
    drawn = plots.over_time(made, taken)
    found: Any = plots.readout(drawn, taken)
    assert list(found["charts"]) == [plot.name for plot in drawn]
    assert len(found["t"]) == len(found["when"]) == len(taken)
    titles = [line["title"] for line in found["charts"]["latency"]]
    assert titles == ["max", "p99", "p50"]
    for lines in found["charts"].values():
        assert all(len(line["values"]) == len(taken) for line in lines)
    assert found["charts"]["latency"][0]["values"][0] is None
    assert found["charts"]["received"][0]["values"][5].endswith("k/s")
    assert found["when"][5] == "6 s"


def test_readout_of_a_long_run_tells_what_a_point_covers() -> None:
    made = results(hold=2000, clients=10)
    taken = samples(made)
    found: Any = plots.readout(plots.over_time(made, taken), taken)
    assert found["when"][20] == "2:00 to 2:06"


def test_histogram_shows_all_messages() -> None:
    made = results()
    histogram, percentiles = plots.distribution(made)
    assert made.histogram is not None
    counts = re.findall(r": ([\d,]+) messages?, ", histogram)
    total = sum(count for _, count in made.histogram.buckets)
    assert sum(int(count.replace(",", "")) for count in counts) == total
    names = re.findall(r'<text [^>]*text-anchor="middle">(\w[\w.]*)</text>', histogram)
    assert {"p50", "p90", "p99", "p99.9", "max"} <= set(names)
    assert "99.9%" in percentiles


def test_nothing_received_has_no_histogram() -> None:
    assert list(plots.distribution(empty())) == []


def test_one_message_is_drawn() -> None:
    made = results()
    assert made.histogram is not None
    one = replace(made.histogram, buckets=[(1.0, 1)])
    assert len(list(plots.distribution(replace(made, histogram=one)))) == 2
