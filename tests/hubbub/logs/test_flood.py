"""Ten lines of an event a second; the rest is counted and told."""

from hubbub.logs.flood import MOST_NAMES, PER_SECOND, REST, Flood


def test_ten_lines_of_an_event_pass_in_a_second() -> None:
    flood = Flood()
    admitted = [flood.admit("a", 5.0 + i / 100) for i in range(15)]
    assert admitted == [True] * PER_SECOND + [False] * 5
    assert flood.admit("b", 5.2)


def test_suppressed_lines_are_told_once_when_the_second_is_over() -> None:
    flood = Flood(1)
    for _ in range(4):
        flood.admit("a", 5.0)
    assert flood.take_suppressed(5.9) == []
    assert flood.take_suppressed(6.0) == [("a", 3)]
    assert flood.take_suppressed(6.1) == []
    assert flood.admit("a", 6.1)


def test_final_telling_does_not_wait_for_the_second() -> None:
    flood = Flood(1)
    for _ in range(3):
        flood.admit("a", 5.0)
    assert flood.take_suppressed(5.0, final=True) == [("a", 2)]


def test_names_are_bounded() -> None:
    flood = Flood(1)
    for number in range(MOST_NAMES + 50):
        flood.admit(f"name {number}", 5.0)
    assert dict(flood.take_suppressed(6.0)) == {REST: 49}
