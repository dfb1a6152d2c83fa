"""The result: a table for people, the same as JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from hubbub.loadtest.bench.machine import Machine
from hubbub.loadtest.bench.row import Row, Target

_HEADS = ("figure", "floor", "hubbub", "unit", "ratio", "target", "result")
DISTURBED = 0.1
"""Part of the CPUs used by others from which a row says so; up to half of that is
the kernel's interrupts, which no process is charged with."""
_RIGHT = (False, True, True, False, True, False, False)


def render(machine: Machine, rows: Sequence[Row], failures: dict[str, str]) -> str:
    """Return the table, what is behind each row, and the runs that were not valid.

    Args:
        machine: where.
        rows: the figures.
        failures: why a figure could not be taken, by its name.
    """
    where = f"{machine.cpus} CPUs, {machine.kernel}, {machine.python}"
    lines = [f"{where}, load average before: {machine.load:.1f}"]
    if not machine.pinned:
        lines.append(
            "ONE CPU ONLY: server and generator shared it; figures are unpinned and "
            "ratios unreliable."
        )
    if not rows and not failures:
        return "\n".join(lines)
    cells = [_HEADS, *(_cells(row) for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(_HEADS))]
    lines.append("")
    lines += [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, _RIGHT, strict=True)
        ).rstrip()
        for line in cells
    ]
    lines.append("")
    lines += [_details(row) for row in rows]
    lines += [f"{name}: NOT VALID: {reason}" for name, reason in failures.items()]
    return "\n".join(lines)


def as_json(
    machine: Machine,
    rows: Iterable[Row],
    failures: dict[str, str],
    peers: Sequence[dict[str, object]] = (),
) -> str:
    """Return the same as one JSON document, with the comparison to `peers`."""
    return json.dumps(
        {
            "machine": asdict(machine),
            "rows": [
                asdict(row) | {"ratio": row.ratio, "judged": row.judged, "ok": row.ok}
                for row in rows
            ],
            "invalid": failures,
            "peers": list(peers),
        },
        indent=2,
        ensure_ascii=False,
    )


def number(value: float | None) -> str:
    """Return `value` to about three digits; thousands are separated."""
    if value is None:
        return "-"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 4
    return f"{value:,.{digits}f}"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        number(row.floor),
        number(row.hubbub),
        row.unit,
        number(row.ratio),
        _bound(row.target),
        _result(row),
    )


def _bound(target: Target | None) -> str:
    if target is None:
        return "-"
    sign, bound = (
        ("<=", target.at_most) if target.at_least is None else (">=", target.at_least)
    )
    return f"{target.of} {sign} {number(bound)}"


def _result(row: Row) -> str:
    if row.target is None:
        return "-"
    word = "ok" if row.ok else "missed"
    of = row.target.of
    return word if of in ("ratio", "hubbub") else f"{word}: {number(row.judged)}"


def _details(row: Row) -> str:
    parts = [row.what]
    if row.beside:
        parts.append(f"beside {row.beside}")
    parts += [f"{name} {number(value)}" for name, value in row.more.items()]
    if row.note:
        parts.append(row.note)
    if row.others >= DISTURBED:
        parts.append(f"DISTURBED: others used {row.others:.0%} of the CPUs")
    if len(row.rounds) > 1:
        ratios = " ".join(number(hubbub / floor) for floor, hubbub in row.rounds)
        parts.append(f"ratios {ratios}")
    return f"{row.name}: " + "; ".join(parts)
