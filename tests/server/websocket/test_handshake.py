"""The opening handshake from first byte to last: rows H1-H14 of the checklist."""

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.server.websocket.handshake import (
    Endpoint,
    Refused,
    RequestReader,
    Upgrade,
    accept_key,
    check_get,
    check_upgrade,
    choose_subprotocol,
    http_response,
    refusal_response,
    route,
    upgrade_response,
)
from hubbub.settings import Limits

LIMITS = Limits()
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
GOOD = (
    b"GET /rooms/lobby HTTP/1.1\r\n"
    b"Host: localhost:8080\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"\r\n"
)


def answer(data: bytes, origins: tuple[str, ...] = ()) -> bytes:
    """Do what a driver does; return everything that is sent."""
    reader = RequestReader(LIMITS)
    try:
        request = reader.feed(data)
        if request is None:
            return b""
        where = route(request.path)
        if where.endpoint is Endpoint.HEALTH:
            check_get(request)
            return http_response(200, "ok\n", head_only=request.method == "HEAD")
        upgrade = check_upgrade(request, origins)
        subprotocol = None
        if where.endpoint is Endpoint.NATIVE:
            subprotocol = choose_subprotocol(upgrade.subprotocols)
        return upgrade_response(upgrade, subprotocol)
    except Refused as refused:
        return refusal_response(refused)


def parse(response: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = response.partition(b"\r\n\r\n")
    line, *lines = head.decode("ascii").split("\r\n")
    headers = dict(field.split(": ", 1) for field in lines)
    return int(line.split(" ")[1]), headers, body


def status(data: bytes, origins: tuple[str, ...] = ()) -> int:
    return parse(answer(data, origins))[0]


def without(name: bytes) -> bytes:
    lines = GOOD.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith(name + b":"))


def plus(*lines: bytes) -> bytes:
    return GOOD[:-2] + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def with_key(key: bytes) -> bytes:
    return GOOD.replace(KEY.encode(), key)


def test_good_request_is_answered_with_101() -> None:
    assert parse(answer(GOOD)) == (
        101,
        {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": ACCEPT,
        },
        b"",
    )


def test_h1_method_must_be_get() -> None:
    for method in (b"POST", b"HEAD", b"PUT", b"OPTIONS", b"CONNECT", b"FOO", b"get"):
        code, headers, _ = parse(answer(GOOD.replace(b"GET", method)))
        assert code == 405
        assert headers["Allow"] == "GET"


@pytest.mark.parametrize(
    ("version", "code"),
    [
        (b"1.1", 101),
        (b"1.2", 101),
        (b"1.0", 400),
        (b"2.0", 505),
        (b"0.9", 505),
        (b"11", 400),
    ],
)
def test_h1_version_must_be_1_1_or_a_higher_1(version: bytes, code: int) -> None:
    assert status(GOOD.replace(b"HTTP/1.1", b"HTTP/" + version)) == code


def test_h2_host_must_be_there_once_and_valid() -> None:
    assert status(without(b"Host")) == 400
    assert status(plus(b"Host: localhost:8080")) == 400
    assert status(GOOD.replace(b"localhost:8080", b"local host")) == 400


def test_h3_what_is_no_upgrade_gets_426() -> None:
    for data in (
        without(b"Upgrade"),
        without(b"Connection"),
        GOOD.replace(b"websocket\r", b"h2c\r"),
        GOOD.replace(b": Upgrade", b": keep-alive"),
        b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n",
    ):
        code, headers, body = parse(answer(data))
        assert code == 426
        assert headers["Upgrade"] == "websocket"
        assert headers["Connection"] == "close, Upgrade"
        assert body.endswith(b".\n")


