"""The summary: its first line, its last line, its width, in colour and without."""

import io

import pytest

from hubbub.loadtest.report.summary import WIDTH, show
from hubbub.loadtest.results import Results
from tests.loadtest.made_up import empty, hostile, results


def shown(made: Results, color: bool | None = None) -> str:
    stream = io.StringIO()
    show(made, stream, color=color)
    return stream.getvalue()


def cell(text: str, name: str) -> str:
    """Return what stands beside a name."""
    (line,) = [line for line in text.splitlines() if line.startswith(name + " ")]
    return line.removeprefix(name).strip()


@pytest.mark.parametrize(
    "made",
    [
        results(),
        results(late=True, lost=200, early=True, expect=("p99<1us", "lost=0")),
        results(clients=100_000, rate=500.0, errors={f"kind{n}": n for n in range(50)}),
        results(plan={"url": "ws://" + "long." * 50}),
        empty(),
        hostile(),
    ],
    ids=["good", "bad", "large", "long", "empty", "hostile"],
)
def test_every_line_fits_and_the_verdict_is_last(made: Results) -> None:
    text = shown(made)
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[-1] == ("PASS" if made.verdict == "pass" else "FAIL")
    assert all(line.isprintable() for line in lines)
    assert text.endswith("\n")


def test_what_the_scenario_was_to_find_out_is_listed() -> None:
    text = shown(results(notes=["all were back after 1.2 s", "4 workers were killed"]))
    assert cell(text, "noted") == "all were back after 1.2 s"
    assert "\n            4 workers were killed\n" in text
    assert "noted" not in shown(results())


def test_first_line_says_that_the_generator_ran_late() -> None:
    assert shown(results()).startswith("chat  1,000 clients  19.0 s  a cluster of")
    assert shown(results(late=True)).startswith("The load generator ran late, p99 of")


def test_figures_are_shown() -> None:
    made = results(killed=True)
    text = shown(made)
    assert cell(text, "connected") == "1,000 of 1,000 at once"
    assert cell(text, "sent") == f"{made.sent:,} messages, 971/s"
    told = f"{made.received:,} of {made.expected:,} expected, 8.74k/s"
    assert cell(text, "received") == told
    assert cell(text, "latency").split() == ["p50", "p90", "p99", "p999", "max"]
    assert cell(text, "violations") == (
        "none: each message once, in order, to its members only"
    )
    assert cell(text, "closed") == "0 by the server"
    assert cell(text, "errors") == "500 reset"
    assert cell(text, "server").startswith("2 workers, at most ")
    assert cell(text, "server").endswith(" MiB private, 1 restart")
    assert cell(text, "generator") == "7.60 s CPU, lag p99 0.900 ms"


def test_percentiles_stand_below_their_names() -> None:
    lines = shown(results()).splitlines()
    (index,) = [n for n, line in enumerate(lines) if line.startswith("latency")]
    names, figures = lines[index : index + 2]
    assert "38.5 ms" in figures
    assert names.endswith("max")
    assert len(names) == len(figures)


def test_violations_are_shown_and_the_rest_counted() -> None:
    text = shown(results(lost=30))
    assert cell(text, "violations").startswith("30 lost, 0 duplicated, 0 reordered")
    assert text.count("lost: room ") == 5
    assert "and 25 more" in text
    assert "and " not in shown(results(lost=5)).split("violations")[1].split("PASS")[0]


def test_nothing_measured_is_told() -> None:
    text = shown(empty())
    assert cell(text, "latency") == "nothing received"
    assert cell(text, "violations") == "none"
    assert "server  " not in text
    assert "- None of 10 clients could connect." in text


def test_early_end_is_told() -> None:
    assert "Ended early by Ctrl-C" in shown(results(early=True))
    assert "Ended early" not in shown(results())


def test_expectations_are_told_one_by_one() -> None:
    text = shown(results(expect=("p99<50ms", "p50<1us", "sent_s>9")))
    told = [" ".join(line.split()) for line in text.splitlines() if "found" in line]
    assert told == [
        "expected met p99<50ms found 2.443 ms",
        "NOT MET p50<1us found 0.806 ms",
        "met sent_s>9 found 1,004.6/s",
    ]
    assert "- Expected p50<1us, but p50 is 0.806 ms." in text


def test_url_is_in_the_first_line() -> None:
    made = results(plan={"url": "ws://example.net"})
    assert shown(made).splitlines()[0].endswith("ws://example.net")


def test_colour_changes_no_word() -> None:
    made = results(late=True, lost=3, expect=("p99<1us",))
    colored = shown(made, color=True)
    assert "\x1b[" in colored
    assert "\x1b" not in shown(made)


def test_stream_without_our_signs_is_no_obstacle() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    show(results(scenario="naïve ☃"), stream)
    assert raw.getvalue().startswith(b"na?ve ?  1,000 clients")
