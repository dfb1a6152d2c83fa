"""Expectations: what is understood, what is not, and what a run fails for."""

from typing import Any

import pytest

from hubbub.loadtest.expect import (
    NAMES,
    BadExpectation,
    Expectation,
    check,
    judge,
    parse,
)
from hubbub.loadtest.results import VIOLATIONS, Generator
from tests.loadtest.made_up import empty, results


@pytest.mark.parametrize(
    ("expression", "name", "operator", "bound"),
    [
        ("lost=0", "lost", "=", 0),
        ("lost==0", "lost", "==", 0),
        ("lost!=0", "lost", "!=", 0),
        ("  sent >= 1_000 ", "sent", ">=", 1000),
        ("sent>1e6", "sent", ">", 1e6),
        ("connected>=9_990", "connected", ">=", 9990),
        ("p99<50ms", "p99", "<", 50),
        ("p99<50", "p99", "<", 50),
        ("p99 <= 0.5 s", "p99", "<=", 500),
        ("p999<50us", "p999", "<", 0.05),
        ("p999<50µs", "p999", "<", 0.05),
        ("max<1min", "max", "<", 60_000),
        ("latency_ms.p90<3", "latency_ms.p90", "<", 3),
        ("generator.cpu_s<300ms", "generator.cpu_s", "<", 0.3),
        ("generator.lag_ms_p99<10ms", "generator.lag_ms_p99", "<", 10),
        ("duration_s>1min", "duration_s", ">", 60),
        ("errors=0", "errors", "=", 0),
        ("errors.refused<5", "errors.refused", "<", 5),
        ("received_s>80000", "received_s", ">", 80_000),
    ],
)
def test_expression_is_understood(
    expression: str, name: str, operator: str, bound: float
) -> None:
    assert parse(expression) == Expectation(expression.strip(), name, operator, bound)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_understood_and_checked(name: str) -> None:
    name = name.replace("KIND", "refused")
    value, met = check(parse(f"{name}>=0"), results())
    assert met
    assert value is not None


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        (
            "",
            '"" is no expectation: it needs a name, an operator and a number, like '
            '"p99<50ms" or "lost=0"',
        ),
        ("lost", '"lost" is no expectation: it needs a name, an operator and'),
        ("0=lost", '"0=lost" is no expectation: it needs a name, an operator and'),
        ("mood=0", '"mood=0": there is no mood, only clients, connected, closed,'),
        ("lots=0", '"lots=0": there is no lots; did you mean lost?'),
        ("P99<5", '"P99<5": there is no P99; did you mean p99?'),
        ("p95<5", '"p95<5": there is no p95; did you mean p9'),
        ("eror=0", "did you mean errors?"),
        ("error.refused=0", "there is no error.refused; did you mean errors"),
        ("errors.=0", "there is no errors.; did you mean errors?"),
        ("lost=", '"lost=": the number is missing'),
        ("lost=none", '"lost=none": "none" is no number'),
        ("lost=-1", '"-1" is no number'),
        ("lost=nan", '"nan" is no number'),
        ("lost=0x10", 'lost has no unit, so "x10" does not fit'),
        ("lost<5ms", '"lost<5ms": lost has no unit, so "ms" does not fit'),
        ("lost<5%", 'lost has no unit, so "%" does not fit'),
        ("p99<5kg", '"p99<5kg": "kg" is no unit of time; use us, ms, s or min'),
        ("p99<5 ms 6", '"ms 6" is no unit of time'),
        ("p99<1__0", '"1__0" is no number'),
        ("p99<1e999", '"1e999" is too large'),
        ("p99=<5", '"p99=<5": there is no operator =<, only < <= > >= = == !='),
        ("p99<<5", "there is no operator <<"),
        ("p99<\x1b[31m5", r'"p99<\x1b[31m5": "\x1b[31m5" is no number'),
        ("p99<5 and lost=0", '"and lost=0" is no unit of time'),
        ("p99<" + "5" * 500, "is too long for an expectation"),
    ],
)
def test_expression_that_means_nothing_is_told(expression: str, sentence: str) -> None:
    with pytest.raises(BadExpectation) as caught:
        parse(expression)
    assert sentence in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("lost<3", False),
        ("lost<=3", True),
        ("lost=3", True),
        ("lost==3", True),
        ("lost!=3", False),
        ("lost>3", False),
        ("lost>=3", True),
    ],
)
def test_operator_compares(expression: str, met: bool) -> None:
    assert check(parse(expression), results(lost=3)) == (3, met)