def test_h3_tokens_are_found_in_lists_and_any_case() -> None:
    data = GOOD.replace(b": websocket", b": h2c, WebSocket")
    assert status(data.replace(b": Upgrade", b": keep-alive, UPGRADE")) == 101


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"x",
        base64.b64encode(bytes(15)),
        base64.b64encode(bytes(17)),
        base64.b64encode(bytes(18)),
        b"dGhlIHNhbXBsZSBub25jZQ",
        b"dGhlIHNhbXBsZSBub25jZQ=",
        b"dGhlIHNhbXBsZSBub25jZQ===",
        b"dGhlIHNhbXBsZSBub25jZ===",
        b"dGhlIHNhbXBsZSBub25j Q==",
        b"dGhlIHNhbXBsZSBub25jZ!==",
        b"dGhlIHNhbXBsZSBub25j-_==",
        b"dGhlIHNhbXBsZSBub25jZ\xe4==",
        b"dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
    ],
)
def test_h4_key_that_is_not_16_bytes_in_base64_gets_400(key: bytes) -> None:
    assert status(with_key(key)) == 400


def test_h4_key_must_be_there_once() -> None:
    assert status(without(b"Sec-WebSocket-Key")) == 400
    assert status(plus(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")) == 400


@settings(deadline=None)
@given(st.binary(min_size=16, max_size=16))
def test_h4_every_key_of_16_bytes_is_accepted(key: bytes) -> None:
    assert status(with_key(base64.b64encode(key))) == 101


@pytest.mark.parametrize("version", [b"12", b"14", b"8", b"013", b"13, 8", b"", b"x"])
def test_h5_other_version_gets_426_and_the_right_one(version: bytes) -> None:
    data = GOOD.replace(b"Version: 13", b"Version: " + version)
    code, headers, _ = parse(answer(data))
    assert code == 426
    assert headers["Sec-WebSocket-Version"] == "13"


def test_h5_version_must_be_there_once() -> None:
    assert status(without(b"Sec-WebSocket-Version")) == 426
    assert status(plus(b"Sec-WebSocket-Version: 13")) == 426


def test_h6_accept_is_the_one_of_the_rfc() -> None:
    assert accept_key(KEY) == ACCEPT


@settings(deadline=None)
@given(st.binary(min_size=16, max_size=16))
def test_h6_accept_proves_the_key(nonce: bytes) -> None:
    key = base64.b64encode(nonce).decode()
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode())
    assert accept_key(key) == base64.b64encode(digest.digest()).decode()


def test_h6_extension_is_noted_and_not_answered() -> None:
    data = plus(
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        b"Sec-WebSocket-Extensions: x",
    )
    _, headers, _ = parse(answer(data))
    assert "Sec-WebSocket-Extensions" not in headers
    request = RequestReader(LIMITS).feed(data)
    assert request is not None
    assert check_upgrade(request, ()) == Upgrade(
        KEY, [], "permessage-deflate; client_max_window_bits, x"
    )


def test_h6_subprotocol_that_was_not_offered_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="not offered"):
        upgrade_response(Upgrade(KEY, ["a"], ""), "b")


def test_extra_headers_are_sent() -> None:
    response = upgrade_response(Upgrade(KEY, [], ""), None, [("Hubbub-Worker", "2/7")])
    assert parse(response)[1]["Hubbub-Worker"] == "2/7"


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        (["hubbub.v1.json"], "hubbub.v1.json"),
        (["hubbub.v1.msgpack"], "hubbub.v1.msgpack"),
        (["hubbub.v1.msgpack", "hubbub.v1.json"], "hubbub.v1.msgpack"),
        (["hubbub.v1.json", "hubbub.v1.msgpack"], "hubbub.v1.json"),
        (["chat", "hubbub.v2.json", "hubbub.v1.json"], "hubbub.v1.json"),
    ],
)
def test_h7_clients_favourite_of_ours_is_chosen(
    offered: list[str], chosen: str | None
) -> None:
    assert choose_subprotocol(offered) == chosen


@pytest.mark.parametrize(
    "line",
    [b"chat", b"hubbub.v1.JSON", b"hubbub.v1.json2", b"hubbub.v1", b"a, b, c"],
)
def test_h7_only_unknown_subprotocols_get_400(line: bytes) -> None:
    data = plus(b"Sec-WebSocket-Protocol: " + line).replace(b"/rooms/lobby", b"/ws")
    response = answer(data)
    assert parse(response)[0] == 400
    assert b"Sec-WebSocket-Protocol" not in response


