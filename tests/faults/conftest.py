"""Fault scenarios: their figures are printed when all have run; with `-m fault` all of
them, otherwise a line each."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.faults.crowd import Size
from tests.faults.report import Report
from tests.faults.rig import Rig, run

_REPORTS = pytest.StashKey[list[Report]]()

MakeScenario = Callable[..., AbstractContextManager[Rig]]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_REPORTS] = []


@pytest.fixture
def scenario(request: pytest.FixtureRequest, tmp_path: Path) -> MakeScenario:
    """Make the rig of a scenario: `with scenario("S1", "what is done", size) as rig`.

    See rig.py for how a scenario is written.
    """

    def make(
        name: str, done: str, size: Size, *flags: str, **more: int
    ) -> AbstractContextManager[Rig]:
        report = Report(name, done)
        request.config.stash[_REPORTS].append(report)
        return run(tmp_path, report, size, *flags, **more)

    return make


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
