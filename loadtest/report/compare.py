"""Two runs side by side, with the ratio of their figures."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TextIO

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hubbub.escape import plain
from hubbub.loadtest import wording
from hubbub.loadtest.report.figures import memory
from hubbub.loadtest.report.summary import write
from hubbub.loadtest.results import VIOLATIONS, Results, hold_rates

_UNREMARKABLE = 0.05
"""Runs of the same thing differ as much: no colour for a ratio this close to 1."""
_OF_A_RUN = ("server", "seed", "expect")
"""Parts of a plan that make no run another load."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of both runs."""

    name: str
    read: Callable[[Results], float | None]
    write: Callable[[float], str]
    better: int = 0
    """-1 where less is better, 1 where more is, 0 where it is neither."""


def _rate(index: int) -> Callable[[Results], float | None]:
    def read(results: Results) -> float | None:
        rates = hold_rates(results)
        return rates[index] if rates else None

    return read


def _count(name: str) -> Callable[[Results], float]:
    return lambda results: float(getattr(results, name))


def _latency(name: str) -> Callable[[Results], float | None]:
    return lambda results: getattr(results.latency_ms, name)


def _memory(results: Results) -> float | None:
    found = memory(results)
    return float(found.private) if found else None


def _restarts(results: Results) -> float | None:
    found = memory(results)
    return float(found.restarts) if found else None


def _a_second(number: float) -> str:
    return f"{wording.short(number)}/s"


def _in_seconds(number: float) -> str:
    return f"{wording.digits(number)} s"


_ROWS = (
    Row("clients", _count("clients"), wording.count),
    Row("connected at most", _count("connected"), wording.count, 1),
    Row("sent", _rate(0), _a_second, 1),
    Row("received", _rate(1), _a_second, 1),
    *(
        Row(f"latency {name}", _latency(name), wording.latency, -1)
        for name in ("p50", "p90", "p99", "p999", "max")
    ),
    *(Row(name, _count(name), wording.count, -1) for name in VIOLATIONS),
    Row("closed by the server", _count("closed"), wording.count, -1),
    Row("errors", lambda one: float(sum(one.errors.values())), wording.count, -1),
    Row("server memory", _memory, wording.size, -1),
    Row("server restarts", _restarts, wording.count),
    Row("generator CPU", lambda one: one.generator.cpu_s, _in_seconds, -1),
    Row("generator lag p99", lambda one: one.generator.lag_ms_p99, wording.latency, -1),
)


def show(
    first: Results,
    second: Results,
    stream: TextIO,
    names: tuple[str, str] = ("first", "second"),
    color: bool | None = None,
) -> None:
    """Write two runs side by side.

    Args:
        first, second: what was found.
        stream: where to.
        names: what to call them.
        color: whether to use colour; None: as the stream is.

    Guarantees:
        What makes them no fair comparison comes first: a generator that ran late,
        different plans, different machines.
    """
    write(render(first, second, names), stream, color)


def render(first: Results, second: Results, names: tuple[str, str]) -> RenderableType:
    """Return what `show` writes, for a console of 80 columns."""
    warnings = [
        Text(sentence, "yellow", overflow="fold")
        for sentence in unfair(first, second, names)
    ]
    table = Table.grid(padding=(0, 2))
    table.add_column(width=20, no_wrap=True, style="dim")
    for _ in range(3):
        table.add_column(width=15, justify="right", no_wrap=True, overflow="ellipsis")
    heads = (plain(name) for name in names)
    table.add_row("", *(Text(head, "bold") for head in heads), Text("ratio", "bold"))
    table.add_row("verdict", _verdict(first), _verdict(second), "")
    for row in _ROWS:
        was, now = row.read(first), row.read(second)
        written = ["-" if one is None else row.write(one) for one in (was, now)]
        table.add_row(row.name, *written, _ratio(row, was, now))
    parts: list[RenderableType] = [*warnings]
    return Group(*parts, *([""] if parts else []), table)


def unfair(
    first: Results, second: Results, names: tuple[str, str] = ("first", "second")
) -> Iterator[str]:
    """Yield a sentence for everything that makes the comparison unfair."""
    for name, results in zip(names, (first, second), strict=True):
        if results.generator.late:
            yield f"{plain(name)}: {wording.late(results.generator)}."
    for name, results in zip(names, (first, second), strict=True):
        if results.early:
            yield f"{plain(name)} was ended early by Ctrl-C."
    plans = [
        {key: value for key, value in results.plan.items() if key not in _OF_A_RUN}
        for results in (first, second)
    ]
    if told := _differences(plans[0], plans[1]):
        yield f"The plans differ: {told}."
    machines = [_machine(results) for results in (first, second)]
    if told := _differences(machines[0], machines[1]):
        yield f"The machines differ: {told}."
    if told := _differences(first.versions, second.versions):
        yield f"The versions differ: {told}."


def _machine(results: Results) -> dict[str, object]:
    """Return a machine as a mapping, its memory as people say it."""
    machine = results.machine
    if machine is None:
        return {}
    size = wording.size(machine.memory_bytes)
    return {
        "CPUs": machine.cpus,
        "kernel": machine.kernel,
        "python": machine.python,
        "memory": size,
    }


def _differences(first: Mapping[str, object], second: Mapping[str, object]) -> str:
    """Tell which values differ: "rate 1 and 2, size 100 and 200"."""
    told = []
    for key in [*first, *(key for key in second if key not in first)]:
        was, now = first.get(key), second.get(key)
        if was != now:
            told.append(f"{plain(key)} {_shown(was)} and {_shown(now)}")
    return ", ".join(told)


def _shown(value: object) -> str:
    if value is None:
        return "none"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return plain(text)[:60]


def _verdict(results: Results) -> Text:
    style = "bold green" if results.verdict == "pass" else "bold red"
    return Text(results.verdict.upper(), style)


def _ratio(row: Row, was: float | None, now: float | None) -> Text:
    """Return second / first, in colour where that is good or bad."""
    if was is None or now is None or (was == 0 and now == 0):
        return Text("-", "dim")
    worse, better = "red", "green"
    if was == 0:
        return Text("more than 0", worse if row.better < 0 else "")
    ratio = now / was
    style = ""
    if row.better and abs(ratio - 1) > _UNREMARKABLE:
        style = better if (ratio > 1) == (row.better > 0) else worse
    return Text(f"{wording.digits(ratio)} \N{MULTIPLICATION SIGN}", style)
