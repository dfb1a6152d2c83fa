"""The layout of the live view, at many sizes."""

import io

import pytest
from rich.console import Console

from hubbub.loadtest.results import Spread
from hubbub.loadtest.view.layout import History, render, spark
from hubbub.loadtest.view.progress import Progress
from tests.loadtest.view.looks import look, worker


def drawn(
    progress: Progress,
    width: int = 80,
    height: int = 24,
    history: History | None = None,
    ascii_only: bool = False,
) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height)
    past = history or History()
    with console.capture() as capture:
        console.print(
            render("hubbub load  chat", progress, past, width, height, ascii_only)
        )
    return [line.rstrip() for line in capture.get().splitlines()]


def line(lines: list[str], name: str) -> str:
    (found,) = [line for line in lines if line.startswith(name)]
    return " ".join(found.removeprefix(name).split())


@pytest.mark.parametrize("width", [1, 2, 7, 20, 40, 80, 120, 300])
def test_view_fits_every_width(width: int) -> None:
    history = History()
    for second in range(200):
        history.add(look(elapsed=float(second)))
    busy = look(
        errors={"a" * 70: 5, "refused": 1_000_000},
        totals={"sent": 10**12, "received": 10**15, "lost": 10**12, "closed": 7},
        note="worker 1 " + "killed " * 50,
        workers=[worker(slot) for slot in range(100)],
    )
    lines = drawn(busy, width, 24, history)
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("workers", [0, 1, 8, 9, 100])
def test_view_fits_24_lines(workers: int) -> None:
    progress = look(
        workers=[worker(slot) for slot in range(workers)],
        note="worker 1 killed",
        errors={"refused": 1},
    )
    lines = drawn(progress)
    assert len(lines) <= 23
    shown = sum(text.split()[1:2] == ["ready"] for text in lines)
    assert shown == (workers if workers <= 8 else 7)
    if workers > 8:
        assert lines[-1] == f"and {workers - 7} more"


def test_figures_are_shown() -> None:
    lines = drawn(look())
    assert lines[0] == "hubbub load  chat" + "9.2 s".rjust(63)
    assert line(lines, "clients") == "9,998 of 10,000 connected"
    assert line(lines, "sent") == "12.3k/s 111,000 in all"
    assert line(lines, "received") == "1.23M/s 11,100,000 in all"
    assert line(lines, "latency") == "p99 2.13 ms p50 0.810 ms max 14.2 ms"
    assert line(lines, "lag") == "0.900 ms of the generator, at most"
    assert line(lines, "violations") == "none"
    assert line(lines, "errors") == "none"
    assert line(lines, "slot").startswith("state connections memory restarts")
    assert line(lines, "   1").startswith("ready 5,000 40.0 MiB 1 71.3 1.2")


def test_what_goes_wrong_is_shown_most_frequent_first() -> None:
    progress = look(
        totals={"lost": 3, "duplicated": 1, "closed": 2},
        errors={"refused": 5, "timed_out": 1200, "never": 0},
        note="worker 1 killed",
    )
    lines = drawn(progress)
    assert line(lines, "violations") == "3 lost 1 duplicated 2 closed"
    assert line(lines, "errors") == "1,200 timed out 5 refused"
    assert line(lines, "server") == "worker 1 killed"


def test_nothing_received_lately_is_told() -> None:
    assert line(drawn(look(latency_ms=None)), "latency") == "none received lately"


@pytest.mark.parametrize(
    ("phase", "percents"),
    [
        ("ramp", ["40%", "", ""]),
        ("hold", ["100%", "40%", ""]),
        ("drain", ["100%", "100%", "40%"]),
        ("encore", ["40%", "", ""]),
    ],
)
def test_every_phase_has_a_bar(phase: str, percents: list[str]) -> None:
    lines = drawn(look(phase=phase))
    found = [line(lines, name) for name in ("ramp", "hold", "drain")]
    assert [text.lstrip("━╸╺ ") for text in found] == percents


@pytest.mark.parametrize("fraction", [-1.0, 0.0, 1.0, 17.0])
def test_bar_ends_at_its_ends(fraction: float) -> None:
    percent = line(drawn(look(fraction=fraction)), "hold").split()[-1]
    assert percent in ("0%", "100%")


def test_server_out_of_reach_has_no_table() -> None:
    assert not [text for text in drawn(look(workers=None)) if "slot" in text]


def test_worker_of_another_version_is_shown_as_far_as_known() -> None:
    odd: dict[str, object] = {
        "slot": 3,
        "memory": 7,
        "restarts": None,
        "state": "\x1b[",
    }
    assert line(drawn(look(workers=[odd])), "   3") == r"\x1b[ - - - - -"


def test_recent_past_is_drawn_beside_the_figures() -> None:
    history = History()
    for second, rate in enumerate([0.0, 500.0, 1000.0]):
        for part in (0.0, 0.5):
            given = look(elapsed=second + part, sent_s=rate if part else 77.0)
            history.add(given)
    assert list(history.sent) == [0, 500, 1000]
    assert line(drawn(look(), history=history), "sent").endswith("in all ▁▅█")
    lines = drawn(look(), history=history, ascii_only=True)
    assert line(lines, "sent").endswith("in all")


def test_history_is_bounded() -> None:
    history = History()
    for second in range(10_000):
        history.add(look(elapsed=float(second), latency_ms=None))
    assert len(history.sent) == len(history.received) == len(history.p99) == 120


@pytest.mark.parametrize(
    ("values", "width", "text"),
    [
        ([], 5, ""),
        ([1.0], 0, ""),
        ([1.0], -3, ""),
        ([0.0, 0.0], 5, "▁▁"),
        ([0.0, 7.0], 5, "▁█"),
        ([9.0, 0.0, 7.0], 2, "▁█"),
        ([-1.0, 7.0], 5, "▁█"),
    ],
)
def test_spark_is_between_nothing_and_the_most(
    values: list[float], width: int, text: str
) -> None:
    assert spark(values, width) == text


def test_latency_of_seconds_has_room() -> None:
    slow = look(latency_ms=Spread(p50=999.4, p99=61_234.0, max=123_456.0))
    told = line(drawn(slow), "latency")
    assert told == "p99 61.2 s p50 999 ms max 123 s"
