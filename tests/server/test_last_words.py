"""Last words name what holds the memory, also in a sample."""

from hubbub.server.last_words import SAMPLE, largest_types, last_words


class Leaked:
    def __init__(self, payload: bytes) -> None:
        self.payload = [payload]


def types(objects: list[object]) -> dict[object, dict[str, object]]:
    return {row["type"]: row for row in largest_types(objects)}


def test_a_leak_of_bytes_is_found_behind_its_holders() -> None:
    leaked: list[object] = [[b"%d" % number + bytes(1000)] for number in range(500)]
    found = types(leaked)
    assert largest_types(leaked)[0]["type"] == "bytes"
    assert found["bytes"]["count"] == 500
    size = found["bytes"]["bytes"]
    assert isinstance(size, int)
    assert 500_000 < size < 600_000
    assert found["list"]["count"] == 500


def test_what_is_held_twice_counts_once() -> None:
    shared = bytes(10_000)
    found = types([[shared], [shared], [shared]])
    assert found["bytes"]["count"] == 1


def test_many_objects_are_sampled_and_scaled_up() -> None:
    found = types([[] for _ in range(4 * SAMPLE)])
    count = found["list"]["count"]
    assert isinstance(count, int)
    assert abs(count - 4 * SAMPLE) <= 5


def test_types_have_their_module_and_are_few() -> None:
    kinds = [type(f"Kind{number}", (), {}) for number in range(30)]
    told = largest_types([kind() for kind in kinds])
    assert len(told) == 10
    (row,) = largest_types([Leaked.__new__(Leaked)])
    assert str(row["type"]).endswith("test_last_words.Leaked")


def test_words_are_complete() -> None:
    words = last_words(300, 200, 60, {"connections": 5, "rooms": 2, "outbox_bytes": 7})
    told = words.pop("types")
    assert isinstance(told, list)
    assert told
    assert words == {
        "private": 300,
        "ceiling": 200,
        "growth_per_minute": 60,
        "connections": 5,
        "rooms": 2,
        "outbox_bytes": 7,
    }
