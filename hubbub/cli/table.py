"""The status of a cluster as text of 80 columns. Pure: a status in, lines out."""

from collections.abc import Callable
from dataclasses import dataclass

from hubbub.escape import plain

WIDTH = 80

Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table of workers."""

    title: str
    """Its heading."""
    show: Callable[[Record], str]
    """Its text for one worker."""
    left: bool = False
    """Whether it is text, which stands left, rather than a number."""


def part(record: Record, *names: str) -> object:
    """Return a value from nested objects, or None where one of them is missing."""
    found: object = record
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def span(seconds: object) -> str:
    """Write a duration in at most six characters: 42s, 12m, 3h05m, 12d."""
    if not isinstance(seconds, int | float):
        return "-"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m"
    if whole < 100 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d"


def size(count: object) -> str:
    """Write a number of bytes in at most six characters: 512B, 43.1M."""
    if not isinstance(count, int | float):
        return "-"
    number = float(count)
    for unit in ("B", "K", "M", "G"):
        if number < 1000 or unit == "G":
            break
        number /= 1024
    return f"{number:.0f}{unit}" if unit == "B" else f"{number:.1f}{unit}"


def _text(*names: str) -> Callable[[Record], str]:
    def show(worker: Record) -> str:
        found = part(worker, *names)
        return "-" if found is None else plain(str(found))

    return show


def _rounded(digits: int, *names: str) -> Callable[[Record], str]:
    def show(worker: Record) -> str:
        found = part(worker, *names)
        return f"{found:.{digits}f}" if isinstance(found, int | float) else "-"

    return show


def _restarts(worker: Record) -> str:
    counts = part(worker, "restarts")
    if not isinstance(counts, dict):
        return "-"
    return str(sum(count for count in counts.values() if isinstance(count, int)))


COLUMNS = (
    Column("slot", _text("slot")),
    Column("state", _text("state"), left=True),
    Column("pid", _text("pid")),
    Column("gen", _text("generation")),
    Column("up", lambda worker: span(part(worker, "uptime_s"))),
    Column("conns", _text("connections")),
    Column("rooms", _text("rooms")),
    Column("memory", lambda worker: size(part(worker, "memory", "private"))),
    Column("cpu%", _rounded(0, "cpu_percent")),
    Column("p99 ms", _rounded(1, "loop_delay_ms", "p99")),
    Column("restarts", _restarts),
)


def status_lines(status: Record) -> list[str]:
    """Return the lines of a status: the cluster, the headings, a line a worker."""
    workers = part(status, "workers")
    records = (
        [one for one in workers if isinstance(one, dict)]
        if isinstance(workers, list)
        else []
    )
    rows = [[column.title for column in COLUMNS]]
    rows += [[column.show(worker) for column in COLUMNS] for worker in records]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    gap = "  " if sum(widths) + 2 * len(widths) - 2 <= WIDTH else " "
    lines = [_cluster_line(status)]
    for row in rows:
        cells = [
            text.ljust(width) if column.left else text.rjust(width)
            for text, width, column in zip(row, widths, COLUMNS, strict=True)
        ]
        lines.append(gap.join(cells).rstrip()[:WIDTH])
    return lines


def _cluster_line(status: Record) -> str:
    def shown(*names: str) -> str:
        found = part(status, "cluster", *names)
        return "?" if found is None else plain(str(found))

    line = "  ".join(
        (
            shown("state"),
            f"{shown('ready')}/{shown('slots')} workers",
            shown("urls", "public"),
            f"up {span(part(status, 'cluster', 'uptime_s'))}",
            f"pid {shown('pid')}",
        )
    )
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
