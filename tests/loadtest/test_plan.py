"""Plans: who has the last word, and what cannot be carried out."""

import pytest

from hubbub.loadtest.message import SMALLEST
from hubbub.loadtest.plan import (
    BadPlan,
    Given,
    Plan,
    effective,
    expectations,
    from_toml,
    to_toml,
)


def test_defaults_make_a_plan() -> None:
    assert effective({}) == Plan()


def test_flags_win_over_the_file_and_that_over_the_scenario() -> None:
    file = from_toml('clients = 50\nrate = 3.5\nurl = "ws://a:1"\n')
    plan = effective({"clients": 10, "rate": 1, "size": 77}, file, Given(clients=70))
    assert (plan.clients, plan.rate, plan.size) == (70, 3.5, 77)
    assert plan.url == "ws://a:1"


@pytest.mark.parametrize(
    ("usual", "given", "rooms"),
    [
        (100, Given(), 100),
        (100, Given(clients=50), 5),
        (100, Given(clients=5_000), 500),
        (100, Given(clients=3), 1),
        (100, Given(clients=50, rooms=9), 9),
        (1, Given(clients=50_000), 1),
    ],
)
def test_rooms_of_a_scenario_keep_their_size_unless_said_otherwise(
    usual: int, given: Given, rooms: int
) -> None:
    assert effective({"clients": 1000, "rooms": usual}, given).rooms == rooms


def test_a_plan_is_written_as_the_file_that_gives_it_again() -> None:
    plan = effective(
        {}, Given(url='ws://"a"\\', clients=3, pin=True, rate=0.25, seed=9)
    )
    assert effective({}, from_toml(to_toml(plan))) == plan


def test_expectations_of_file_and_flags_add_up() -> None:
    file = from_toml('expect = ["lost=0"]')
    assert expectations(file, Given(expect=("p99<5ms",))) == ("lost=0", "p99<5ms")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (Given(clients=0), "clients must be 1 to 1000000, not 0"),
        (Given(rate=-1.0), "rate must be 0 to"),
        (Given(size=SMALLEST - 1), f"size must be {SMALLEST} to"),
        (Given(duration=0.0), "duration must be 0.1 to"),
        (Given(processes=0), "processes must be 1 to 256, not 0"),
        (Given(clients=3, rooms=4), "rooms (4) cannot be more than clients"),
        (Given(clients=3, processes=4), "processes (4) cannot be more than clients"),
        (Given(rate=float("nan")), "rate must be 0 to"),
        (Given(duration=float("inf")), "duration must be 0.1 to"),
    ],
)
def test_what_cannot_be_is_one_sentence(given: Given, sentence: str) -> None:
    with pytest.raises(BadPlan) as bad:
        effective({}, given)
    assert str(bad.value).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("clients = ", "is not TOML"),
        ('clients = "many"', "expected `int"),
        ("cliens = 5", "object contains unknown field `cliens`"),
        ("expect = 5", "expected `array"),
    ],
)
def test_a_bad_file_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadPlan) as bad:
        from_toml(text)
    assert str(bad.value).startswith(sentence)
    assert "\n" not in str(bad.value)
