"""What the live view shows: a look at a run as text of any width. Pure."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hubbub.escape import plain
from hubbub.loadtest import wording
from hubbub.loadtest.results import VIOLATIONS
from hubbub.loadtest.view.progress import PHASES, Progress

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDEST = 120
"""Columns that are used at most: wider lines are harder to read."""
_KEPT = 120
"""Seconds of history."""
_TOLD = 44
"""Columns of the figures, before their recent past."""
_FIXED = 15
"""Lines above the first worker, at most."""


@dataclass(slots=True)
class History:
    """The last seconds of a few figures, one value each.

    `add` may be called as often as one likes: a second keeps its last value.
    """

    sent: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))
    received: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))
    p99: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _second: int = -1

    def add(self, progress: Progress) -> None:
        """Take in a look."""
        latency = progress.latency_ms
        second = int(progress.elapsed)
        for values, value in (
            (self.sent, progress.sent_s),
            (self.received, progress.received_s),
            (self.p99, latency.p99 if latency else 0.0),
        ):
            if second == self._second and values:
                values[-1] = value
            else:
                values.append(value)
        self._second = second


def spark(values: Iterable[float], width: int) -> str:
    """Draw the last `width` values as a line of blocks, from 0 to their maximum."""
    if width <= 0:
        return ""
    last = list(values)[-width:]
    top = max(last, default=0.0)
    if top <= 0:
        return _BLOCKS[0] * len(last)
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round(max(0.0, value) / top * steps)] for value in last)


def render(
    title: str,
    progress: Progress,
    history: History,
    width: int,
    height: int,
    ascii_only: bool = False,
) -> RenderableType:
    """Lay out a look at a run.

    Args:
        title: what is run, for the first line.
        progress: how it stands.
        history: how it stood.
        width: columns of the terminal.
        height: its lines; workers that find no room are counted, not shown.
        ascii_only: whether the terminal can show nothing but ASCII.
    """
    wide = min(width, _WIDEST)
    parts: list[RenderableType] = [_title(title, progress, wide)]
    parts += [_phases(progress, wide), ""]
    parts += [_figures(progress, history, wide, ascii_only), _counts(progress)]
    if progress.note:
        parts.append(_line("server", plain(progress.note), "yellow"))
    if progress.workers:
        room = max(1, height - _FIXED - 1)
        parts += ["", _workers(progress.workers, wide, room)]
    return Group(*parts)


def _title(title: str, progress: Progress, width: int) -> RenderableType:
    """Return the first line: what, and for how long so far."""
    elapsed = wording.seconds(progress.elapsed)
    told = Text(plain(title), "bold", no_wrap=True, overflow="ellipsis")
    told.truncate(max(1, width - len(elapsed) - 1), overflow="ellipsis")
    row = Table.grid(expand=False)
    row.add_column(width=max(1, width - len(elapsed)), no_wrap=True)
    row.add_column(no_wrap=True)
    row.add_row(told, Text(elapsed, "bold"))
    return row


def _phases(progress: Progress, width: int) -> RenderableType:
    """Return a bar for each phase."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=9, no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(width=5, justify="right", no_wrap=True)
    now = PHASES.index(progress.phase) if progress.phase in PHASES else 0
    for index, name in enumerate(PHASES):
        part = min(1.0, max(0.0, progress.fraction)) if index == now else 0.0
        part = 1.0 if index < now else part
        bar = ProgressBar(1.0, part, width=max(1, width - 18))
        percent = f"{part:.0%}" if index <= now else ""
        style = "bold" if index == now else "dim"
        grid.add_row(Text(name, style), bar, Text(percent, style))
    return grid


