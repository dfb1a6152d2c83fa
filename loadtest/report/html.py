"""The report of a load test as one page that can be mailed around.

Everything is in it: style, plots, script and the results themselves as JSON. It asks
for nothing from elsewhere, and its policy forbids it to; without its script only the
figures under the pointer are missing.
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources

from hubbub.escape import plain
from hubbub.loadtest import wording
from hubbub.loadtest.report import plots, sections
from hubbub.loadtest.report.figures import Sample, samples
from hubbub.loadtest.report.svg import tag, text
from hubbub.loadtest.results import Results, to_json

_UNSAFE = re.compile(r"[^\x20-\x7e]|[<>&]")


def page(results: Results) -> bytes:
    """Return the page.

    Args:
        results: what was found; texts in it may come from anybody.

    Guarantees:
        The page makes no request, and nothing in the results can add to its markup.
    """
    taken = samples(results)
    drawn = plots.over_time(results, taken) if taken else []
    title = f"{wording.many(results.clients, 'client')}, {plain(results.scenario)}"
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<link rel="icon" href="data:,">'
        + tag("title", text(f"{results.verdict.upper()}: {title}"))
        + f"<style>{_asset('page.css')}</style>"
    )
    body = "".join(
        (
            sections.notices(results),
            sections.header(results),
            sections.why(results),
            sections.tiles(results),
            sections.expectations(results),
            sections.notes(results),
            _over_time(results, drawn, taken),
            _distribution(results),
            sections.violations(results),
            sections.errors(results),
            sections.second_by_second(taken),
            sections.what_was_run(results),
            sections.footer(results),
        )
    )
    document = (
        '<!doctype html>\n<html lang="en"><head>'
        f"{head}</head><body>{tag('main', body)}"
        '<div id="tip"></div>'
        + _data("results", to_json(results, indent=-1).decode())
        + _data("readout", json.dumps(plots.readout(drawn, taken)))
        + f"<script>{_asset('page.js')}</script></body></html>\n"
    )
    # Lone surrogates, of whatever origin, are no text that a file could hold.
    return document.encode(errors="replace")


def _over_time(
    results: Results, drawn: Sequence[plots.Plot], taken: Sequence[Sample]
) -> str:
    """Return the plots over time, below one heading."""
    if not drawn:
        return ""
    longest = max(sample.span for sample in taken)
    told = ""
    if longest >= 1.9:
        told = tag(
            "p",
            f"The run was long: each point stands for {longest:.0f} seconds, "
            "at their worst where that matters.",
            class_="soft",
        )
    figures = "".join(
        plots.figure(one, results, taken, first=index == 0)
        for index, one in enumerate(drawn)
    )
    heading = tag("h2", "Over time")
    return tag("section", heading + told + sections.marks(results) + figures)


def _distribution(results: Results) -> str:
    """Return histogram and percentiles, side by side where there is room."""
    halves = "".join(plots.distribution(results))
    if not halves:
        return ""
    heading = tag("h2", "Latency of the whole run")
    return tag("section", heading + tag("div", halves, class_="halves"))


def _data(name: str, document: str) -> str:
    """Return a JSON document for the page.

    Only ASCII, without "<": nothing in it can end its element, or turn around how
    the page's source reads.
    """
    safe = _UNSAFE.sub(_escaped, document.strip())
    return f'<script type="application/json" id="{name}">{safe}</script>'


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    pairs = (units[index : index + 2].hex() for index in range(0, len(units), 2))
    return "".join(f"\\u{pair}" for pair in pairs)


@cache
def _asset(name: str) -> str:
    """Return one of the files beside this one."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def _policy() -> str:
    """Return the page's policy: its own style and script, and nothing else at all."""
    hashes = {
        name: base64.b64encode(hashlib.sha256(_asset(name).encode()).digest()).decode()
        for name in ("page.css", "page.js")
    }
    return (
        f"default-src 'none'; style-src 'sha256-{hashes['page.css']}'; "
        f"script-src 'sha256-{hashes['page.js']}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