def test_errors_are_the_sum_or_one_kind() -> None:
    made = results(errors={"refused": 2, "time-out": 3})
    assert check(parse("errors=5"), made) == (5, True)
    assert check(parse("errors.refused=2"), made) == (2, True)
    assert check(parse("errors.time-out=3"), made) == (3, True)
    assert check(parse("errors.reset=0"), made) == (0, True)


def test_figure_that_is_missing_meets_nothing() -> None:
    made = empty()
    for expression in ("p99<50ms", "p99>=0", "p99!=1", "sent_s>=0", "received_s=0"):
        assert check(parse(expression), made) == (None, False)
    why = judge(made, [parse("p99<50ms")]).why
    assert "expected p99<50ms, but there is no figure of p99" in why


def test_clean_run_passes() -> None:
    judged = judge(results())
    assert (judged.verdict, judged.why, judged.expectations) == ("pass", [], [])


def test_nobody_expected_anything_and_nothing_came() -> None:
    assert judge(results(rate=0.0)).verdict == "pass"


@pytest.mark.parametrize("kind", VIOLATIONS)
def test_every_violation_fails_the_run(kind: str) -> None:
    judged = judge(results(**{kind: 2}))
    assert judged.verdict == "fail"
    assert len(judged.why) == 1
    assert judged.why[0].startswith("2 messages ")
    assert judge(results(**{kind: 2}), allowed=[kind]).verdict == "pass"


def test_first_violation_is_told_with_room_sender_number_and_time() -> None:
    (why,) = judge(results(lost=3)).why
    assert why == (
        "3 messages lost; the first: room 0, sender 0, number 100, at 3.000 s "
        "(1 before 101)"
    )


def test_closed_connections_fail_the_run_unless_allowed() -> None:
    made = results(closed=1)
    assert judge(made).why == ["the server closed 1 connection"]
    assert judge(made, allowed=["closed"]).verdict == "pass"


def test_errors_fail_the_run_unless_allowed() -> None:
    made = results(errors={"refused": 2, "timed_out": 1200, "none": 0})
    assert judge(made).why == ["1,200 errors: timed out", "2 errors: refused"]
    assert judge(made, allowed=["errors.refused"]).why == ["1,200 errors: timed out"]
    assert judge(made, allowed=["errors"]).verdict == "pass"


def test_nothing_received_is_told_once() -> None:
    made = results(received=0, lost=135_639)
    assert judge(made).why == ["nothing was received of 135,639 expected messages"]


def test_nobody_connected_fails_the_run() -> None:
    assert judge(empty()).why == [
        "none of 10 clients could connect",
        "10 errors: refused",
    ]


def test_expectation_that_is_not_met_fails_the_run() -> None:
    judged = judge(results(), [parse("p99<50ms"), parse("p50<1us")])
    assert judged.verdict == "fail"
    assert judged.why == ["expected p50<1us, but p50 is 0.806 ms"]
    found = [(one.expression, one.value, one.met) for one in judged.expectations]
    assert found == [("p99<50ms", 2.443, True), ("p50<1us", 0.806, False)]


@pytest.mark.parametrize(
    ("changes", "expression"),
    [
        ({"lost": 3}, "lost<5"),
        ({"closed": 3}, "closed<5"),
        ({"errors": {"refused": 3}}, "errors<5"),
        ({"errors": {"refused": 3}}, "errors.refused<5"),
    ],
)
def test_expectation_takes_the_place_of_the_rule(
    changes: dict[str, Any], expression: str
) -> None:
    made = results(**changes)
    assert judge(made).verdict == "fail"
    assert judge(made, [parse(expression)]).verdict == "pass"
    assert judge(made, [parse(expression.replace("<5", "<2"))]).verdict == "fail"


def test_one_kind_of_error_expected_excuses_no_other() -> None:
    made = results(errors={"refused": 3, "reset": 1})
    assert judge(made, [parse("errors.refused<5")]).why == ["1 error: reset"]


def test_late_generator_fails_what_was_expected_of_it() -> None:
    made = results(late=True)
    assert judge(made).verdict == "pass"
    judged = judge(made, [parse("lost=0")])
    assert judged.verdict == "fail"
    assert judged.expectations[0].met
    assert judged.why == [
        "the load generator ran late, p99 of its lag 62.5 ms: "
        "latencies are not the server's alone"
    ]


def test_verdict_does_not_depend_on_an_earlier_one() -> None:
    failed = judge(results(lost=1), [parse("p50<1us")])
    again = judge(
        results(
            why=failed.why,
            verdict="fail",
            generator=Generator(cpu_s=1.0, lag_ms_p99=0.1, late=False),
        )
    )
    assert (again.verdict, again.why) == ("pass", [])
