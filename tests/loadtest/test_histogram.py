"""Latencies in buckets against the same in sorted lists."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hubbub.loadtest.histogram import BUCKETS, LONGEST, Histogram, bucket, upper

LATENCIES = st.one_of(
    st.integers(0, 300), st.integers(0, 100_000), st.integers(0, LONGEST - 1)
)


def recorded(latencies: list[int]) -> Histogram:
    made = Histogram()
    for us in latencies:
        made.counts[bucket(us)] += 1
    return made


@given(LATENCIES)
@example(0)
@example(255)
@example(256)
@example(LONGEST - 1)
def test_latency_is_in_a_bucket_less_than_a_hundredth_wide(us: int) -> None:
    index = bucket(us)
    assert 0 <= index < BUCKETS
    assert us <= upper(index) <= us * 129 // 128 + 1
    if index:
        assert upper(index - 1) < us


def test_buckets_follow_each_other_without_a_gap() -> None:
    ends = [upper(index) for index in range(BUCKETS)]
    assert ends == sorted(set(ends))
    assert ends[-1] == LONGEST - 1
    assert [bucket(end) for end in ends] == list(range(BUCKETS))
    assert [bucket(end + 1) for end in ends[:-1]] == list(range(1, BUCKETS))


@pytest.mark.parametrize("us", [-1, -1_000_000])
def test_clock_that_went_backwards_counts_as_no_time(us: int) -> None:
    assert bucket(us) == 0


@pytest.mark.parametrize("us", [LONGEST, LONGEST * 1000])
def test_what_takes_longer_than_the_longest_is_in_the_last_bucket(us: int) -> None:
    assert bucket(us) == BUCKETS - 1


@given(
    st.lists(LATENCIES, min_size=1, max_size=200),
    st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0]),
)
def test_percentile_is_that_of_the_sorted_list(
    latencies: list[int], part: float
) -> None:
    rank = max(1, -int(-len(latencies) * part // 1))
    exact = sorted(latencies)[rank - 1]
    assert recorded(latencies).percentile(part) == upper(bucket(exact)) / 1000


def test_percentiles_of_nothing_are_zero() -> None:
    assert set(Histogram().summary().values()) == {0.0}
    assert Histogram().total == 0


def test_summary_has_the_names_of_the_report() -> None:
    summary = recorded([1_000] * 989 + [20_000] * 10 + [200_000]).summary()
    assert list(summary) == ["p50", "p90", "p99", "p999", "max"]
    assert summary["p50"] == summary["p90"] == pytest.approx(1.0, rel=0.01)
    assert summary["p99"] == summary["p999"] == pytest.approx(20.0, rel=0.01)
    assert summary["max"] == pytest.approx(200.0, rel=0.01)


@given(st.lists(LATENCIES, max_size=50), st.lists(LATENCIES, max_size=50))
def test_two_added_are_as_one(one: list[int], two: list[int]) -> None:
    sum_ = recorded(one)
    sum_.add(recorded(two))
    assert sum_.counts == recorded(one + two).counts
    assert sum_.total == len(one) + len(two)


@given(st.lists(LATENCIES, max_size=50), st.lists(LATENCIES, max_size=50))
def test_what_came_since_is_the_difference(one: list[int], two: list[int]) -> None:
    assert recorded(one + two).since(recorded(one)).counts == recorded(two).counts


def test_copy_does_not_change_with_the_original() -> None:
    histogram = recorded([5])
    copy = Histogram(histogram.counts)
    histogram.counts[bucket(5)] += 1
    assert (copy.total, histogram.total) == (1, 2)


@given(st.lists(LATENCIES, max_size=50))
def test_sparse_counts_are_all_there_is(latencies: list[int]) -> None:
    histogram = recorded(latencies)
    sparse = histogram.sparse()
    assert all(sparse.values())
    assert Histogram.from_sparse(sparse).counts == histogram.counts
    assert sorted(histogram.pairs()) == sorted(
        (upper(index), count) for index, count in sparse.items()
    )
