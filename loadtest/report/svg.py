"""Plots as SVG: a frame with two axes, and what is drawn within it. Pure.

Everything is text made here, with figures rounded to a tenth of a pixel; colours are
classes, so that a style sheet can have them for dark and for light.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from hubbub.escape import plain
from hubbub.loadtest.report.scale import Scale

_LETTER = 6.3
"""Width of a letter of the axes' font, about, in user units."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle with two axes; in user units, which are CSS pixels at full size."""

    width: float
    height: float
    x: Scale
    y: Scale
    left: float = 58
    """Room for the labels of the y axis; the other margins below."""
    right: float = 14
    top: float = 10
    bottom: float = 24

    def across(self, value: float) -> float:
        """Return where a value of the x axis lies."""
        return self.left + self.x.part(value) * (self.width - self.left - self.right)

    def up(self, value: float) -> float:
        """Return where a value of the y axis lies."""
        room = self.height - self.top - self.bottom
        return self.height - self.bottom - self.y.part(value) * room

    @property
    def floor(self) -> float:
        """Where the x axis lies."""
        return self.height - self.bottom

    @property
    def edge(self) -> float:
        """Where the plot ends on the right."""
        return self.width - self.right


def text(value: object) -> str:
    """Return a text of whatever origin, harmless on a page and readable there."""
    return escape(plain(str(value)), quote=True)


def tag(name: str, content: str = "", /, **attributes: object) -> str:
    """Return an element; underscores in names of attributes become hyphens.

    Args:
        name: of the element.
        content: markup within it, used as it is.
        attributes: their values are escaped; those that are None are left out.
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{told}>{content}</{name}>"


def _value(value: object) -> str:
    """Write the value of an attribute; numbers with a decimal at most."""
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return text(value)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """Return a straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def label(x: float, y: float, content: str, anchor: str, class_: str = "") -> str:
    """Return a text; `anchor` is start, middle or end."""
    return tag(
        "text", text(content), x=x, y=y, text_anchor=anchor, class_=class_ or None
    )


def axes(frame: Frame) -> str:
    """Return the grid with the labels of both axes."""
    parts = []
    for value, written in frame.y.ticks:
        y = frame.up(value)
        parts.append(line(frame.left, y, frame.edge, y, "grid"))
        parts.append(label(frame.left - 8, y + 4, written, "end"))
    taken = -1e9
    for value, written in frame.x.ticks:
        x, half = frame.across(value), len(written) * _LETTER / 2
        # The last label must not stick out, and none may touch another.
        middle = min(x, frame.width - half - 1)
        if middle - half < taken + 8:
            continue
        taken = middle + half
        parts.append(line(x, frame.floor, x, frame.floor + 4, "axis"))
        parts.append(label(middle, frame.floor + 18, written, "middle"))
    parts.append(line(frame.left, frame.floor, frame.edge, frame.floor, "axis"))
    return "".join(parts)


def trace(
    frame: Frame, points: Sequence[tuple[float, float | None]], class_: str
) -> str:
    """Return a line through points; a gap where there is no value.

    A point between two gaps is a dot, or nobody would see it.
    """
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            runs.append([])
        else:
            runs[-1].append((frame.across(x), frame.up(y)))
    path, dots = [], []
    for run in runs:
        if len(run) == 1:
            ((x, y),) = run
            dots.append(tag("circle", cx=x, cy=y, r=2.5, class_=f"dot {class_}"))
        elif run:
            path.append("M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in run))
    drawn = tag("path", d="".join(path), class_=f"trace {class_}") if path else ""
    return drawn + "".join(dots)


def area(
    frame: Frame, points: Sequence[tuple[float, float | None]], class_: str
) -> str:
    """Return the area below a line without gaps."""
    known = [(frame.across(x), frame.up(y)) for x, y in points if y is not None]
    if len(known) < 2:
        return ""
    path = "L".join(f"{x:.1f},{y:.1f}" for x, y in known)
    first, last = known[0][0], known[-1][0]
    closed = f"M{first:.1f},{frame.floor:.1f}L{path}L{last:.1f},{frame.floor:.1f}Z"
    return tag("path", d=closed, class_=f"area {class_}")


def band(frame: Frame, start: float, end: float, name: str) -> str:
    """Return a shaded part of the x axis, named if there is room for its name."""
    left, right = frame.across(start), frame.across(end)
    drawn = tag(
        "rect",
        x=left,
        y=frame.top,
        width=max(0.0, right - left),
        height=frame.floor - frame.top,
        class_="band",
    )
    if name and right - left > len(name) * _LETTER + 6:
        drawn += label((left + right) / 2, frame.top + 13, name, "middle", "band-name")
    return drawn


def flags(frame: Frame, times: Iterable[float], numbered: bool) -> str:
    """Return a dashed line for each mark, numbered from 1 above the plot.

    Numbers that would touch become one: "2-5".
    """
    places = [frame.across(time) for time in times]
    parts = [line(x, frame.top, x, frame.floor, "mark") for x in places]
    if not numbered:
        return "".join(parts)
    clusters: list[list[int]] = []
    for index, x in enumerate(places):
        if clusters and x - places[clusters[-1][-1]] < 26:
            clusters[-1].append(index)
        else:
            clusters.append([index])
    for cluster in clusters:
        first, last = cluster[0] + 1, cluster[-1] + 1
        written = str(first) if first == last else f"{first}\N{EN DASH}{last}"
        x = (places[cluster[0]] + places[cluster[-1]]) / 2
        wide = max(16.0, len(written) * _LETTER + 8)
        x = min(max(x, wide / 2), frame.width - wide / 2)
        box = tag(
            "rect",
            x=x - wide / 2,
            y=frame.top - 18,
            width=wide,
            height=16.0,
            rx=8.0,
            class_="flag",
        )
        parts.append(box + label(x, frame.top - 6, written, "middle", "flag-text"))
    return "".join(parts)


def picture(
    frame: Frame, body: str, title: str, class_: str, chart: str | None = None
) -> str:
    """Return the SVG element.

    Args:
        frame: its size and axes.
        body: what is drawn.
        title: what it shows, for those who cannot see it.
        class_: its classes.
        chart: its name where the page's script follows the pointer over it.
    """
    inside: dict[str, object] = {}
    if chart:
        inside = {
            "data_chart": chart,
            "data_left": frame.left,
            "data_right": frame.edge,
            "data_width": frame.width,
            "data_end": round(frame.x.high, 3),
        }
        body += line(0, frame.top, 0, frame.floor, "cross")
    return tag(
        "svg",
        body,
        class_=class_,
        viewBox=f"0 0 {frame.width:g} {frame.height:g}",
        role="img",
        aria_label=title,
        **inside,
    )
