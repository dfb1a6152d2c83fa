"""The summary of a load test, as a table of 80 columns for a terminal or a file."""

from collections.abc import Iterator
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from hubbub.escape import plain
from hubbub.loadtest import wording
from hubbub.loadtest.report.figures import memory
from hubbub.loadtest.results import VIOLATIONS, Results, hold_rates

WIDTH = 80
_SHOWN = 5
"""Violations and kinds of errors that are shown one by one."""

Row = tuple[str, Text]


def show(results: Results, stream: TextIO, color: bool | None = None) -> None:
    """Write the summary.

    Where the stream is a terminal it is in colour, unless NO_COLOR says otherwise.

    Args:
        results: what was found.
        stream: where to; an encoding without our few signs is no obstacle.
        color: whether to use colour; None: as the stream is.

    Guarantees:
        If the generator ran late the first line says so; the last line is the verdict.
    """
    write(render(results), stream, color)


def write(what: RenderableType, stream: TextIO, color: bool | None = None) -> None:
    """Write something of 80 columns to a stream of whatever encoding."""
    console = Console(
        file=stream,
        width=WIDTH,
        highlight=False,
        emoji=False,
        markup=False,
        force_terminal=color,
    )
    with console.capture() as capture:
        console.print(what)
    lines = "\n".join(line.rstrip() for line in capture.get().splitlines())
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(lines.encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()


def render(results: Results) -> RenderableType:
    """Return what `show` writes, for a console of 80 columns."""
    parts: list[RenderableType] = []
    if results.generator.late:
        parts += [
            Text(wording.sentence(wording.late(results.generator)), "bold yellow"),
            "",
        ]
    parts.append(Text(headline(results), "bold", overflow="ellipsis", no_wrap=True))
    if results.early:
        parts.append(Text("Ended early by Ctrl-C: figures are of what ran.", "yellow"))
    parts += ["", _table(_rows(results))]
    if expectations := _expectations(results):
        parts += ["", expectations]
    parts += ["", *_why(results), _verdict(results)]
    return Group(*parts)


def headline(results: Results) -> str:
    """Say in one line what was run."""
    parts = [plain(results.scenario or "load test")]
    parts.append(wording.many(results.clients, "client"))
    if results.duration_s:
        parts.append(wording.seconds(results.duration_s))
    url = results.plan.get("url")
    parts.append(plain(str(url)) if url else "a cluster of its own")
    return "  ".join(parts)


def _rows(results: Results) -> Iterator[Row]:
    """Yield the rows of the table: a name, and what was found."""
    connected = wording.count(results.connected)
    told = f"{connected} of {wording.count(results.clients)} at once"
    yield "connected", _plain(told, results.connected < results.clients)
    rates = hold_rates(results)
    sent = f"{wording.count(results.sent)} messages"
    received = wording.count(results.received)
    received += f" of {wording.count(results.expected)} expected"
    if rates:
        sent += f", {wording.short(rates[0])}/s"
        received += f", {wording.short(rates[1])}/s"
    yield "sent", _plain(sent)
    short = results.received < results.expected
    yield "received", _plain(received, short)
    yield from _latencies(results)
    counts = {name: int(getattr(results, name)) for name in VIOLATIONS}
    if any(counts.values()):
        broken = Text(", ").join(
            _plain(f"{wording.count(number)} {name}", bool(number))
            for name, number in counts.items()
        )
        yield "violations", broken
        for one in results.violations[:_SHOWN]:
            yield "", Text(f"{plain(one.kind)}: {wording.violation(one)}")
        if (more := sum(counts.values()) - _SHOWN) > 0:
            yield "", Text(f"and {wording.count(more)} more", "dim")
    else:
        kept = "none: each message once, in order, to its members only"
        yield "violations", Text(kept if results.received else "none")
    yield (
        "closed",
        _plain(wording.count(results.closed) + " by the server", bool(results.closed)),
    )
    yield "errors", _errors(results)
    if told := _memory(results):
        yield "server", Text(told)
    generator = results.generator
    lag = wording.latency(generator.lag_ms_p99)
    cpu = f"{wording.digits(generator.cpu_s)} s CPU"
    yield "generator", _plain(f"{cpu}, lag p99 {lag}", generator.late)
    for number, note in enumerate(results.notes):
        yield "" if number else "noted", Text(plain(note))


def _latencies(results: Results) -> Iterator[Row]:
    """Yield the percentiles below their names."""
    found = results.latency_ms
    if found.max is None:
        yield "latency", Text("nothing received", "dim")
        return
    names = ("p50", "p90", "p99", "p999", "max")
    figures = [wording.latency(getattr(found, name)) for name in names]
    widths = [max(map(len, pair)) for pair in zip(names, figures, strict=True)]
    for row, style in ((names, "dim"), (figures, "bold")):
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        yield "latency" if row is names else "", Text("   ".join(cells), style)


def _errors(results: Results) -> Text:
    """Return the most frequent kinds of errors."""
    found = sorted(results.errors.items(), key=lambda item: (-item[1], item[0]))
    found = [item for item in found if item[1]]
    if not found:
        return Text("none")
    told = ", ".join(
        f"{wording.count(number)} {wording.kind(name)}" for name, number in found[:8]
    )
    return Text(told + (", …" if len(found) > 8 else ""), "red")


def _memory(results: Results) -> str:
    """Return the server's memory at its most, and its restarts."""
    found = memory(results)
    if found is None:
        return ""
    told = f"{wording.many(found.workers, 'worker')}, at most "
    told += f"{wording.size(found.private)} private"
    return f"{told}, {wording.many(found.restarts, 'restart')}"


def _expectations(results: Results) -> Table | None:
    """Return a table of the expectations, or None."""
    if not results.expectations:
        return None
    rows: list[Row] = []
    for one in results.expectations:
        told = Text.assemble(
            ("met    " if one.met else "NOT MET", "green" if one.met else "bold red"),
            f"  {plain(one.expression)}  found {wording.found(one)}",
        )
        rows.append(("expected", told) if not rows else ("", told))
    return _table(iter(rows))


def _why(results: Results) -> Iterator[RenderableType]:
    """Yield what the verdict failed for."""
    for sentence in results.why:
        row = Table.grid(padding=(0, 1))
        row.add_row(Text("-", "red"), Text(wording.sentence(sentence), overflow="fold"))
        yield row


def _verdict(results: Results) -> Text:
    """Return the last line."""
    if results.verdict == "pass":
        return Text("PASS", "bold green")
    return Text("FAIL", "bold red")


def _table(rows: Iterator[Row]) -> Table:
    """Return rows as two columns."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, width=10)
    table.add_column(overflow="fold", ratio=1)
    for name, told in rows:
        table.add_row(name, told)
    return table


def _plain(text: str, bad: bool = False) -> Text:
    return Text(text, "red" if bad else "")
