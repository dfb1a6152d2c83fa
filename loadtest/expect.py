"""Expectations such as `p99<50ms` or `lost=0`, and the verdict on a run. Pure.

An expression is a name of the results, an operator and a number with or without a
unit. It is parsed before anything runs: what is wrong with it is known at once.
"""

import difflib
import operator
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from hubbub.escape import quoted
from hubbub.loadtest.results import VIOLATIONS, Met, Results, hold_rates

from . import wording

Value = Callable[[Results], float | None]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}
_SECONDS = {"us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_MILLISECONDS = {unit: seconds * 1000 for unit, seconds in _SECONDS.items()}
_EXPRESSION = re.compile(r"\s*([^\W\d][\w.\-]*)\s*([<>=!]+)\s*(.*?)\s*", re.DOTALL)
_NUMBER = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?(?:e[0-9]+)?)\s*([^\W\d_]*|\D.*)")
_KIND = re.compile(r"errors\.([\w\-]+)")
_LONGEST = 200


class BadExpectation(Exception):
    """An expression that means nothing; its text is one sentence."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expression, understood."""

    expression: str
    """As it was given, without spaces around it."""
    name: str
    """What it is about: "p99", "lost", "errors.refused"."""
    operator: str
    bound: float
    """The number it is compared with, in the unit of the results."""


@dataclass(frozen=True, slots=True)
class _Figure:
    """What a name stands for."""

    read: Value
    units: dict[str, float]
    """Units that may follow the number; factors to the unit of the results."""


def _count(name: str) -> _Figure:
    return _Figure(lambda results: float(getattr(results, name)), {})


def _latency(name: str) -> _Figure:
    return _Figure(lambda results: getattr(results.latency_ms, name), _MILLISECONDS)


def _rate(index: int) -> _Figure:
    def read(results: Results) -> float | None:
        rates = hold_rates(results)
        return rates[index] if rates else None

    return _Figure(read, {})


_COUNTS = ("clients", "connected", "closed", "sent", "expected", "received")
_PERCENTILES = ("p50", "p90", "p99", "p999", "max")
_FIGURES: dict[str, _Figure] = {
    **{name: _count(name) for name in (*_COUNTS, *VIOLATIONS)},
    "errors": _Figure(lambda results: float(sum(results.errors.values())), {}),
    **{name: _latency(name) for name in _PERCENTILES},
    **{f"latency_ms.{name}": _latency(name) for name in _PERCENTILES},
    "sent_s": _rate(0),
    "received_s": _rate(1),
    "duration_s": _Figure(lambda results: results.duration_s, _SECONDS),
    "generator.cpu_s": _Figure(lambda results: results.generator.cpu_s, _SECONDS),
    "generator.lag_ms_p99": _Figure(
        lambda results: results.generator.lag_ms_p99, _MILLISECONDS
    ),
}

NAMES = (*_FIGURES, "errors.KIND")
"""All names that an expression may begin with, for the help and the documentation."""


def parse(expression: str) -> Expectation:
    """Understand an expression.

    Args:
        expression: a name of `NAMES`, one of < <= > >= = == !=, a number, a unit.
            Times may be in us, ms, s or min; latencies without a unit are
            milliseconds, names that end in _s are seconds.

    Raises:
        BadExpectation: It means nothing; the sentence says why, and what is near it.
    """
    told = quoted(expression)
    if len(expression) > _LONGEST:
        raise BadExpectation(f"{told} is too long for an expectation")
    found = _EXPRESSION.fullmatch(expression)
    if not found:
        raise BadExpectation(
            f"{told} is no expectation: it needs a name, an operator and a number, "
            'like "p99<50ms" or "lost=0"'
        )
    name, sign, amount = found.groups()
    figure = _figure(name)
    if figure is None:
        raise BadExpectation(f"{told}: {_unknown(name)}")
    if sign not in _OPERATORS:
        known = " ".join(_OPERATORS)
        raise BadExpectation(f"{told}: there is no operator {sign}, only {known}")
    try:
        bound = _bound(name, figure, amount)
    except ValueError as error:
        raise BadExpectation(f"{told}: {error}") from None
    return Expectation(expression.strip(), name, sign, bound)


