"""Plots as SVG: well-formed, within their frame, no labels upon each other."""

import itertools
import re
from xml.etree import ElementTree

import pytest

from hubbub.loadtest.report import scale, svg
from hubbub.loadtest.report.svg import Frame

FRAME = Frame(width=400, height=200, x=scale.times(20, 5), y=scale.counts(100))


def parse(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<g>{markup}</g>")


def boxes(markup: str) -> list[tuple[float, float]]:
    """Return the ends of all centred labels, in their order."""
    found = []
    for text in parse(markup).iter("text"):
        if text.get("text-anchor") == "middle" and text.text:
            x, half = float(text.get("x", "nan")), len(text.text) * 3.0
            found.append((x - half, x + half))
    return found


def test_frame_places_values() -> None:
    assert (FRAME.across(0), FRAME.across(20)) == (58, 386)
    assert (FRAME.up(0), FRAME.up(100)) == (176, 10)
    assert FRAME.across(99) == FRAME.edge
    assert FRAME.up(-5) == FRAME.floor


def test_texts_are_harmless() -> None:
    evil = "<script>'\"&\x1b\n\u202e"
    assert svg.text(evil) == r"&lt;script&gt;&#x27;&quot;&amp;\x1b\n\u202e"
    (element,) = parse(svg.tag("title", svg.text(evil), class_=evil))
    assert element.text == element.get("class") == "<script>'\"&" + r"\x1b\n\u202e"


def test_attributes_are_short() -> None:
    markup = svg.tag("rect", x=1.25, y=3.0, class_="a", text_anchor="b", rx=None)
    assert markup == '<rect x="1.2" y="3" class="a" text-anchor="b"></rect>'


@pytest.mark.parametrize("end", [1, 19, 20, 59, 61, 299, 3600, 86_400, 1e6])
@pytest.mark.parametrize("width", [360, 940])
def test_labels_of_the_time_axis_do_not_touch(end: float, width: int) -> None:
    found = scale.times(end, 10 if width > 400 else 5)
    frame = Frame(width=width, height=200, x=found, y=scale.counts(100))
    ends = boxes(svg.axes(frame))
    assert len(ends) >= 2
    assert all(a[1] < b[0] for a, b in itertools.pairwise(ends))
    assert ends[-1][1] <= width


def test_trace_has_every_point() -> None:
    markup = svg.trace(FRAME, [(t, float(t)) for t in range(20)], "c1")
    (path,) = parse(markup)
    assert len(re.findall("[ML]", path.get("d", ""))) == 20
    assert path.get("d", "").startswith("M58.0,176.0L")


def test_trace_has_a_gap_where_nothing_is_known() -> None:
    points = [(0.0, 1.0), (1.0, 2.0), (2.0, None), (3.0, 3.0), (4.0, None), (5.0, 1.0)]
    path, *dots = parse(svg.trace(FRAME, points, "c1"))
    assert path.get("d", "").count("M") == 1
    assert [dot.tag for dot in dots] == ["circle", "circle"]
    assert svg.trace(FRAME, [(0.0, None)], "c1") == ""
    assert svg.trace(FRAME, [], "c1") == ""


def test_area_is_closed_at_the_floor() -> None:
    (path,) = parse(svg.area(FRAME, [(0.0, 1.0), (10.0, 2.0), (20.0, None)], "c1"))
    assert path.get("d", "").startswith("M58.0,176.0L")
    assert path.get("d", "").endswith("L222.0,176.0Z")
    assert svg.area(FRAME, [(0.0, 1.0)], "c1") == ""


def test_band_is_named_if_there_is_room() -> None:
    assert [one.tag for one in parse(svg.band(FRAME, 0, 5, "ramp"))] == ["rect", "text"]
    assert [one.tag for one in parse(svg.band(FRAME, 0, 1, "ramp"))] == ["rect"]
    (rect,) = parse(svg.band(FRAME, 5, 5, ""))
    assert rect.get("width") == "0"


def test_flags_that_would_touch_are_one() -> None:
    times = [0.0, 0.5, 1.0, 10.0, 19.0, 20.0, 25.0]
    markup = svg.flags(FRAME, times, numbered=True)
    texts = [one.text for one in parse(markup).iter("text")]
    assert texts == ["1\N{EN DASH}3", "4", "5\N{EN DASH}7"]
    ends = boxes(markup)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(ends))
    assert ends[-1][1] <= FRAME.width
    assert len(list(parse(svg.flags(FRAME, times, numbered=False)))) == len(times)
    assert svg.flags(FRAME, [], numbered=True) == ""


def test_picture_says_what_it_shows() -> None:
    (picture,) = parse(svg.picture(FRAME, "", 'Memory of "all"', "wide", "memory"))
    assert picture.get("aria-label") == 'Memory of "all"'
    assert picture.get("viewBox") == "0 0 400 200"
    assert picture.get("data-chart") == "memory"
    assert [one.get("class") for one in picture] == ["cross"]
    (picture,) = parse(svg.picture(FRAME, "", "", "half"))
    assert picture.get("data-chart") is None