def _figures(
    progress: Progress, history: History, width: int, ascii_only: bool
) -> RenderableType:
    """Return clients, throughput, latency and lag, with their recent past."""
    room = 0 if ascii_only else max(0, width - 11 - _TOLD - 2)
    found, totals = progress.latency_ms, progress.totals

    def row(name: str, figures: str, more: str, past: Iterable[float] = ()) -> Text:
        line = Text.assemble((name.ljust(11), "dim"), (figures, "bold"), f"  {more}")
        if drawn := spark(past, room):
            line.append(" " * max(2, 11 + _TOLD + 2 - len(line)))
            line.append(drawn, "cyan")
        line.truncate(width)
        line.no_wrap = True
        return line

    def rate(name: str, a_second: float, past: Iterable[float]) -> Text:
        told = f"{wording.count(totals[name])} in all" if name in totals else ""
        return row(name, f"{wording.short(a_second)}/s".rjust(8), told, past)

    connected = wording.count(progress.connected)
    latency = ("none received lately", "")
    if found:
        told = f"p50 {wording.latency(found.p50)}   max {wording.latency(found.max)}"
        latency = (f"p99 {wording.latency(found.p99)}", f" {told}")
    lag = wording.latency(progress.lag_ms_max)
    return Group(
        row(
            "clients",
            connected.rjust(8),
            f"of {wording.count(progress.clients)} connected",
        ),
        rate("sent", progress.sent_s, history.sent),
        rate("received", progress.received_s, history.received),
        row("latency", *latency, history.p99 if found else ()),
        row("lag", lag, "of the generator, at most"),
    )


def _counts(progress: Progress) -> RenderableType:
    """Return violations and errors, each on a line."""
    totals = progress.totals
    broken = [(name, totals.get(name, 0)) for name in (*VIOLATIONS, "closed")]
    told = "   ".join(
        f"{wording.count(number)} {name}" for name, number in broken if number
    )
    errors = sorted(progress.errors.items(), key=lambda item: (-item[1], item[0]))
    failed = "   ".join(
        f"{wording.count(number)} {wording.kind(name)}"
        for name, number in errors
        if number
    )
    return Group(
        _line("violations", told or "none", "bold red" if told else ""),
        _line("errors", failed or "none", "red" if failed else ""),
    )


def _line(name: str, told: str, style: str) -> RenderableType:
    """Return a name and a text, cut at the edge of the terminal."""
    line = Text.assemble((name.ljust(11), "dim"), (told, style))
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _field(*names: str) -> Callable[[Mapping[str, object]], object]:
    def find(worker: Mapping[str, object]) -> object:
        found: object = worker
        for name in names:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    return find


def _restarts(worker: Mapping[str, object]) -> object:
    """Return how many workers of this slot have ended."""
    counts = worker.get("restarts")
    if not isinstance(counts, Mapping):
        return counts
    return sum(count for count in counts.values() if isinstance(count, int))


def _private(worker: Mapping[str, object]) -> object:
    """Return a worker's memory as text."""
    found = _field("memory", "private")(worker) if worker.get("pid") else None
    return wording.size(found) if isinstance(found, int) else None


_COLUMNS: tuple[tuple[str, int, Callable[[Mapping[str, object]], object]], ...] = (
    ("slot", 4, _field("slot")),
    ("state", 9, _field("state")),
    ("connections", 11, _field("connections")),
    ("memory", 9, _private),
    ("restarts", 8, _restarts),
    ("cpu %", 6, _field("cpu_percent")),
    ("delay p99 ms", 12, _field("loop_delay_ms", "p99")),
    ("pid", 8, _field("pid")),
)
"""Title, width and value: as many as the terminal has room for, from the left."""


def _workers(
    workers: Sequence[Mapping[str, object]], width: int, room: int
) -> RenderableType:
    """Return the table of workers, of at most `room` lines below its heading."""
    table = Table.grid(padding=(0, 2))
    columns, used = [], 0
    for column in _COLUMNS:
        used += column[1] + 2
        if used - 2 <= width:
            columns.append(column)
            table.add_column(width=column[1], no_wrap=True, justify="right")
    table.add_row(*(Text(title, "dim") for title, _, _ in columns))
    shown = len(workers) if len(workers) <= room else max(0, room - 1)
    for worker in workers[:shown]:
        cells = [_cell(title, read(worker)) for title, _, read in columns]
        table.add_row(*cells)
    if shown == len(workers):
        return table
    return Group(table, Text(f"and {len(workers) - shown} more", "dim"))


def _cell(title: str, value: object) -> Text:
    """Write one figure of a worker; what is unusual stands out."""
    if value is None:
        return Text("-", "dim")
    if isinstance(value, float):
        return Text(f"{value:.1f}")
    if isinstance(value, int) and title != "pid":
        return Text(
            wording.count(value), "yellow" if title == "restarts" and value else ""
        )
    unusual = title == "state" and value != "ready"
    return Text(plain(str(value)), "yellow" if unusual else "")
