"""Which web pages may connect (checklist row O1)."""

import pytest

from hubbub.server.websocket.origin import Origin, origin_allowed, parse_origin

LISTED = (
    "https://example.com",
    "http://localhost:3000",
    "HTTPS://Shop.Example.com:443",
    "http://[::1]:8080",
    "chrome-extension://abcdefghijklmnop",
)


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.com",
        "https://example.com:443",
        "HTTPS://EXAMPLE.com",
        "https://shop.example.com",
        "http://localhost:3000",
        "http://[::1]:8080",
        "chrome-extension://abcdefghijklmnop",
    ],
)
def test_listed_origin_is_allowed(origin: str) -> None:
    assert origin_allowed(origin, LISTED)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://example.com.evil.example",
        "https://evilexample.com",
        "https://evil.example/https://example.com",
        "https://sub.example.com",
        "https://exampleXcom",
        "https://example.co",
        "https://example.com.",
        "http://example.com",
        "wss://example.com",
        "https://example.com:444",
        "https://example.com:80",
        "https://example.com:0443a",
        "https://example.com:",
        "https://example.com/",
        "https://example.com#",
        "https://example.com?",
        "https://example.com\\",
        "https://example.com@evil.example",
        "https://example.com:x@evil.example",
        "https://evil.example https://example.com",
        "https://example.com https://example.com",
        "https://example.com\n",
        " https://example.com",
        "http://localhost",
        "http://localhost:3001",
        "//example.com",
        "example.com",
        "https:example.com",
        "null",
        "NULL",
        "*",
        "",
        "file://",
        "https://",
    ],
)
def test_other_origin_is_refused(origin: str) -> None:
    assert not origin_allowed(origin, LISTED)


@pytest.mark.parametrize("origin", ["null", "", "https://evil.example", "nonsense"])
def test_empty_list_allows_any(origin: str) -> None:
    assert origin_allowed(origin, ())


@pytest.mark.parametrize("entry", ["null", "*", "", "https://example.com/", "https"])
def test_entry_that_is_no_origin_allows_nothing(entry: str) -> None:
    assert parse_origin(entry) is None
    for origin in (entry, "null", "https://example.com"):
        assert not origin_allowed(origin, (entry,))


def test_default_ports_are_filled_in() -> None:
    assert parse_origin("HTTP://A") == Origin("http", "a", 80)
    assert parse_origin("https://a") == Origin("https", "a", 443)
    assert parse_origin("https://a:8443") == Origin("https", "a", 8443)
    assert parse_origin("app://a") == Origin("app", "a", None)