def test_h7_subprotocol_is_answered_at_ws_and_no_other_is_in_a_room() -> None:
    data = plus(
        b"Sec-WebSocket-Protocol: chat ,,",
        b"Sec-WebSocket-Protocol: hubbub.v1.msgpack, hubbub.v1.json",
    )
    _, headers, _ = parse(answer(data.replace(b"/rooms/lobby", b"/ws")))
    assert headers["Sec-WebSocket-Protocol"] == "hubbub.v1.msgpack"
    assert "Sec-WebSocket-Protocol" not in parse(answer(data))[1]
    data = GOOD.replace(b"/rooms/lobby", b"/ws")
    assert "Sec-WebSocket-Protocol" not in parse(answer(data))[1]


@pytest.mark.parametrize(
    "line", [b"a b", b'"a"', b"a;b", b"a/b", b"(a)", b"\xe4", b"a@"]
)
def test_h7_offer_that_is_no_list_of_names_gets_400(line: bytes) -> None:
    assert status(plus(b"Sec-WebSocket-Protocol: " + line)) == 400


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([b"Content-Length: 0"], 101),
        ([b"Content-Length: 1"], 400),
        ([b"Content-Length: 65536"], 400),
        ([b"Content-Length: 65537"], 413),
        ([b"Content-Length: 99999999999999999999999"], 413),
        ([b"Transfer-Encoding: chunked"], 400),
        ([b"Transfer-Encoding: chunked", b"Content-Length: 5"], 400),
        ([b"Content-Length: 99999", b"Transfer-Encoding: chunked"], 400),
        ([b"Content-Length: 0", b"Content-Length: 0"], 400),
    ],
)
def test_h8_body_is_refused(lines: list[bytes], code: int) -> None:
    assert status(plus(*lines)) == code


@pytest.mark.parametrize(
    "line",
    [b"A : b", b"A: b\r\n c", b"A: \0", b"A: \r", b"A: b\nC: d", b"A", b"A b: c"],
)
def test_h9_malformed_header_gets_400(line: bytes) -> None:
    assert status(plus(line)) == 400


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (b"/rooms/" + b"a" * 4090, 414),
        (b"/ws?" + b"a" * 4093, 414),
        (b"//rooms/lobby", 404),
        (b"///ws", 404),
        (b"/rooms//lobby", 400),
        (b"/rooms/lobby/", 400),
        (b"/./ws", 404),
        (b"/../ws", 404),
        (b"/x/../ws", 404),
        (b"/rooms/../ws", 400),
        (b"/rooms/..", 400),
        (b"/rooms/%2e%2e", 400),
        (b"/rooms/%2e%2e%2fws", 400),
        (b"/rooms/..%2Fws", 400),
        (b"/rooms%2Flobby", 404),
        (b"/rooms/a%2Fb", 400),
        (b"/rooms/a%252Fb", 400),
        (b"/rooms/a%00", 400),
        (b"/ws%00", 404),
        (b"/ws%20", 404),
        (b"/ws/..;/healthz", 404),
        (b"/rooms/a\0", 400),
        (b"/rooms/a\x0b", 400),
        (b"/rooms/a\x7f", 400),
        (b"/rooms/a\xff", 400),
        (b"/rooms/a%0d%0aX:%20y", 400),
        (b"/rooms/\\..\\ws", 400),
        (b"/rooms/lobby#x", 400),
        (b"http://localhost:8080/ws", 400),
        (b"http://evil.example/ws", 400),
        (b"ws://localhost:8080/rooms/lobby", 400),
        (b"//evil.example/ws", 404),
        (b"localhost:8080", 400),
        (b"*", 400),
        (b"ws", 400),
        (b"?/ws", 400),
        (b"%2Fws", 400),
        (b"/%77s", 404),
        (b"/WS", 404),
        (b"/rooms/a b", 400),
        (b"/rooms/<script>", 400),
        (b"/rooms/%uff0e", 400),
    ],
)
def test_h10_hostile_target_changes_no_routing(target: bytes, code: int) -> None:
    response = answer(GOOD.replace(b"/rooms/lobby", target))
    assert parse(response)[0] == code
    assert b"evil" not in response
    assert b"script" not in response


