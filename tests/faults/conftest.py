"""Fault scenarios: their figures are printed when all have run; with `-m fault` all of
them, otherwise a line each."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.faults.report import Report
from tests.faults.rig import Plan, Rig, run

_REPORTS = pytest.StashKey[list[Report]]()

MakeScenario = Callable[..., AbstractContextManager[Rig]]
MakeReport = Callable[[str, str], AbstractContextManager[Report]]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_REPORTS] = []


@pytest.fixture
def scenario(request: pytest.FixtureRequest, tmp_path: Path) -> MakeScenario:
    """Make the rig of a scenario: `with scenario("S1", "what is done", plan) as rig`.

    See rig.py for how a scenario is written.
    """

    def make(
        name: str, done: str, plan: Plan, *flags: str, **more: bool
    ) -> AbstractContextManager[Rig]:
        report = Report(name, done)
        request.config.stash[_REPORTS].append(report)
        return run(tmp_path, report, plan, *flags, **more)

    return make


@pytest.fixture
def reporting(request: pytest.FixtureRequest) -> MakeReport:
    """Make a report without a rig: `with reporting("S4", "what is done") as report`."""

    @contextmanager
    def make(name: str, done: str) -> Iterator[Report]:
        report = Report(name, done)
        request.config.stash[_REPORTS].append(report)
        yield report
        report.finished = True
        assert not report.failed, "\n" + report.text()

    return make


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out the quick size of what runs at its full size, too."""
    names = {item.nodeid for item in items}
    quick = [
        item
        for item in items
        if item.nodeid.replace("[quick", "[full") in names and "[quick" in item.nodeid
    ]
    if not quick:
        return
    items[:] = [item for item in items if item not in quick]
    config.hook.pytest_deselected(items=quick)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    reports = config.stash[_REPORTS]
    if not reports:
        return
    terminalreporter.section("fault scenarios")
    whole = "fault" in str(config.option.markexpr)
    for report in reports:
        terminalreporter.write_line(report.text() if whole else report.head())
        if whole:
            terminalreporter.write_line("")
