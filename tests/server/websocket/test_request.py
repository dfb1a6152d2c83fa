"""A request as a value: its tokens, query and body, and what is refused of it."""

import pytest

from hubbub.server.websocket.request import (
    BODY_LIMIT,
    Refused,
    Request,
    check_get,
    check_no_body,
)

OFFERS: list[tuple[list[str], list[str], bool]] = [
    (["websocket"], ["Upgrade"], True),
    (["WebSocket"], ["uPGRADE"], True),
    (["h2c, websocket"], ["a ,\tupgrade, b"], True),
    (["h2c", "websocket"], ["upgrade"], True),
    (["websocket"], ["keep-alive", "upgrade"], True),
    (["websocket"], [], False),
    ([], ["Upgrade"], False),
    (["websocket"], ["keep-alive"], False),
    (["websocket"], ["upgraded"], False),
    (["websockets"], ["upgrade"], False),
    (["web socket"], ["upgrade"], False),
    (["h2c"], ["Upgrade, HTTP2-Settings"], False),
    ([""], [""], False),
    ([], [], False),
]


def request(
    method: str = "GET",
    target: str = "/",
    headers: dict[str, list[str]] | None = None,
    body: int = 0,
) -> Request:
    made = Request(method, target, 1, headers or {})
    made.body = body
    return made


@pytest.mark.parametrize(("upgrade", "connection", "expected"), OFFERS)
def test_upgrade_is_recognised_by_its_tokens(
    upgrade: list[str], connection: list[str], expected: bool
) -> None:
    headers = {"upgrade": upgrade, "connection": connection}
    assert request(headers=headers).is_upgrade is expected


def test_upgrade_needs_both_headers() -> None:
    assert not request(headers={"upgrade": ["websocket"]}).is_upgrade
    assert not request(headers={"connection": ["upgrade"]}).is_upgrade
    assert not request().is_upgrade


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/ws", "/ws", {}),
        ("/ws?", "/ws", {}),
        ("/ws?echo=1", "/ws", {"echo": "1"}),
        ("/ws?a=/x?y", "/ws", {"a": "/x?y"}),
        ("/%77s%3Fa=1?b=%31", "/%77s%3Fa=1", {"b": "1"}),
    ],
)
def test_path_is_not_decoded_and_query_is(
    target: str, path: str, query: dict[str, str]
) -> None:
    made = request(target=target)
    assert (made.path, made.query) == (path, query)


@pytest.mark.parametrize(
    ("length", "status"),
    [
        (0, None),
        (1, 400),
        (BODY_LIMIT - 1, 400),
        (BODY_LIMIT, 400),
        (BODY_LIMIT + 1, 413),
        (10**30, 413),
    ],
)
def test_body_where_there_is_no_use_for_one_is_refused(
    length: int, status: int | None
) -> None:
    made = request(body=length)
    if status is None:
        check_no_body(made)
        check_get(made)
        return
    for check in (check_no_body, check_get):
        with pytest.raises(Refused) as caught:
            check(made)
        assert caught.value.status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_method_where_get_is_meant_is_refused(method: str) -> None:
    with pytest.raises(Refused) as caught:
        check_get(request(method))
    assert caught.value.status == 405
    assert caught.value.headers == (("Allow", "GET, HEAD"),)


def test_get_and_head_pass() -> None:
    check_get(request("GET"))
    check_get(request("HEAD"))


def test_refusal_says_its_status_and_reason() -> None:
    refused = Refused(404, "Nothing here.")
    assert (refused.status, refused.reason, refused.headers) == (
        404,
        "Nothing here.",
        (),
    )
    assert "Nothing here." in str(refused)
