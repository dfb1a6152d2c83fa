"""The comparison as a table, which is Markdown, and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from hubbub.loadtest.bench.peers.compare import Compared, find
from hubbub.loadtest.bench.peers.turns import FLOOR, HUBBUB
from hubbub.loadtest.bench.table import DISTURBED, number


@dataclass(frozen=True, slots=True)
class _Column:
    key: str
    head: str
    more_is_better: bool = False


_COLUMNS = (
    _Column("room_us", "room: µs CPU/delivery"),
    _Column("rooms_us", "rooms: µs CPU/delivery"),
    _Column("saturated_s", "saturated: deliveries/s", more_is_better=True),
    _Column("room_p99_ms", "room: p99 ms"),
    _Column("rooms_p99_ms", "rooms: p99 ms"),
    _Column("idle_bytes", "idle: bytes/connection"),
    _Column("connects_s", "connects/s", more_is_better=True),
)
_ROUND = 1000
"""From here on three digits are enough."""


def ratios(one: Compared, compared: Sequence[Compared]) -> dict[str, float]:
    """Return how many times Hubbub is better, by figure; below 1 it is worse.

    The median of the rounds' ratios, where both have all rounds: what slows the machine
    for a while is in both sides of each.
    """
    ours = find(compared, HUBBUB)
    found: dict[str, float] = {}
    for column in _COLUMNS:
        key = column.key
        if key not in ours.figures or key not in one.figures:
            continue
        mine, theirs = ours.rounds[key], one.rounds[key]
        if len(mine) != len(theirs):
            mine, theirs = [ours.figures[key]], [one.figures[key]]
        costs = median(b / a for a, b in zip(mine, theirs, strict=True))
        found[key] = 1 / costs if column.more_is_better else costs
    return found


def render(compared: Sequence[Compared], took: float, others: float) -> str:
    """Return the table, versions, what is missing and what went wrong.

    Args:
        compared: everybody.
        took: seconds of it all.
        others: part of the CPUs that others used meanwhile.
    """
    there = [one for one in compared if not one.missing]
    cells = [["server", *(column.head for column in _COLUMNS)]]
    cells += [[one.name, *_cells(one, ratios(one, compared))] for one in there]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    lines = [
        f"| {' | '.join(map(str.ljust, line, widths))} |".rstrip() for line in cells
    ]
    lines += [
        "",
        f"In brackets: how many times {HUBBUB} is better; below 1 it is worse.",
    ]
    lines += [f"{one.name}: {one.version}" for one in there]
    for one in compared:
        if one.missing:
            lines.append(f"{one.name}: MISSING: {one.missing}")
        lines += [f"{one.name}: FAILED ({turn}): {x}" for turn, x in one.faults.items()]
        lines += [f"{one.name}: LATE ({turn}): {x}" for turn, x in one.late.items()]
    told = f"The comparison took {took:.0f} s."
    if others >= DISTURBED:
        told += f" DISTURBED: others used {others:.0%} of the CPUs."
    return "\n".join([*lines, told])


def as_dicts(compared: Sequence[Compared]) -> list[dict[str, object]]:
    """Return the same for JSON."""
    return [
        asdict(one) | {"figures": one.figures, "ratios": ratios(one, compared)}
        for one in compared
    ]


def _cells(one: Compared, better: dict[str, float]) -> list[str]:
    cells: list[str] = []
    for column in _COLUMNS:
        value = one.figures.get(column.key)
        if value is None:
            failed = one.name != FLOOR and one.failed(column.key)
            cells.append("failed" if failed else "-")
            continue
        told = number(value)
        if value >= _ROUND:
            digits = len(f"{value:.0f}") - 3
            told = f"{round(value, -digits):,.0f}"
        if one.name != HUBBUB and column.key in better:
            told += f" ({number(better[column.key])}x)"
        cells.append(told)
    return cells
