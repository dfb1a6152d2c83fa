"""URLs as people write them."""

import pytest

from hubbub.people.place import DEFAULT, Place, parse_place


@pytest.mark.parametrize(
    ("url", "place", "authority"),
    [
        (DEFAULT, Place(False, "127.0.0.1", 8080, "/ws"), "127.0.0.1:8080"),
        ("ws://h", Place(False, "h", 80, "/ws"), "h"),
        ("ws://h/", Place(False, "h", 80, "/ws"), "h"),
        ("wss://h", Place(True, "h", 443, "/ws"), "h"),
        ("ws://h:443", Place(False, "h", 443, "/ws"), "h:443"),
        ("http://h:1/x/ws?a=b", Place(False, "h", 1, "/x/ws?a=b"), "h:1"),
        ("https://h?a=b", Place(True, "h", 443, "/ws?a=b"), "h"),
        ("ws://[::1]:8080", Place(False, "::1", 8080, "/ws"), "[::1]:8080"),
        ("ws://[::]:8080", Place(False, "::1", 8080, "/ws"), "[::1]:8080"),
        ("http://0.0.0.0:1", Place(False, "127.0.0.1", 1, "/ws"), "127.0.0.1:1"),
    ],
)
def test_url_of_a_server(url: str, place: Place, authority: str) -> None:
    assert parse_place(url) == place
    assert place.authority == authority


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h:8080",
        "ftp://h",
        "ws://",
        "ws://h:x",
        "ws://h:70000",
        "ws://h:0",
        "ws://u:p@h",
        "ws://h/#f",
        "ws://h/a b",
        "ws://h/\r\nX: y",
        "ws://hö",
        "ws://[::1",
    ],
)
def test_what_is_no_url_of_a_server(url: str) -> None:
    with pytest.raises(ValueError, match=r"^needs a URL such as ws://127.0.0.1:8080"):
        parse_place(url)
