"""Plain HTTP answers (checklist row H14), read by the standard library's parser."""

import io
from http.client import HTTPResponse

import pytest

from hubbub.server.websocket.request import Refused
from hubbub.server.websocket.response import (
    header_lines,
    http_response,
    refusal_response,
)


class FakeSocket:
    """As much of a socket as HTTPResponse wants."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self.data)


def parse(data: bytes, method: str = "GET") -> tuple[HTTPResponse, bytes]:
    """Read an answer; nothing may follow what it says its length is."""
    sock = FakeSocket(data)
    response = HTTPResponse(sock, method=method)  # type: ignore[arg-type]
    response.begin()
    body = response.read()
    assert data.partition(b"\r\n\r\n")[2] == body
    return response, body


def test_refusal_has_every_header_and_its_reason_as_body() -> None:
    data = refusal_response(Refused(404, "Nothing here."))
    response, body = parse(data)
    assert (response.status, response.reason) == (404, "Not Found")
    assert dict(response.getheaders()) == {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body)),
        "Connection": "close",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    assert body == b"Nothing here.\n"


def test_refusal_carries_its_own_headers() -> None:
    refused = Refused(405, "Use GET.", (("Allow", "GET"),))
    response, _ = parse(refusal_response(refused))
    assert response.getheader("Allow") == "GET"


def test_upgrade_header_is_named_in_connection() -> None:
    refused = Refused(426, "Upgrade.", (("Upgrade", "websocket"),))
    response, _ = parse(refusal_response(refused))
    assert response.getheader("Connection") == "close, Upgrade"


@pytest.mark.parametrize("status", [400, 403, 404, 405, 413, 414, 426, 431, 503, 505])
def test_every_status_has_its_phrase_and_no_banner(status: int) -> None:
    data = refusal_response(Refused(status, "No."))
    response, _ = parse(data)
    assert response.status == status
    assert response.reason
    assert response.getheader("Server") is None
    assert b"ython" not in data
    assert b"rio" not in data


def test_length_counts_bytes_not_characters() -> None:
    response, body = parse(http_response(200, "\u00fc\n"))
    assert body.decode() == "\u00fc\n"
    assert response.getheader("Content-Length") == "3"


def test_answer_to_head_has_a_length_and_no_body() -> None:
    data = http_response(200, "ok\n", head_only=True)
    response, body = parse(data, "HEAD")
    assert data.endswith(b"\r\n\r\n")
    assert (response.getheader("Content-Length"), body) == ("3", b"")


@pytest.mark.parametrize(
    "field",
    [("A", "b\r\nC: d"), ("A", "b\n"), ("A", "\0"), ("A", "é"), ("A: b", "c")],
)
def test_field_that_would_split_the_answer_is_our_mistake(
    field: tuple[str, str],
) -> None:
    with pytest.raises(ValueError, match="not a header field"):
        header_lines([field])
