"""The figures and the page about them."""

import re
from pathlib import Path

from hubbub.loadtest.bench.__main__ import FIGURES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "benchmarks.md"


def test_page_explains_every_figure_and_no_other() -> None:
    told = PAGE.read_text().partition("## The figures")[2].partition("## A run")[0]
    cells = re.findall(r"^\| (`.*?) \|", told, re.MULTILINE)
    named = re.findall(r"`([a-z.]+)`", "\n".join(cells))
    assert {name.partition(".")[0] for name in named} == set(FIGURES)
