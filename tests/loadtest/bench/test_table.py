"""The table and its JSON."""

import json
from dataclasses import replace

import pytest

from hubbub.loadtest.bench.machine import Machine
from hubbub.loadtest.bench.row import Row, Target
from hubbub.loadtest.bench.table import as_json, number, render

MACHINE = Machine(
    cpus=2, pinned=True, kernel="Linux 6.1", python="CPython 3.11", load=0
)
ROOM = Row(
    name="room",
    what="one room of 1000",
    unit="µs CPU/delivery",
    floor=5.0,
    hubbub=7.0,
    beside="a loop of send()",
    target=Target("ratio", at_most=1.3),
    rounds=((5.0, 6.0), (5.0, 7.0), (5.0, 8.0)),
)
CONNECTS = Row(
    name="connects",
    what="6000 connects",
    unit="µs CPU/connect",
    floor=20.0,
    hubbub=40.0,
    target=Target("connects_s", at_least=10_000),
    more={"connects_s": 20_000.4},
    note="the worker was the limit",
)
IDLE = Row(name="idle", what="idle", unit="bytes/connection", floor=None, hubbub=670.2)


def test_row_shows_floor_figure_ratio_target_and_result() -> None:
    lines = render(MACHINE, [ROOM, CONNECTS, IDLE], {}).splitlines()
    assert lines[2].split() == [
        *("figure", "floor", "hubbub", "unit", "ratio", "target", "result")
    ]
    room = "room 5.00 7.00 µs CPU/delivery 1.40 ratio <= 1.30 missed"
    assert lines[3].split() == room.split()
    connects = "connects 20.0 40.0 µs CPU/connect 2.00 connects_s >= 10,000 ok: 20,000"
    assert lines[4].split() == connects.split()
    assert lines[5].split() == "idle - 670 bytes/connection - - -".split()


def test_columns_stand_under_their_heads() -> None:
    head, room, connects = render(MACHINE, [ROOM, CONNECTS], {}).splitlines()[2:5]
    assert head.index("unit") == room.index("µs") == connects.index("µs")
    assert head.index("target") == room.index("ratio") == connects.index("connects_s")


def test_every_round_and_note_is_told() -> None:
    text = render(MACHINE, [ROOM, CONNECTS], {})
    assert "room: one room of 1000; beside a loop of send(); ratios 1.20 1.40" in text
    assert "connects_s 20,000; the worker was the limit" in text


def test_run_that_is_not_valid_is_named_with_its_reason() -> None:
    assert "mesh: NOT VALID: 3 deliveries were lost" in render(
        MACHINE, [ROOM], {"mesh": "3 deliveries were lost"}
    )


def test_disturbed_row_says_so() -> None:
    assert "others used 12% of the CPUs" in render(
        MACHINE, [replace(ROOM, others=0.123)], {}
    )
    assert "others used" not in render(MACHINE, [ROOM], {})


def test_one_cpu_is_said_loudly() -> None:
    alone = replace(MACHINE, cpus=1, pinned=False)
    assert "ONE CPU ONLY" in render(alone, [ROOM], {})
    assert "ONE CPU ONLY" not in render(MACHINE, [ROOM], {})


def test_json_holds_what_the_table_shows() -> None:
    found = json.loads(as_json(MACHINE, [ROOM, IDLE], {"mesh": "lost"}))
    assert found["machine"]["cpus"] == 2
    assert found["machine"]["kernel"] == "Linux 6.1"
    assert found["invalid"] == {"mesh": "lost"}
    room, idle = found["rows"]
    assert room["name"] == "room"
    assert (room["floor"], room["hubbub"], room["ratio"]) == (5.0, 7.0, 1.4)
    assert room["target"] == {"of": "ratio", "at_most": 1.3, "at_least": None}
    assert room["ok"] is False
    assert room["rounds"] == [[5.0, 6.0], [5.0, 7.0], [5.0, 8.0]]
    assert (idle["floor"], idle["ratio"], idle["ok"]) == (None, None, None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (1234567.8, "1,234,568"),
        (-250.0, "-250"),
        (12.34, "12.3"),
        (1.234, "1.23"),
        (0.01234, "0.0123"),
    ],
)
def test_numbers_have_about_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text
