"""Rows: medians, ratios and targets."""

import pytest

from hubbub.loadtest.bench.row import Options, Row, Target, in_turns, middle


def row(**more: object) -> Row:
    fields: dict[str, object] = {
        "name": "room",
        "what": "one room",
        "unit": "µs CPU/delivery",
        "floor": 5.0,
        "hubbub": 6.0,
    }
    return Row(**(fields | more))  # type: ignore[arg-type]


def test_ratio_is_the_median_of_the_rounds() -> None:
    # The ratio of the medians would be 12 / 4: no round had that.
    measured = row(rounds=((4.0, 4.0), (2.0, 12.0), (8.0, 16.0)))
    assert measured.ratio == 2.0


def test_ratio_without_rounds_is_of_the_values() -> None:
    assert row().ratio == 1.2


def test_row_beside_nothing_has_no_ratio() -> None:
    assert row(floor=None).ratio is None


@pytest.mark.parametrize(
    ("target", "ok"),
    [
        (Target("ratio", at_most=1.2), True),
        (Target("ratio", at_most=1.19), False),
        (Target("hubbub", at_most=6.0), True),
        (Target("hubbub", at_most=5.9), False),
        (Target("per_s", at_least=10.0), True),
        (Target("per_s", at_least=10.1), False),
    ],
)
def test_target_is_reached_up_to_its_bound(target: Target, ok: bool) -> None:
    assert row(target=target, more={"per_s": 10.0}).ok is ok


def test_row_without_target_is_neither_ok_nor_missed() -> None:
    assert row().ok is None


def test_sides_take_turns() -> None:
    order: list[str] = []
    values = iter(range(6))

    def side(name: str) -> float:
        order.append(name)
        return float(next(values))

    rounds = in_turns(3, lambda: side("floor"), lambda: side("hubbub"))
    assert order == ["floor", "hubbub"] * 3
    assert rounds == ((0.0, 1.0), (2.0, 3.0), (4.0, 5.0))
    assert middle(rounds, 0) == 2.0
    assert middle(rounds, 1) == 3.0


@pytest.mark.parametrize(
    ("scale", "size", "step", "sized"),
    [
        (1.0, 1000, 1, 1000),
        (0.02, 1000, 1, 20),
        (0.001, 20, 1, 1),
        (0.013, 10_000, 10, 130),
        (0.0001, 10_000, 10, 10),
    ],
)
def test_sizes_are_scaled_and_never_nothing(
    scale: float, size: int, step: int, sized: int
) -> None:
    assert Options(scale=scale).sized(size, step) == sized
