"""The rule of the closing frame, by reports of the shape that the suite writes."""

from typing import Any

import pytest

from tests.conformance.verdict import judge


def make_report(
    case: str,
    *,
    sent: int | None = 1000,
    got: int | None = 1000,
    expected: tuple[int, ...] = (1000,),
    clean: bool = True,
    **more: Any,
) -> dict[str, Any]:
    return {
        "id": case,
        "behavior": "OK",
        "behaviorClose": "OK",
        "result": "As expected.",
        "resultClose": "Properly closed",
        "expectedClose": {"closeCode": list(expected), "requireClean": clean},
        "localCloseCode": sent,
        "remoteCloseCode": got,
        "rxFrameStats": {"1": 1, "8": 1},
    } | more


def test_case_with_its_close_frame_passes() -> None:
    verdict = judge(make_report("1.1.1"))
    assert (verdict.failure, verdict.close, verdict.group) == (None, None, 1)
    assert not verdict.fails_connection


@pytest.mark.parametrize(
    "kind", ["FAILED", "NON-STRICT", "UNIMPLEMENTED", "WRONG CODE", "UNCLEAN"]
)
@pytest.mark.parametrize("field", ["behavior", "behaviorClose"])
def test_words_kinder_than_failed_are_failures_too(kind: str, field: str) -> None:
    failure = judge(make_report("6.4.1") | {field: kind}).failure
    assert failure is not None
    assert kind in failure


def test_informational_is_no_failure() -> None:
    verdict = judge(make_report("7.1.6", behavior="INFORMATIONAL"))
    assert verdict.informational
    assert verdict.failure is None


@pytest.mark.parametrize("frames", [0, 2])
@pytest.mark.parametrize("case", ["2.5", "7.3.1"])
def test_exactly_one_close_frame_is_wanted(case: str, frames: int) -> None:
    close = judge(make_report(case, rxFrameStats={"8": frames})).close
    assert close == f"{frames} close frames instead of 1"


def test_dropped_connection_is_without_its_close_frame() -> None:
    report = make_report(
        "2.5", got=None, expected=(1002,), clean=False, rxFrameStats={}
    )
    verdict = judge(report)
    assert verdict.fails_connection
    assert verdict.failure is None
    assert verdict.close == "0 close frames instead of 1"


@pytest.mark.parametrize(
    ("case", "sent", "expected", "right"),
    [
        ("2.5", 1000, (1002,), 1002),
        ("6.4.1", 1000, (1007,), 1007),
        ("7.5.1", 1000, (1002, 1007), 1007),
        ("7.9.4", 1005, (1002,), 1002),
        ("7.13.1", 5000, (1000, 5000, 1002), 1002),
    ],
)
def test_failed_connection_has_one_right_code(
    case: str, sent: int, expected: tuple[int, ...], right: int
) -> None:
    for code in {1000, 1002, 1006, 1007, sent}:
        report = make_report(case, sent=sent, got=code, expected=expected, clean=False)
        close = judge(report).close
        if code == right:
            assert close is None
        else:
            assert close == f"closed with {code} instead of {right}"


@pytest.mark.parametrize(("got", "right"), [(3999, True), (1000, False)])
def test_proper_close_is_answered_with_its_own_code(got: int, right: bool) -> None:
    report = make_report("7.7.11", sent=3999, got=got, expected=(1000, 3999))
    assert (judge(report).close is None) == right


@pytest.mark.parametrize("got", [None, 1000])
def test_close_without_a_code_may_be_answered_without_one(got: int | None) -> None:
    assert judge(make_report("7.3.1", sent=None, got=got)).close is None
