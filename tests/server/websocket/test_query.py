"""The query of a request target."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.server.websocket.query import parse_query


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", {}),
        ("&&", {}),
        ("echo=1", {"echo": "1"}),
        ("echo", {"echo": ""}),
        ("token=a.b-c_d&echo=1", {"token": "a.b-c_d", "echo": "1"}),
        ("a=1&a=2&b=3", {"a": "1", "b": "3"}),
        ("a=b=c", {"a": "b=c"}),
        ("a%3Db=c%26d", {"a=b": "c&d"}),
        ("a=%2541", {"a": "%41"}),
        ("a=x+y%20z%2B", {"a": "x y z+"}),
        ("a=%c3%a9&b=%ff", {"a": "é", "b": "\ufffd"}),
        ("a=%zz%4", {"a": "%zz%4"}),
        ("=x", {"": "x"}),
    ],
)
def test_query_is_decoded_once(query: str, values: dict[str, str]) -> None:
    assert parse_query(query) == values


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E)))
def test_any_query_gives_text_that_can_be_sent(query: str) -> None:
    for name, value in parse_query(query).items():
        (name + value).encode()
