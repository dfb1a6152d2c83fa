"""The parts of a page that are words and tables, as markup. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from hubbub.loadtest import wording
from hubbub.loadtest.report.figures import Sample, memory
from hubbub.loadtest.report.svg import tag, text
from hubbub.loadtest.results import VIOLATIONS, Results, hold_rates

_MARKS = 40
"""Marks that are written out; more of them are counted."""
_SHOWN = 10
"""Violations that are shown at once; more of them on demand."""

Row = Sequence[str]


def notices(results: Results) -> str:
    """Return what must be known before anything else."""
    found = ""
    if results.generator.late:
        told = wording.sentence(wording.late(results.generator))
        found += tag("p", text(told), class_="notice late")
    if results.early:
        told = "Ended early by Ctrl-C: figures are of what ran."
        found += tag("p", told, class_="notice early")
    return found


def header(results: Results) -> str:
    """Return the heading: what was run, when, and the verdict."""
    url = results.plan.get("url")
    against = f"against {url}" if url else "against a cluster of its own"
    parts = [f"{wording.seconds(results.duration_s)} {against}"]
    parts.append(_moment(results.started_at))
    if version := results.versions.get("hubbub"):
        parts.append(f"Hubbub {version}")
    told = " \N{MIDDLE DOT} ".join(text(part) for part in parts if part)
    title = f"{results.scenario}, {wording.many(results.clients, 'client')}"
    verdict = "pass" if results.verdict == "pass" else "fail"
    return tag(
        "header",
        tag("div", tag("h1", text(title)) + tag("p", told, class_="soft"))
        + tag("span", verdict.upper(), class_=f"verdict {verdict}"),
    )


def tiles(results: Results) -> str:
    """Return the few figures that matter most, each on a tile."""
    found = results.latency_ms
    rates = hold_rates(results)
    broken = {name: int(getattr(results, name)) for name in VIOLATIONS}
    told = ", ".join(f"{wording.count(n)} {name}" for name, n in broken.items() if n)
    errors = sum(results.errors.values())
    server = memory(results)

    def rate(index: int) -> str:
        return f"{wording.short(rates[index])}/s" if rates else "\N{EN DASH}"

    short = results.received < results.expected
    shown = [
        _tile("Latency p50", wording.latency(found.p50), "half were as fast"),
        _tile("Latency p99", wording.latency(found.p99), "99 of 100"),
        _tile("Latency p99.9", wording.latency(found.p999), "999 of 1,000"),
        _tile("Slowest", wording.latency(found.max), "of the whole run"),
        _tile(
            "Received",
            rate(1),
            f"{wording.count(results.received)} of {wording.count(results.expected)}",
            short,
        ),
        _tile("Sent", rate(0), f"{wording.many(results.sent, 'message')}"),
        _tile(
            "Connected",
            wording.count(results.connected),
            f"of {wording.many(results.clients, 'client')}",
            results.connected < results.clients,
        ),
        _tile(
            "Violations",
            wording.count(sum(broken.values())),
            told or "each message once, in order"
            if results.received
            else told or "nothing received",
            any(broken.values()),
        ),
        _tile("Errors", wording.count(errors), "of all kinds", errors > 0),
        _tile(
            "Closed by the server",
            wording.count(results.closed),
            "though nothing called for it",
            results.closed > 0,
        ),
        _tile(
            "Server memory",
            wording.size(server.private) if server else "\N{EN DASH}",
            f"{wording.many(server.workers, 'worker')}, "
            f"{wording.many(server.restarts, 'restart')}"
            if server
            else "its status was out of reach",
        ),
        _tile(
            "Generator lag p99",
            wording.latency(results.generator.lag_ms_p99),
            f"{wording.digits(results.generator.cpu_s)} s CPU",
            results.generator.late,
        ),
    ]
    return tag("dl", "".join(shown), class_="tiles")


def _tile(name: str, figure: str, note: str, bad: bool = False) -> str:
    figure = "\N{EN DASH}" if figure == "-" else figure
    return tag(
        "div",
        tag("dt", text(name)) + tag("dd", text(figure) + tag("small", text(note))),
        class_="tile bad" if bad else "tile",
    )


def why(results: Results) -> str:
    """Return what the verdict failed for."""
    if not results.why:
        return ""
    items = "".join(tag("li", text(wording.sentence(one))) for one in results.why)
    return tag("div", tag("ul", items), class_="notice why")


def expectations(results: Results) -> str:
    """Return a table of the expectations and whether they were met."""
    if not results.expectations:
        return ""
    rows = "".join(
        tag("tr", _cells((one.expression, wording.found(one))) + _met(one.met))
        for one in results.expectations
    )
    return _section("Expectations", _table(("expected", "found", ""), rows))


def _met(met: bool) -> str:
    return tag("td", "met" if met else "not met", class_="met" if met else "unmet")


def marks(results: Results) -> str:
    """Return what was done to the server, numbered as in the plots."""
    if not results.marks:
        return ""
    items = [
        tag("li", tag("b", str(number)) + text(f"{mark.t:.1f} s  {mark.text}"))
        for number, mark in enumerate(results.marks[:_MARKS], 1)
    ]
    if (more := len(results.marks) - _MARKS) > 0:
        items.append(tag("li", f"and {wording.count(more)} more"))
    return tag("ol", "".join(items), class_="marks")


def notes(results: Results) -> str:
    """Return what the scenario was to find out."""
    if not results.notes:
        return ""
    items = [tag("li", text(wording.sentence(one))) for one in results.notes]
    return _section("Noted", tag("ul", "".join(items)))


def violations(results: Results) -> str:
    """Return a table of the violations that are known in full."""
    if not results.violations:
        return ""
    rows = [
        (
            f"{one.t:.3f} s",
            one.kind,
            "unknown" if one.room is None else str(one.room),
            "unknown" if one.sender is None else str(one.sender),
            "unknown" if one.number is None else str(one.number),
            one.what,
        )
        for one in results.violations
    ]
    shown, hidden = rows[:_SHOWN], rows[_SHOWN:]
    heads = ("time", "kind", "room", "sender", "number", "seen")
    content = _table(heads, _rows(shown))
    if hidden:
        total = sum(int(getattr(results, name)) for name in VIOLATIONS)
        told = f"The first {wording.count(len(rows))}"
        if total > len(rows):
            told += f" of {wording.count(total)}"
        more = tag("summary", told) + _table(heads, _rows(hidden))
        content += tag("details", more)
    return _section("Violations", content)


def errors(results: Results) -> str:
    """Return a table of the errors by kind, the most frequent first."""
    found = sorted(results.errors.items(), key=lambda item: (-item[1], item[0]))
    rows = [(wording.kind(name), wording.count(n)) for name, n in found if n]
    return (
        _section("Errors", _table(("kind", "how often"), _rows(rows))) if rows else ""
    )


def second_by_second(samples: Sequence[Sample]) -> str:
    """Return the figures of the plots as a table, for who cannot see or point."""
    if not samples:
        return ""
    heads = ("until", "connected", "sent/s", "received/s", "p50", "p99", "max")
    more = ("errors", "generator lag", "server memory")
    rows = (
        (
            f"{one.t:.1f} s",
            wording.count(one.connected),
            wording.short(one.sent_s),
            wording.short(one.received_s),
            *(wording.latency(value) for value in (one.p50, one.p99, one.max)),
            wording.count(one.errors),
            wording.latency(one.lag_ms),
            wording.size(sum(one.memory.values())) if one.memory else "-",
        )
        for one in samples
    )
    table = _table((*heads, *more), _rows(rows, "number"), "number")
    told = tag("summary", "Figures of the plots as a table")
    return tag("details", told + table)


def what_was_run(results: Results) -> str:
    """Return plan, machine and versions: what the figures are of."""
    plan = [
        (name, _shown(value))
        for name, value in results.plan.items()
        if value is not None
    ]
    machine: list[tuple[str, str]] = []
    if results.machine:
        machine = [
            ("CPUs", str(results.machine.cpus)),
            ("memory", wording.size(results.machine.memory_bytes)),
            ("kernel", results.machine.kernel),
            ("python", results.machine.python),
        ]
    found = "".join(
        tag("div", tag("h2", name) + _pairs(rows))
        for name, rows in (
            ("Plan", plan),
            ("Machine and versions", [*machine, *results.versions.items()]),
        )
        if rows
    )
    return tag("div", found, class_="halves")


def footer(results: Results) -> str:
    """Return how to read the page."""
    return tag(
        "footer",
        "Latency counts from the moment a message was due, not from when it could be "
        "sent: a server that stalls cannot hide it. Rates are means over the hold "
        "phase. All results are in this page as JSON, in the element &quot;results"
        "&quot;.",
    )


def _moment(written: str) -> str:
    """Return a moment in ISO 8601 as people read it, or as it is if it is none."""
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return written
    return f"{moment:%d %B %Y, %H:%M:%S %Z}".strip().removeprefix("0")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _section(title: str, content: str) -> str:
    return tag("section", tag("h2", text(title)) + content)


def _cells(cells: Iterable[str], class_: str | None = None) -> str:
    return "".join(tag("td", text(cell), class_=class_) for cell in cells)


def _rows(rows: Iterable[Row], class_: str | None = None) -> str:
    return "".join(tag("tr", _cells(row, class_)) for row in rows)


def _table(heads: Row, rows: str, class_: str | None = None) -> str:
    cells = "".join(tag("th", text(one), class_=class_, scope="col") for one in heads)
    head = tag("thead", tag("tr", cells))
    return tag("div", tag("table", head + tag("tbody", rows)), class_="scroll")


def _pairs(rows: Iterable[tuple[str, str]]) -> str:
    def lines() -> Iterator[str]:
        for name, value in rows:
            head = tag("th", text(name), scope="row")
            yield tag("tr", head + _cells((value,)))

    return tag("table", tag("tbody", "".join(lines())), class_="pairs")