def check(expectation: Expectation, results: Results) -> tuple[float | None, bool]:
    """Compare a figure with what was expected of it.

    Returns:
        (value, met): the figure in the unit of the results, or None where there is
        none, which never meets an expectation.
    """
    figure = _figure(expectation.name)
    assert figure is not None, expectation
    value = figure.read(results)
    if value is None:
        return None, False
    return value, _OPERATORS[expectation.operator](value, expectation.bound)


def judge(
    results: Results,
    expectations: Sequence[Expectation] = (),
    allowed: Collection[str] = (),
) -> Results:
    """Find the verdict on a run.

    A run fails for every broken promise (`VIOLATIONS`), for connections closed and
    errors, for an expectation that is not met, when nobody was connected or nothing
    arrived that should have, and, where there are expectations, for a generator that
    ran late: what it measured says nothing about the server.

    An expectation about a count takes the place of the rule that it be 0: who writes
    `errors<5` accepts four.

    Args:
        results: what was found; its verdict, why and expectations do not matter.
        expectations: what was asked for.
        allowed: counts that this scenario does not fail for: "closed", "errors",
            "errors.refused", "lost", …

    Returns:
        The results with verdict, why and expectations as found.
    """
    met: list[Met] = []
    why = list(_broken(results, {*allowed, *(one.name for one in expectations)}))
    for one in expectations:
        value, is_met = check(one, results)
        met.append(Met(expression=one.expression, value=value, met=is_met))
        if not is_met:
            why.append(wording.unmet(one.expression, one.name, value))
    if expectations and results.generator.late:
        why.append(wording.late(results.generator))
    verdict: Literal["pass", "fail"] = "fail" if why else "pass"
    return replace(results, verdict=verdict, why=why, expectations=met)


def _broken(results: Results, allowed: Collection[str]) -> Iterator[str]:
    """Yield a sentence for every rule that the run broke."""
    if results.clients and not results.connected:
        yield f"none of {wording.many(results.clients, 'client')} could connect"
    nothing = results.expected > 0 and not results.received
    if nothing:
        told = wording.many(results.expected, "expected message")
        yield f"nothing was received of {told}"
    for kind in VIOLATIONS:
        count: int = getattr(results, kind)
        if count and kind not in allowed and not (nothing and kind == "lost"):
            yield wording.violated(results, kind, count)
    if results.closed and "closed" not in allowed:
        yield f"the server closed {wording.many(results.closed, 'connection')}"
    if "errors" in allowed:
        return
    for kind, count in sorted(results.errors.items(), key=lambda item: -item[1]):
        if count and f"errors.{kind}" not in allowed:
            yield f"{wording.many(count, 'error')}: {wording.kind(kind)}"


def _figure(name: str) -> _Figure | None:
    """Return what a name stands for, or None."""
    if kind := _KIND.fullmatch(name):
        return _Figure(lambda results: float(results.errors.get(kind[1], 0)), {})
    return _FIGURES.get(name)


def _unknown(name: str) -> str:
    """Say that there is no such name, and what is near it."""
    near = difflib.get_close_matches(name.lower(), NAMES, n=1, cutoff=0.5)
    if near:
        return f"there is no {name}; did you mean {near[0]}?"
    short = [known for known in NAMES if not known.startswith("latency_ms.")]
    return f"there is no {name}, only {', '.join(short)}"


def _bound(name: str, figure: _Figure, amount: str) -> float:
    """Read the number of an expression, in the unit of the results.

    Raises:
        ValueError: It is none, or its unit does not fit the name.
    """
    found = _NUMBER.fullmatch(amount)
    if not found:
        raise ValueError(
            f"{quoted(amount)} is no number" if amount else "the number is missing"
        )
    try:
        number = float(found[1])
    except ValueError:
        raise ValueError(f"{quoted(amount)} is no number") from None
    if number == float("inf"):
        raise ValueError(f"{quoted(amount)} is too large")
    unit = found[2]
    if not unit:
        return number
    if unit in figure.units:
        # Rounded: 50us are 0.05 ms, not 0.049999999999999996.
        return float(f"{number * figure.units[unit]:.12g}")
    if not figure.units:
        raise ValueError(f"{name} has no unit, so {quoted(unit)} does not fit")
    raise ValueError(f"{quoted(unit)} is no unit of time; use us, ms, s or min")
