"""The table of peers and its JSON."""

import json

import pytest

from hubbub.loadtest.bench.peers.compare import Compared
from hubbub.loadtest.bench.peers.table import as_dicts, ratios, render

OURS = Compared(
    "Hubbub",
    "1.0",
    rounds={"room_us": [7.0, 8.0, 9.0], "saturated_s": [1e6], "idle_bytes": [650.0]},
)
PEER = Compared(
    "peer",
    "2.0",
    rounds={"room_us": [14.0, 12.0, 27.0], "saturated_s": [1e5], "idle_bytes": [6500]},
    late={"rooms": "the generator kept only 9 of 20 messages/s"},
)
BROKEN = Compared("broken", "3.0", rounds={"room_us": [1.0]}, faults={"room": "5 lost"})
ABSENT = Compared("absent", missing="there is no npm here")
ALL = [OURS, PEER, BROKEN, ABSENT]


def cells(text: str) -> dict[str, list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {line[0]: line[1:] for line in found}


def test_ratio_is_how_many_times_hubbub_is_better() -> None:
    found = ratios(PEER, ALL)
    # The median of the rounds' ratios (2, 1.5 and 3), not the ratio of the medians.
    assert found["room_us"] == 2.0
    assert found["saturated_s"] == pytest.approx(10)
    assert found["idle_bytes"] == 10
    assert ratios(BROKEN, ALL) == {}


def test_rounds_that_differ_in_number_are_compared_by_their_medians() -> None:
    short = Compared("short", rounds={"room_us": [16.0]})
    assert ratios(short, [OURS, short]) == {"room_us": 2.0}


def test_every_server_has_a_row_with_figures_and_ratios() -> None:
    table = cells(render(ALL, 60, 0))
    assert table["Hubbub"] == ["8.00", "-", "1,000,000", "-", "-", "650", "-"]
    peer = ["14.0 (2.00x)", "-", "100,000 (10.0x)", "-", "-", "6,500 (10.0x)", "-"]
    assert table["peer"] == peer
    assert "absent" not in table


def test_failure_is_shown_and_told() -> None:
    text = render(ALL, 60, 0)
    broken = ["failed", "-", "failed", "failed", "-", "-", "-"]
    assert cells(text)["broken"] == broken
    assert "broken: FAILED (room): 5 lost" in text


def test_missing_and_late_are_told_with_their_reason() -> None:
    text = render(ALL, 60, 0)
    assert "absent: MISSING: there is no npm here" in text
    assert "peer: LATE (rooms): the generator kept only 9 of 20 messages/s" in text


def test_versions_are_told() -> None:
    lines = render(ALL, 60, 0).splitlines()
    assert {"Hubbub: 1.0", "peer: 2.0", "broken: 3.0"} <= set(lines)


def test_time_and_disturbance_are_told() -> None:
    assert render(ALL, 93.4, 0.05).endswith("The comparison took 93 s.")
    assert render(ALL, 93.4, 0.25).endswith("DISTURBED: others used 25% of the CPUs.")


def test_columns_stand_under_their_heads() -> None:
    lines = [line for line in render(ALL, 60, 0).splitlines() if line[0:1] == "|"]
    assert len({len(line) for line in lines}) == 1
    assert set(lines[1]) == set("| -")


def test_json_has_figures_ratios_rounds_and_reasons() -> None:
    ours, peer, broken, absent = json.loads(json.dumps(as_dicts(ALL)))
    assert ours["version"] == "1.0"
    assert peer["figures"]["room_us"] == 14.0
    assert peer["ratios"]["room_us"] == 2.0
    assert peer["rounds"]["room_us"] == [14.0, 12.0, 27.0]
    assert broken["faults"] == {"room": "5 lost"}
    assert absent["missing"] == "there is no npm here"
