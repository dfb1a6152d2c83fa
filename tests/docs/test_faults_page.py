"""docs/faults.md lists the scenarios that there are, with commands that select them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = "\n".join(
    path.read_text() for path in sorted((ROOT / "tests/faults").glob("test_*.py"))
)
CELLS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/faults.md").read_text().splitlines()
    if re.match(r"\| (S\d|fuzz)", line)
]


def test_every_scenario_has_a_row_with_measured_figures() -> None:
    told = {row[0] for row in CELLS}
    named = r"(?:scenario|reporting)\(\s*\"(S\d+|fuzz)\""
    assert told == set(re.findall(named, SCENARIOS))
    assert all(len(row) == 5 and re.search(r"\d", row[3]) for row in CELLS)


def test_every_command_selects_its_scenario_alone() -> None:
    tests = re.findall(r"^def (test_\w+)\(", SCENARIOS, re.MULTILINE)
    for row in CELLS:
        found = re.fullmatch(r"`-k (\w+_)`", row[4])
        assert found is not None, row
        chosen = [name for name in tests if found[1] in name]
        assert chosen, row
        assert all(name.startswith(f"test_{row[0].lower()}") for name in chosen), row
