"""docs/mutations.md lists the mutations that there are, and what was measured."""

import re
from pathlib import Path

from tests.faults.mutations.__main__ import name_of
from tests.faults.mutations.table import MUTATIONS

PAGE = Path(__file__).resolve().parents[2] / "docs/mutations.md"


def test_every_mutation_has_its_row_in_order() -> None:
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        for line in PAGE.read_text().splitlines()
        if line.startswith("| ")
    ][1:]
    assert [row[:3] for row in rows] == [
        [one.protection, f"`{one.file}`", ", ".join(name_of(one.tests))]
        for one in MUTATIONS
    ]
    assert all(len(row) == 4 and row[3] for row in rows)
