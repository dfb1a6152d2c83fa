"""Results: the document, there and back."""

import base64
import json
import zlib

import msgspec
import pytest
from hdrh.histogram import HdrHistogram

from hubbub.loadtest.results import (
    VIOLATIONS,
    NotResults,
    Percentiles,
    Results,
    from_json,
    hold_rates,
    phase,
    spans,
    to_json,
)
from tests.loadtest.made_up import empty, hostile, results

TOP_LEVEL = [
    *("verdict", "clients", "connected", "closed", "sent", "expected", "received"),
    *("lost", "duplicated", "reordered", "misrouted", "corrupted", "errors"),
    *("latency_ms", "generator", "violations"),
]


@pytest.mark.parametrize(
    "made",
    [results(), results(killed=True, lost=3, late=True), empty(), hostile()],
    ids=["good", "bad", "empty", "hostile"],
)
def test_document_is_read_as_it_was_written(made: Results) -> None:
    assert from_json(to_json(made)) == made


def test_document_has_the_promised_names() -> None:
    document = json.loads(to_json(results()))
    assert list(document)[: len(TOP_LEVEL)] == TOP_LEVEL
    assert list(document["latency_ms"]) == ["p50", "p90", "p99", "p999", "max"]
    assert list(document["generator"]) == ["cpu_s", "lag_ms_p99", "late"]
    assert set(VIOLATIONS) < set(document)
    assert document["series"][5]["server"]["workers"][1]["slot"] == 1


def test_nothing_measured_is_null() -> None:
    document = json.loads(to_json(empty()))
    assert set(document["latency_ms"].values()) == {None}
    assert document["histogram"] is None


def test_histogram_is_readable_by_others() -> None:
    made = results()
    assert made.histogram is not None
    decoded = HdrHistogram.decode(made.histogram.encoded)
    counted = sum(number for _, number in made.histogram.buckets)
    assert decoded.total_count == counted
    assert zlib.decompress(base64.b64decode(made.histogram.encoded)[8:])


def test_text_that_is_no_unicode_does_not_cost_the_results() -> None:
    made = results(plan={"url": "ws://\udcff"})
    assert from_json(to_json(made)).plan == {"url": "ws://?"}


def test_fields_of_a_newer_version_are_left_out() -> None:
    made = results()
    document = json.loads(to_json(made)) | {"mood": "good"}
    assert from_json(json.dumps(document)) == made


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b'{"verdict": "\xff"}', "is not JSON"),
        (b'{"plan": {"a": ' + b"[" * 100_000, "is not JSON"),
        (b"[]", "holds no results of a load test: expected `object`, got `array`"),
        (
            b"{}",
            "holds no results of a load test: object missing required field `verdict`",
        ),
    ],
)
def test_something_else_is_told_in_a_sentence(document: bytes, sentence: str) -> None:
    with pytest.raises(NotResults) as caught:
        from_json(document)
    assert str(caught.value) == sentence


def test_wrong_type_is_told_with_its_place() -> None:
    document = json.loads(to_json(results())) | {"lost": "three"}
    with pytest.raises(NotResults, match=r"expected `int`, got `str` - at `\$\.lost`"):
        from_json(json.dumps(document))


def test_points_cover_the_time_since_the_one_before() -> None:
    made = results(ramp=1, hold=2, drain=1)
    covered = spans(made)
    assert len(covered) == len(made.series) == 4
    assert sum(covered) == pytest.approx(made.series[-1].t)
    assert covered[0] == made.series[0].t
    assert spans(empty()) == []


def test_rates_are_those_of_the_hold_phase() -> None:
    made = results(ramp=3, hold=10, clients=100, rate=2.0)
    found = hold_rates(made)
    assert found is not None
    assert found[0] == pytest.approx(200, rel=0.05)
    assert found[1] == pytest.approx(1800, rel=0.05)


def test_no_hold_phase_has_no_rates() -> None:
    assert hold_rates(empty()) is None
    made = results()
    cut = msgspec.structs.replace(made, series=made.series[:2])
    assert hold_rates(cut) is None


def test_phase_is_found_by_its_name() -> None:
    found = phase(results(ramp=3, hold=15), "hold")
    assert found is not None
    assert (found.start, found.end) == (3, 18)
    assert phase(results(), "encore") is None


def test_percentiles_default_to_none() -> None:
    assert Percentiles() == Percentiles(p50=None, max=None)
