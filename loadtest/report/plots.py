"""The plots of a page: what each shows, how it is drawn, what the pointer reads."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hubbub.loadtest import wording
from hubbub.loadtest.report import scale, svg
from hubbub.loadtest.report.figures import Sample, bars, curve
from hubbub.loadtest.report.scale import Scale
from hubbub.loadtest.report.svg import Frame
from hubbub.loadtest.results import Histogram, Results

WIDE, NARROW, HALF = 940, 360, 410
"""Widths a plot is drawn for: a screen, a phone, half a screen."""
_MOST_SLOTS = 8
"""Workers that have a line each; more of them are one sum."""

Values = list[float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot over time."""

    title: str
    class_: str
    """Its colour: c1 to c8."""
    values: Values
    """One for each sample; None where there is none."""
    write: Callable[[float], str]
    """How a value is read out."""
    area: bool = False
    """Whether the area below it is filled, too."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot over time."""

    name: str
    title: str
    note: str
    """What else must be known: a unit, a kind of axis."""
    y: Scale
    lines: tuple[Line, ...]
    height: int = 150


def over_time(results: Results, samples: Sequence[Sample]) -> list[Plot]:
    """Return all plots over time that there is something to show in."""
    found = [_latency(samples)] if any(one.max is not None for one in samples) else []
    found += [
        _rate("received", "Messages received", "c1", [s.received_s for s in samples]),
        _rate("sent", "Messages sent", "c2", [s.sent_s for s in samples]),
        _connections(results, samples),
    ]
    if any(sample.memory for sample in samples):
        found.append(_memory(samples))
    if any(sample.errors for sample in samples):
        found.append(_errors(samples))
    found.append(_lag(samples))
    return found


def _latency(samples: Sequence[Sample]) -> Plot:
    lines = (
        Line("max", "c3", [one.max for one in samples], wording.latency),
        Line("p99", "c2", [one.p99 for one in samples], wording.latency),
        Line("p50", "c1", [one.p50 for one in samples], wording.latency),
    )
    y = scale.latencies([v for one in lines for v in one.values if v is not None])
    note = "from due to received, logarithmic"
    return Plot("latency", "Latency", note, y, lines, height=230)


def _rate(name: str, title: str, class_: str, values: Sequence[float]) -> Plot:
    def write(value: float) -> str:
        return f"{wording.short(value)}/s"

    one = Line("per second", class_, list(values), write, area=True)
    return Plot(name, title, "a second", scale.rates(max(values, default=0)), (one,))


def _connections(results: Results, samples: Sequence[Sample]) -> Plot:
    values: Values = [float(one.connected) for one in samples]
    most = max([results.clients, *(one.connected for one in samples)])
    one = Line("connected", "c1", values, wording.count, area=True)
    note = f"of {wording.many(results.clients, 'client')}"
    return Plot("connections", "Connections", note, scale.counts(most), (one,))


def _memory(samples: Sequence[Sample]) -> Plot:
    slots = sorted({slot for sample in samples for slot in sample.memory})
    if len(slots) > _MOST_SLOTS:
        sums: Values = [
            float(sum(one.memory.values())) if one.memory else None for one in samples
        ]
        highest: Values = [
            float(max(one.memory.values())) if one.memory else None for one in samples
        ]
        lines: tuple[Line, ...] = (
            Line(f"all {len(slots)} workers", "c1", sums, wording.size),
            Line("the largest", "c2", highest, wording.size),
        )
    else:
        lines = tuple(
            Line(
                f"worker {slot}",
                f"c{index % _MOST_SLOTS + 1}",
                [_of(one, slot) for one in samples],
                wording.size,
            )
            for index, slot in enumerate(slots)
        )
    most = max((v for one in lines for v in one.values if v is not None), default=0.0)
    note = "private to each worker, since its birth"
    if restarted(samples):
        note += "; a triangle is a restart"
    return Plot("memory", "Server memory", note, scale.sizes(most), lines, height=170)


def _of(sample: Sample, slot: int) -> float | None:
    found = sample.memory.get(slot)
    return None if found is None else float(found)


def _errors(samples: Sequence[Sample]) -> Plot:
    values: Values = [float(one.errors) for one in samples]
    most = max(one.errors for one in samples)
    one = Line("errors", "c3", values, wording.count, area=True)
    return Plot("errors", "Errors", "", scale.counts(most), (one,), height=120)


def _lag(samples: Sequence[Sample]) -> Plot:
    values: Values = [one.lag_ms for one in samples]
    y = scale.latencies([one.lag_ms for one in samples], most=4)
    one = Line("at worst", "c4", values, wording.latency)
    note = "how late the load itself was, logarithmic"
    return Plot("lag", "Generator lag", note, y, (one,), height=120)


def restarted(samples: Sequence[Sample]) -> list[tuple[float, int]]:
    """Return (time, slot) of every sample by whose end a worker had been replaced."""
    found = []
    # What was last known of a slot: the status may be out of reach for a while.
    known: dict[int, int] = {}
    for sample in samples:
        for slot, count in sample.restarts.items():
            if count > known.get(slot, 0):
                found.append((sample.t, slot))
            known[slot] = count
    return found


def figure(plot: Plot, results: Results, samples: Sequence[Sample], first: bool) -> str:
    """Return a plot over time as markup, drawn for a screen and for a phone.

    Args:
        plot: what to draw.
        results: phases and marks are drawn behind it.
        samples: the times of its values.
        first: whether it is the topmost, which names phases and numbers marks.
    """
    pictures = "".join(
        _over_time(plot, results, samples, width, class_, first)
        for width, class_ in ((WIDE, "wide"), (NARROW, "narrow"))
    )
    keys = "".join(
        svg.tag("span", svg.text(one.title), class_=f"key {one.class_}")
        for one in plot.lines
    )
    return _figure(plot.title, plot.note, keys if len(plot.lines) > 1 else "", pictures)


