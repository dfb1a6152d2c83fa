"""Figures and sentences of reports."""

import pytest

from hubbub.loadtest import wording
from hubbub.loadtest.results import Violation


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "0"),
        (7, "7"),
        (949.6, "950"),
        (999.4, "999"),
        (999.6, "1.00k"),
        (12_345, "12.3k"),
        (999_600, "1.00M"),
        (1_500_000, "1.50M"),
        (2.5e9, "2.50G"),
    ],
)
def test_counts_are_short(number: float, written: str) -> None:
    assert wording.short(number) == written


@pytest.mark.parametrize(
    ("milliseconds", "written"),
    [
        (None, "-"),
        (0, "0 ms"),
        (0.0042, "0.004 ms"),
        (0.42, "0.420 ms"),
        (9.996, "10.0 ms"),
        (12.34, "12.3 ms"),
        (99.96, "100 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (61_000, "61.0 s"),
    ],
)
def test_latencies_have_three_digits(milliseconds: float | None, written: str) -> None:
    assert wording.latency(milliseconds) == written


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (1024, "1.00 KiB"),
        (43.1 * (1 << 20), "43.1 MiB"),
        (3 << 30, "3.00 GiB"),
    ],
)
def test_sizes(number: float, written: str) -> None:
    assert wording.size(number) == written


@pytest.mark.parametrize(
    ("number", "written"),
    [(0.04, "0.0 s"), (15, "15.0 s"), (99.96, "1 min 40 s"), (125, "2 min 05 s")],
)
def test_durations(number: float, written: str) -> None:
    assert wording.seconds(number) == written


@pytest.mark.parametrize(
    ("number", "written"), [(0, "0 clients"), (1, "1 client"), (1000, "1,000 clients")]
)
def test_things_are_counted(number: int, written: str) -> None:
    assert wording.many(number, "client") == written


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("p99", 50.04, "50.04 ms"),
        ("latency_ms.p99", 50.04, "50.04 ms"),
        ("generator.lag_ms_p99", 1.0, "1 ms"),
        ("duration_s", 15.25, "15.25 s"),
        ("generator.cpu_s", 1.5, "1.5 s"),
        ("sent_s", 1234.56, "1,234.6/s"),
        ("lost", 1234.0, "1,234"),
        ("p99", None, "no figure"),
    ],
)
def test_figures_have_their_unit(name: str, value: float | None, written: str) -> None:
    assert wording.figure(name, value) == written


def test_violation_says_what_it_knows() -> None:
    one = Violation(
        kind="corrupted", room=None, sender=None, number=None, t=1.5, what="a\nb"
    )
    assert wording.violation(one) == (
        r"room unknown, sender unknown, number unknown, at 1.500 s (a\nb)"
    )


def test_words_of_strangers_are_escaped_and_short() -> None:
    assert wording.kind("\x1b" + "x" * 100) == r"\x1b" + "x" * 56
