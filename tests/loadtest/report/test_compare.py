"""Two runs side by side."""

import io
from typing import Any

import pytest

from hubbub.loadtest.report.compare import show, unfair
from hubbub.loadtest.results import Generator, Machine, Results
from tests.loadtest.made_up import empty, hostile, results

TIMES = "\N{MULTIPLICATION SIGN}"


def shown(
    first: Results,
    second: Results,
    names: tuple[str, str] = ("a.json", "b.json"),
    color: bool | None = None,
) -> str:
    stream = io.StringIO()
    show(first, second, stream, names, color)
    return stream.getvalue()


def row(text: str, name: str) -> list[str]:
    """Return the three cells of a row."""
    (line,) = [line for line in text.splitlines() if line.startswith(name + "  ")]
    cells = line[len(name) :].split("  ")
    return [cell.strip() for cell in cells if cell.strip()]


def test_figures_stand_side_by_side_with_their_ratio() -> None:
    fast = results(seed=1, median_ms=1.0, workers=1)
    slow = results(seed=1, median_ms=2.0, workers=2, lost=3, clients=2000)
    text = shown(fast, slow)
    assert row(text, "") == ["a.json", "b.json", "ratio"]
    assert row(text, "verdict") == ["PASS", "FAIL"]
    assert row(text, "clients") == ["1,000", "2,000", f"2.00 {TIMES}"]
    p50 = row(text, "latency p50")
    assert [cell.split()[1] for cell in p50] == ["ms", "ms", TIMES]
    assert float(p50[2].split()[0]) == pytest.approx(2, rel=0.1)
    assert row(text, "lost") == ["0", "3", "more than 0"]
    assert row(text, "duplicated") == ["0", "0", "-"]
    assert row(text, "server memory")[0].endswith("MiB")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (results(), empty()),
        (empty(), results()),
        (empty(), empty()),
        (hostile(), hostile()),
        (results(workers=None), results(clients=100_000, rate=900.0)),
    ],
    ids=["to nothing", "from nothing", "nothing", "hostile", "large"],
)
def test_every_pair_fits_80_columns(first: Results, second: Results) -> None:
    text = shown(first, second, ("a\x1b[31m" + "b" * 100, "ü" * 100))
    assert max(map(len, text.splitlines())) <= 80
    assert all(line.isprintable() for line in text.splitlines())


def test_what_was_not_measured_has_no_ratio() -> None:
    assert row(shown(results(), empty()), "latency p99")[1:] == ["-", "-"]
    assert row(shown(results(workers=None), results()), "server memory")[2] == "-"


def test_same_load_on_the_same_machine_is_fair() -> None:
    assert list(unfair(results(seed=1), results(seed=2))) == []


GONE: dict[str, Any] = {"machine": None, "versions": {}}


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        ({"rate": 2.0}, ["The plans differ: rate 1 and 2."]),
        (
            {"plan": results().plan | {"processes": 4, "new": True}},
            ["The plans differ: processes 1 and 4, new none and True."],
        ),
        (
            {
                "machine": Machine(
                    cpus=4,
                    kernel="Linux 6.1.0",
                    python="CPython 3.11.2",
                    memory_bytes=16 << 30,
                )
            },
            ["The machines differ: CPUs 2 and 4, memory 8.00 GiB and 16.0 GiB."],
        ),
        (
            {"versions": results().versions | {"hubbub": "0.2.0"}},
            ["The versions differ: hubbub 0.1.0 and 0.2.0."],
        ),
        ({"early": True}, ["second was ended early by Ctrl-C."]),
        (
            {"late": True},
            [
                "second: the load generator ran late, p99 of its lag 62.5 ms: "
                "latencies are not the server's alone."
            ],
        ),
    ],
    ids=["plan", "plan of another version", "machine", "versions", "early", "late"],
)
def test_what_is_unfair_is_told(changes: dict[str, Any], sentences: list[str]) -> None:
    assert list(unfair(results(), results(**changes))) == sentences


def test_unknown_machine_is_another() -> None:
    told = list(unfair(results(), results(**GONE)))
    assert told[0].startswith("The machines differ: CPUs 2 and none, kernel Linux")
    assert told[1].startswith("The versions differ: hubbub 0.1.0 and none")


def test_late_generator_comes_first() -> None:
    text = shown(results(rate=2.0), results(late=True))
    assert text.startswith("b.json: the load generator ran late")


def test_colour_tells_better_from_worse() -> None:
    def generator(cpu_s: float) -> Generator:
        return Generator(cpu_s=cpu_s, lag_ms_p99=1.0, late=False)

    def colored(cpu_s: float) -> str:
        second = results(generator=generator(cpu_s))
        text = shown(results(generator=generator(10.0)), second, color=True)
        (line,) = [line for line in text.splitlines() if "generator CPU" in line]
        return line

    assert "\x1b[31m" in colored(20.0)
    assert "\x1b[32m" in colored(5.0)
    assert "\x1b[31m" not in colored(10.2)
    assert "\x1b[32m" not in colored(9.8)