def test_h11_early_frames_are_kept() -> None:
    reader = RequestReader(LIMITS)
    frame = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
    assert reader.feed(GOOD + frame) is not None
    assert reader.rest == frame


def test_h12_second_request_after_a_refusal_is_not_answered() -> None:
    response = answer(without(b"Upgrade") + GOOD)
    assert response.count(b"HTTP/1.1") == 1
    assert status(without(b"Host") + GOOD) == 400


REFUSED = {
    400: plus(b"A : b"),
    403: plus(b"Origin: a", b"Origin: b"),
    404: GOOD.replace(b"/rooms/lobby", b"/etc/passwd"),
    405: GOOD.replace(b"GET", b"POST"),
    413: plus(b"Content-Length: 99999"),
    414: GOOD.replace(b"lobby", b"a" * 5000),
    426: without(b"Upgrade"),
    431: plus(b"A: " + b"b" * 9000),
    505: GOOD.replace(b"/1.1", b"/2.0"),
}


@pytest.mark.parametrize("code", REFUSED)
def test_h14_refusal_is_short_plain_and_closes(code: int) -> None:
    response = answer(REFUSED[code])
    got, headers, body = parse(response)
    assert got == code
    assert int(headers["Content-Length"]) == len(body)
    assert headers["Connection"].split(", ")[0] == "close"
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in headers
    assert body.endswith(b".\n")
    assert body.count(b"\n") == 1
    for leak in (b"Traceback", b".py", b"passwd", b"ython", b"httptools"):
        assert leak not in response


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], 101),
        ([b"Origin: https://example.com"], 101),
        ([b"Origin: HTTPS://EXAMPLE.COM:443"], 101),
        ([b"Origin: http://example.com"], 403),
        ([b"Origin: https://example.com:8443"], 403),
        ([b"Origin: https://evil.example"], 403),
        ([b"Origin: https://example.com.evil.example"], 403),
        ([b"Origin: https://evilexample.com"], 403),
        ([b"Origin: null"], 403),
        ([b"Origin:"], 403),
        ([b"Origin: https://example.com", b"Origin: https://example.com"], 403),
    ],
)
def test_o1_pages_of_listed_origins_may_connect(lines: list[bytes], code: int) -> None:
    assert status(plus(*lines), ("https://example.com",)) == code


def test_o1_without_a_list_any_one_origin_may_connect() -> None:
    assert status(plus(b"Origin: https://evil.example")) == 101
    assert status(plus(b"Origin: null")) == 101
    assert status(plus(b"Origin: null", b"Origin: null")) == 403


def test_health_is_plain_http_of_either_version() -> None:
    code, headers, body = parse(answer(b"GET /healthz HTTP/1.0\r\n\r\n"))
    assert (code, body, headers["Connection"]) == (200, b"ok\n", "close")
    assert parse(answer(b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n"))[2] == b""
    assert status(b"POST /healthz HTTP/1.1\r\nHost: a\r\n\r\n") == 405


@settings(deadline=None)
@given(st.data())
def test_a_mutated_request_is_answered_by_the_book_or_not_at_all(
    draws: st.DataObject,
) -> None:
    data = bytearray(GOOD)
    for _ in range(draws.draw(st.integers(1, 4))):
        at = draws.draw(st.integers(0, len(data) - 1))
        data[at : at + draws.draw(st.integers(0, 2))] = draws.draw(
            st.binary(max_size=2)
        )
    response = answer(bytes(data))
    if response:
        assert parse(response)[0] in {101, 200, *REFUSED}
