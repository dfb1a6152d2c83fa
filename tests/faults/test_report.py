"""A report fails where a figure is over its limit, and says which."""

import pytest

from tests.faults.report import Report


@pytest.mark.parametrize(
    ("value", "good"), [(1.9, True), (2.0, True), (2.1, False), (float("nan"), False)]
)
def test_at_most_takes_the_limit_and_nothing_over_it(value: float, good: bool) -> None:
    report = Report("S0", "nothing")
    report.at_most("delay", value, 2.0, "s")
    assert (not report.failed) is good
    assert ("FAILED" in report.text()) is not good


@pytest.mark.parametrize(("value", "good"), [(3, True), (4, True), (2, False)])
def test_at_least_takes_the_limit_and_nothing_under_it(value: int, good: bool) -> None:
    report = Report("S0", "nothing")
    report.at_least("clients", value, 3)
    assert (not report.failed) is good


def test_equal_wants_the_same() -> None:
    report = Report("S0", "nothing")
    report.equal("codes", {1001}, {1001})
    assert not report.failed
    report.equal("codes", {1006}, {1001})
    assert [line.measured for line in report.failed] == ["{1006}"]


def test_text_has_every_figure_and_note() -> None:
    report = Report("S9", "something broke", "3 members")
    report.tell("reason", "killed")
    report.at_most("lost", 0, 0)
    report.notes.append("an example")
    assert report.head() == "S9: something broke: broke off"
    report.finished = True
    lines = report.text().splitlines()
    assert lines[0] == "S9: something broke: ok"
    assert [line.split() for line in lines[1:]] == [
        ["3", "members"],
        ["reason", "killed"],
        ["lost", "0", "≤", "0", "ok"],
        ["!", "an", "example"],
    ]
