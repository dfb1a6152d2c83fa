"""The page, in a real browser: complete, without a request, on screens and phones."""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, Page

from hubbub.loadtest.report.html import page
from hubbub.loadtest.results import Results, from_json
from tests.e2e.page import open_browser
from tests.loadtest.made_up import empty, hostile, results

VOID = {"meta", "link"}
ColorScheme = Literal["light", "dark"]


class Outline(HTMLParser):
    """Checks that every element ends, and collects texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.scripts: dict[str | None, str] = {}
        self._id: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self._id = dict(attrs).get("id")
        assert not any(name.startswith("on") for name, _ in attrs), attrs
        assert "style" not in dict(attrs), attrs  # The policy would ignore it.

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts[self._id] = data
        else:
            self.texts.append(data)


def outline(document: bytes) -> Outline:
    found = Outline()
    found.feed(document.decode())
    found.close()
    assert found.open == []
    return found


ALL = {
    "good": results(expect=("p99<50ms", "lost=0")),
    "killed": results(killed=True, clients=10_000),
    "bad": results(late=True, lost=130, early=True, expect=("p99<1us", "lost=0")),
    "blind": results(workers=None),
    "many workers": results(workers=20),
    "idle": results(rate=0.0),
    "short": results(ramp=0, hold=1, drain=0),
    "empty": empty(),
    "hostile": hostile(),
    "long": results(hold=1200, clients=50, rate=0.2),
}
EVERY = pytest.mark.parametrize("made", ALL.values(), ids=ALL.keys())


@EVERY
def test_page_is_whole_and_holds_the_results(made: Results) -> None:
    found = outline(page(made))
    assert set(found.scripts) == {"results", "readout", None}
    assert from_json(found.scripts["results"]) == made
    assert set(json.loads(found.scripts["readout"])) == {"t", "when", "charts"}


def test_late_generator_is_the_first_thing_said() -> None:
    texts = outline(page(results(late=True))).texts
    said = [text for text in texts if text.strip()]
    assert said[2].startswith("The load generator ran late, p99 of its lag 62.5 ms")
    assert not [t for t in outline(page(results())).texts if "ran late" in t]


def test_words_of_strangers_stay_words() -> None:
    document = page(hostile()).decode()
    assert "<script>alert" not in document
    assert "\x1b" not in document
    assert "\u202e" not in document


def test_text_that_is_no_unicode_does_not_cost_the_page() -> None:
    made = results(plan={"url": "ws://\udcff"}, scenario="\udcff")
    assert b"ws://" in page(made)


def test_violations_beyond_the_first_are_on_demand() -> None:
    texts = outline(page(results(lost=130))).texts
    assert "The first 100 of 130" in texts
    assert texts.index("109") < texts.index("The first 100 of 130") < texts.index("110")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as made:
        yield made


class Tab:
    """A page of results, open in the browser."""

    def __init__(
        self, browser: Browser, file: Path, width: int, scheme: ColorScheme
    ) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda asked: self.requests.append(asked.url))
        self.page.goto(file.as_uri())

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)


OVERLAPS = """() => {
  const found = [];
  for (const svg of document.querySelectorAll("svg")) {
    const texts = [...svg.querySelectorAll("text")].map(
      (text) => [text.textContent, text.getBoundingClientRect()]);
    texts.forEach(([one, a], index) => {
      if (!a.width) return;
      if (a.left < 0 || a.right > innerWidth) found.push(one + " sticks out");
      for (const [two, b] of texts.slice(index + 1))
        if (a.left < b.right && b.left < a.right && a.top + 3 < b.bottom
            && b.top + 3 < a.bottom) found.push(one + " on " + two);
    });
  }
  return found;
}"""


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (390, "dark")], ids=["screen", "phone"]
)
def test_page_is_readable(
    browser: Browser, tmp_path: Path, made: Results, width: int, scheme: ColorScheme
) -> None:
    file = tmp_path / "results.html"
    file.write_bytes(page(made))
    tab = Tab(browser, file, width, scheme)
    assert tab.complaints == []
    assert tab.requests == [file.as_uri()]
    assert tab.ask("document.documentElement.scrollWidth") == width
    assert tab.ask(OVERLAPS) == []
    light = tab.ask("getComputedStyle(document.body).backgroundColor")
    assert light == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 28)")
    tab.context.close()


def shown(tab: Tab, chart: str) -> list[int]:
    """Return how many points the visible lines of a plot have."""
    found: list[int] = tab.page.evaluate(
        """(chart) => [...document.querySelectorAll(`svg[data-chart=${chart}]`)]
        .filter((svg) => svg.getBoundingClientRect().width)
        .flatMap((svg) => [...svg.querySelectorAll("path.trace")])
        .map((path) => path.getAttribute("d").match(/[ML]/g).length)""",
        chart,
    )
    return found


@pytest.mark.slow
def test_plots_have_a_point_for_each_second(browser: Browser, tmp_path: Path) -> None:
    made = results(killed=True, ramp=3, hold=15, drain=1)
    file = tmp_path / "results.html"
    file.write_bytes(page(made))
    for width in (1280, 390):
        tab = Tab(browser, file, width, "light")
        for chart in ("received", "sent", "connections", "errors", "lag"):
            assert shown(tab, chart) == [19], chart
        assert shown(tab, "latency") == [15, 15, 15]
        # The worker that was killed has no memory for a second.
        assert shown(tab, "memory") == [19, 18]
        tab.context.close()


@pytest.mark.slow
def test_pointer_reads_all_plots_at_the_same_time(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "results.html"
    file.write_bytes(page(results(killed=True)))
    tab = Tab(browser, file, 1280, "light")
    plot = tab.page.locator("svg.wide[data-chart=latency]")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    tab.page.mouse.move(box["x"] + box["width"] - 14, box["y"] + 80)
    tip = tab.page.locator("#tip.on")
    assert tip.inner_text().split("\n")[0] == "19 s"
    tab.page.mouse.move(box["x"] + 58 + (box["width"] - 72) / 19 * 9, box["y"] + 80)
    title, *rows = tip.inner_text().split("\n")
    assert title == "9 s"
    assert [row for row in rows if row in ("max", "p99", "p50")] == [
        "max",
        "p99",
        "p50",
    ]
    crosses = "document.querySelectorAll('svg.wide .cross.on').length"
    assert tab.ask(crosses) == 7
    places = (
        "[...document.querySelectorAll('svg.wide .cross')].map(c => c.x1.baseVal.value)"
    )
    assert len(set(tab.ask(places))) == 1
    tab.page.mouse.move(5, 5)
    assert tab.ask(crosses) == 0
    assert tab.complaints == []
    tab.context.close()


@pytest.mark.slow
def test_page_shows_its_plots_without_script(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "results.html"
    file.write_bytes(page(results()))
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(file.as_uri())
    assert tab.locator("svg.wide .trace").first.is_visible()
    tab.get_by_text("Figures of the plots as a table").click()
    assert tab.get_by_role("cell", name="19.0 s").is_visible()
    context.close()


@pytest.mark.slow
def test_hostile_page_runs_nothing(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "results.html"
    file.write_bytes(page(replace(hostile(), verdict="fail")))
    tab = Tab(browser, file, 1280, "light")
    dialogs: list[str] = []
    tab.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    tab.page.reload()
    assert dialogs == []
    assert tab.complaints == []
    assert tab.ask("document.querySelectorAll('script').length") == 3
    assert "</script><script>alert(1)</script>" in tab.page.locator("h1").inner_text()
    tab.context.close()


def test_what_the_scenario_was_to_find_out_is_listed() -> None:
    texts = outline(page(results(notes=["all were back after 1.2 s"]))).texts
    assert "Noted" in texts
    assert "All were back after 1.2 s." in texts
    assert "Noted" not in outline(page(results())).texts
