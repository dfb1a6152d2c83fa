"""A line a second."""

import io
import os

from hubbub.loadtest.view.plain import PlainView, line
from tests.loadtest.view.looks import look


def test_line_says_how_the_run_stands() -> None:
    assert line(look()) == (
        "    9 s hold   40%, 9,998 connected, 12.3k/s out, 1.23M/s in, "
        "p50/p99/max 0.810/2.13/14.2 ms, lag 0.900 ms"
    )
    bad = look(
        latency_ms=None,
        totals={"lost": 3, "closed": 2},
        errors={"refused": 5, "reset": 1},
    )
    assert line(bad) == (
        "    9 s hold   40%, 9,998 connected, 12.3k/s out, 1.23M/s in, "
        "lag 0.900 ms, 3 lost, 2 closed, 6 errors"
    )


def test_a_second_and_a_new_phase_have_a_line_each() -> None:
    stream = io.StringIO()
    with PlainView(stream) as view:
        for quarter in range(12):
            phase = "ramp" if quarter < 6 else "hold"
            view.update(look(elapsed=quarter / 4, phase=phase))
    starts = [text.split(",")[0].split()[:3] for text in stream.getvalue().splitlines()]
    assert starts == [
        ["0", "s", "ramp"],
        ["1", "s", "ramp"],
        ["2", "s", "hold"],
        ["2", "s", "hold"],
    ]


def test_note_has_a_line_once() -> None:
    stream = io.StringIO()
    with PlainView(stream) as view:
        for note in ("", "worker 1\nkilled", "worker 1\nkilled", ""):
            view.update(look(note=note))
    lines = stream.getvalue().splitlines()
    assert lines[1:] == [r"    9 s worker 1\nkilled"]


def test_reader_that_goes_away_does_not_end_the_run() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    with PlainView(stream) as view:
        for second in range(5):
            view.update(look(elapsed=float(second)))
    try:
        stream.close()
    except BrokenPipeError:
        return
    raise AssertionError("the pipe was not broken")


def test_closed_stream_does_not_end_the_run() -> None:
    stream = io.StringIO()
    with PlainView(stream) as view:
        view.update(look())
        stream.close()
        view.update(look(elapsed=20.0))