def _figure(title: str, note: str, keys: str, pictures: str) -> str:
    caption = svg.tag("strong", svg.text(title)) + " "
    caption += svg.tag("span", svg.text(note), class_="note")
    if keys:
        caption += svg.tag("span", keys, class_="keys")
    return svg.tag("figure", svg.tag("figcaption", caption) + pictures)


def _over_time(
    plot: Plot,
    results: Results,
    samples: Sequence[Sample],
    width: int,
    class_: str,
    first: bool,
) -> str:
    # A second may end a little after the run: its axis is still that of the run.
    end = max([results.duration_s, *(sample.t for sample in samples[-1:])])
    frame = Frame(
        width=width,
        height=plot.height,
        x=scale.times(end, 10 if width == WIDE else 5),
        y=plot.y,
        top=26 if first and results.marks else 10,
    )
    parts = [
        svg.band(frame, one.start, min(one.end, end), one.name if first else "")
        for one in results.phases
        if one.name != "hold"
    ]
    parts.append(svg.axes(frame))
    parts.append(svg.flags(frame, (mark.t for mark in results.marks), first))
    times = [sample.t for sample in samples]
    for one in plot.lines:
        points = list(zip(times, one.values, strict=True))
        if one.area:
            parts.append(svg.area(frame, points, one.class_))
        parts.append(svg.trace(frame, points, one.class_))
    if plot.name == "memory":
        for t, slot in restarted(samples):
            x, y = frame.across(t), frame.floor
            shape = f"M{x - 5:.1f},{y:.1f}h10l-5,-9Z"
            told = svg.tag("title", f"worker {slot} restarted")
            parts.append(svg.tag("path", told, d=shape, class_="restart"))
    title = f"{plot.title} over time: {plot.note}"
    return svg.picture(frame, "".join(parts), title, class_, chart=plot.name)


def readout(plots: Sequence[Plot], samples: Sequence[Sample]) -> dict[str, object]:
    """Return what the pointer reads, by plot: titles, colours and written values."""
    return {
        "t": [round(sample.t, 3) for sample in samples],
        "when": [_when(sample) for sample in samples],
        "charts": {
            plot.name: [
                {
                    "title": one.title,
                    "class": one.class_,
                    "values": [
                        None if value is None else one.write(value)
                        for value in one.values
                    ],
                }
                for one in plot.lines
            ]
            for plot in plots
        },
    }


def _when(sample: Sample) -> str:
    if sample.span < 1.9:
        return scale.moment(sample.t)
    start = scale.moment(max(0.0, sample.t - sample.span))
    return f"{start} to {scale.moment(sample.t)}"


def distribution(results: Results) -> Iterator[str]:
    """Yield histogram and percentiles of the whole run as markup."""
    histogram = results.histogram
    if histogram is None or not any(count for _, count in histogram.buckets):
        return
    yield _histogram(results, histogram)
    yield _percentiles(histogram)


def _histogram(results: Results, histogram: Histogram) -> str:
    known = [upper for upper, count in histogram.buckets if count]
    x = scale.latencies(known, most=5)
    found = bars(histogram, x.low, x.high, 48)
    total = sum(one.count for one in found)
    y = scale.shares(max(one.count for one in found) / total * 100)
    frame = Frame(width=HALF, height=250, x=x, y=y, top=34)
    parts = [svg.axes(frame)]
    for one in found:
        if not one.count:
            continue
        left, right = frame.across(one.low), frame.across(one.high)
        share = one.count / total * 100
        # One slow message of a million must still be seen.
        top = min(frame.up(share), frame.floor - 1)
        told = f"{wording.latency(one.low)} to {wording.latency(one.high)}: "
        told += f"{wording.many(one.count, 'message')}, {share:.3g}%"
        parts.append(
            svg.tag(
                "rect",
                svg.tag("title", svg.text(told)),
                x=left + 0.5,
                y=top,
                width=max(0.5, right - left - 1),
                height=frame.floor - top,
                class_="bar c1",
            )
        )
    parts.append(_percentile_marks(frame, results))
    note = "part of all messages, by latency"
    title = f"Histogram: {note}"
    drawn = svg.picture(frame, "".join(parts), title, "half", None)
    return _figure("Histogram", note, "", drawn)


def _percentile_marks(frame: Frame, results: Results) -> str:
    """Return lines at the percentiles, their names in two rows.

    A name that finds no room in either is left out.
    """
    parts = []
    taken = [-1e9, -1e9]
    for field in ("p50", "p90", "p99", "p999", "max"):
        value: float | None = getattr(results.latency_ms, field)
        if value is None:
            continue
        name = "p99.9" if field == "p999" else field
        x, half = frame.across(value), len(name) * 3.4
        parts.append(svg.line(x, frame.top - 3, x, frame.floor, "percentile"))
        middle = min(x, frame.width - half)
        for row, end in enumerate(taken):
            if middle - half > end + 5:
                y = frame.top - 7 - 13 * row
                parts.append(svg.label(middle, y, name, "middle"))
                taken[row] = middle + half
                break
    return "".join(parts)


def _percentiles(histogram: Histogram) -> str:
    points = curve(histogram)
    total = sum(count for _, count in histogram.buckets)
    frame = Frame(
        width=HALF,
        height=250,
        x=scale.portions(total),
        y=scale.latencies([value for _, value in points]),
        top=34,
    )
    body = svg.axes(frame) + svg.trace(frame, list(points), "c1")
    note = "latency that so many messages did not exceed"
    title = f"Percentiles: {note}"
    return _figure("Percentiles", note, "", svg.picture(frame, body, title, "half"))
