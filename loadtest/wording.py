"""Figures and sentences as every report of a load test writes them. Pure."""

import math
import re

from hubbub.escape import plain
from hubbub.loadtest.results import Generator, Met, Results, Violation

_PARTICIPLES = {
    "lost": "lost",
    "duplicated": "received twice",
    "reordered": "received out of order",
    "misrouted": "received by somebody who is no member of their room",
    "corrupted": "received with content that was not sent",
}


def count(number: float) -> str:
    """Write a count in full: 1,234,567."""
    return f"{number:,.0f}"


def many(number: int, thing: str) -> str:
    """Write a count of things: "1 client", "1,000 clients"."""
    return f"{count(number)} {thing}{'' if number == 1 else 's'}"


def short(number: float) -> str:
    """Write a count in at most five characters: 950, 12.3k, 1.50M."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        # 999.6 would round to 1000, which is a 1.00k.
        if abs(number) >= factor * 0.9995:
            return digits(number / factor) + unit
    return f"{number:.0f}"


def digits(number: float) -> str:
    """Write a number with three digits, or all those before its point."""
    if number == 0:
        return "0"
    before = math.floor(math.log10(abs(number)) + 0.0002) + 1
    return f"{number:.{min(3, max(0, 3 - before))}f}"


def latency(milliseconds: float | None) -> str:
    """Write a latency with its unit: 0.420 ms, 12.3 ms, 1.24 s; "-" for None."""
    if milliseconds is None:
        return "-"
    if milliseconds >= 999.5:
        return f"{digits(milliseconds / 1000)} s"
    return f"{digits(milliseconds)} ms"


def size(number: float) -> str:
    """Write a number of bytes: 512 B, 43.1 MiB."""
    for factor, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if number >= factor * 0.9995:
            return f"{digits(number / factor)} {unit}"
    return f"{number:.0f} B"


def seconds(number: float) -> str:
    """Write a duration: 15.0 s, 2 min 05 s."""
    if number < 99.95:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    return f"{minutes} min {rest:02} s"


def kind(name: str) -> str:
    """Write a kind of error, which the server may have had a say in."""
    return plain(name.replace("_", " "))[:60]


def figure(name: str, value: float | None) -> str:
    """Write a figure by its name in the results, with its unit.

    With more digits than elsewhere: 50.04 ms beside an expected 50 must not read 50.0.
    """
    if value is None:
        return "no figure"
    if name.split(".")[-1] in ("p50", "p90", "p99", "p999", "max", "lag_ms_p99"):
        return f"{value:.6g} ms"
    if name in ("duration_s", "generator.cpu_s"):
        return f"{value:.6g} s"
    return f"{value:,.1f}/s" if name.endswith("_s") else count(value)


def found(one: Met) -> str:
    """Write what was found for an expectation."""
    name = re.split("[<>=!]", one.expression, maxsplit=1)[0].strip()
    return figure(name, one.value)


def sentence(told: str) -> str:
    """Return a clause as a sentence: a capital letter, a full stop."""
    cleaned = plain(told)
    return cleaned[:1].upper() + cleaned[1:] + ("" if cleaned.endswith(".") else ".")


def unmet(expression: str, name: str, value: float | None) -> str:
    """Say that an expectation was not met."""
    found = f"{plain(name)} is {figure(name, value)}"
    if value is None:
        found = f"there is no figure of {plain(name)}"
    return f"expected {plain(expression)}, but {found}"


def late(generator: Generator) -> str:
    """Say that the generator ran late."""
    return (
        "the load generator ran late, p99 of its lag "
        f"{latency(generator.lag_ms_p99)}: latencies are not the server's alone"
    )


def violated(results: Results, name: str, number: int) -> str:
    """Say which promise was broken, how often, and where first."""
    told = f"{many(number, 'message')} {_PARTICIPLES[name]}"
    first = next((one for one in results.violations if one.kind == name), None)
    return f"{told}; the first: {violation(first)}" if first else told


def violation(one: Violation) -> str:
    """Describe a violation: room, sender, number, time."""
    parts = [f"room {_name(one.room)}", f"sender {_name(one.sender)}"]
    parts += [f"number {_name(one.number)}", f"at {one.t:.3f} s"]
    told = ", ".join(parts)
    return f"{told} ({plain(one.what)[:200]})" if one.what else told


def _name(value: int | str | None) -> str:
    return "unknown" if value is None else plain(str(value))[:60]
