import inspect
import re
from pathlib import Path

import pytest

from hubbub.loadtest.scenarios.catalogue import SCENARIOS
from hubbub.loadtest.scenarios.scenario import Scenario
from tests.loadtest.scenarios.conftest import plan_of

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "load.md"


def test_there_is_one_for_everything_that_happens_to_servers() -> None:
    assert list(SCENARIOS) == [
        "chat",
        "broadcast",
        "churn",
        "reconnect-storm",
        "slow-readers",
        "idle",
        "bad-clients",
        "restart",
        "kill",
    ]


@pytest.mark.parametrize("name", SCENARIOS)
def test_list_has_a_line_for_it_that_fits(name: str) -> None:
    summary = SCENARIOS[name].summary()
    assert summary.endswith(".")
    # `hubbub load --list` puts it behind a column of 17 characters.
    assert len(summary) <= 80 - 17


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_has_a_file_of_its_own(name: str) -> None:
    path = Path(inspect.getfile(SCENARIOS[name]))
    assert path.stem == name.replace("-", "_")


@pytest.mark.parametrize("name", SCENARIOS)
def test_its_plan_is_within_bounds_and_seats_everybody_once(name: str) -> None:
    plan = plan_of(name)
    seats = list(SCENARIOS[name]().seats(plan))
    assert [seat.name for seat in seats] == list(range(plan.clients))
    assert {seat.room for seat in seats} == set(range(plan.rooms))
    assert plan.scenario == name


@pytest.mark.parametrize("name", SCENARIOS)
def test_documentation_has_its_numbers(name: str) -> None:
    scenario: type[Scenario] = SCENARIOS[name]
    [row] = re.findall(rf"^\| `{name}` \| ([^|]+) \|", DOCUMENT.read_text(), re.M)
    numbers = scenario.clients, scenario.rooms, scenario.rate, scenario.size
    assert row == ", ".join(f"{number:g}" for number in numbers)
