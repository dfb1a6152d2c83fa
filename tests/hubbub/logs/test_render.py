"""Lines of events: escaped, bounded, never an exception."""

import json

import pytest

from hubbub.logs.render import Form, coloured_form, json_form, line, readable_form
from hubbub.logs.sink import LONGEST

START: dict[str, object] = {
    "event": "joined",
    "process": "worker 0/3",
    "level": "warning",
    "timestamp": "2026-01-02T03:04:05.678Z",
}


class Broken:
    """An object that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_readable_line() -> None:
    data = line({**START, "port": 80, "room": "lobby", "who": "a b"}, readable_form)
    assert data == (
        b"2026-01-02T03:04:05.678Z warning  worker 0/3: joined  "
        b'port=80 room=lobby who="a b"\n'
    )


def test_coloured_line_colours_the_level_alone() -> None:
    data = line({**START, "room": "\x1b[31m"}, coloured_form)
    assert data.count(b"\x1b") == 2
    assert b"\x1b[33mwarning \x1b[0m worker 0/3: joined" in data
    assert b"\x1b" not in line({**START, "level": "info"}, coloured_form)


def test_json_line_begins_with_the_same_fields() -> None:
    found = json.loads(line({"port": 80, **START}, json_form))
    assert list(found) == ["timestamp", "level", "process", "event", "port"]


@pytest.mark.parametrize("form", [json_form, readable_form, coloured_form])
@pytest.mark.parametrize(
    "hostile",
    [
        "a\r\n2026-01-02 info  supervisor: forged",
        "\x1b[2J\x1b]0;title\x07",
        "\x9b31m\x7f\x00\x85\u2028",
        "\u202eevil\u2066\u200b",
        "\ud800 lone",
        'quote " backslash \\ equals = ',
    ],
)
def test_hostile_text_does_not_get_out_raw(form: Form, hostile: str) -> None:
    fields = {
        **START,
        "level": "info",
        "event": f"event {hostile}",
        "process": hostile,
        "plain": hostile,
        "bytes": hostile.encode("utf-8", "surrogatepass"),
        "list": [hostile, {hostile: hostile}],
        hostile: 1,
    }
    data = line(fields, form)
    assert data.endswith(b"\n")
    assert data[:-1].decode().isprintable()
    if form is json_form:
        assert json.loads(data)["plain"] == hostile


def test_escape_cannot_be_forged_in_a_readable_line() -> None:
    honest = line({**START, "x": "a\nb"}, readable_form)
    forged = line({**START, "x": "a\\nb"}, readable_form)
    assert honest.endswith(b'x="a\\nb"\n')
    assert forged.endswith(b'x="a\\\\nb"\n')


@pytest.mark.parametrize("form", [json_form, readable_form])
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        1.5,
        float("nan"),
        float("-inf"),
        pytest.param(10**5000, id="huge"),
        pytest.param(-(10**5000), id="huge negative"),
        b"\xff\0",
        Broken(),
        [Broken()],
        {Broken(): Broken()},
        ValueError("bad\n"),
        {1, 2},
        [[[[[[[[]]]]]]]],
        object,
    ],
)
def test_any_value_makes_a_line(form: Form, value: object) -> None:
    data = line({**START, "value": value}, form)
    assert data[:-1].decode().isprintable()
    if form is json_form:
        assert "value" in json.loads(data)


def test_list_that_holds_itself_makes_a_line() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert json.loads(line({**START, "loop": loop}, json_form))


@pytest.mark.parametrize("form", [json_form, readable_form, coloured_form])
@pytest.mark.parametrize("char", ["x", "\x1b", "\U0001f600", "\U000e0001", '"'])
@pytest.mark.parametrize("count", [1, 5, 200])
def test_line_is_never_longer_than_a_pipe_takes_whole(
    form: Form, char: str, count: int
) -> None:
    fields = {f"{char * 100}{i}": char * 10_000 for i in range(count)}
    data = line({**START, "event": char * 9000, **fields}, form)
    assert len(data) <= LONGEST
    if form is json_form:
        assert json.loads(data)["process"] == "worker 0/3"


def test_short_fields_survive_beside_a_long_one() -> None:
    data = line({**START, "long": "x" * 100_000, "pid": 123}, json_form)
    found = json.loads(data)
    assert found["pid"] == 123
    assert found["long"].endswith("x…")


def test_stack_keeps_its_end() -> None:
    stack = "first" + "x" * 10_000 + "ValueError: the cause"
    found = json.loads(line({**START, "exception": stack}, json_form))
    assert found["exception"].endswith("ValueError: the cause")
