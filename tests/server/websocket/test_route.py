"""Where requests go, and that no spelling of a path goes elsewhere."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.server.rooms.name import valid_room
from hubbub.server.websocket.request import Refused
from hubbub.server.websocket.route import Endpoint, Route, route


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/ws", Route(Endpoint.NATIVE)),
        ("/echo", Route(Endpoint.ECHO)),
        ("/healthz", Route(Endpoint.HEALTH)),
        ("/rooms/lobby", Route(Endpoint.PLAIN, "lobby")),
        ("/rooms/ws", Route(Endpoint.PLAIN, "ws")),
        ("/rooms/l%6Fbby", Route(Endpoint.PLAIN, "lobby")),
        ("/rooms/a%3ab%40c", Route(Endpoint.PLAIN, "a:b@c")),
        ("/rooms/a:b@c=d,e;f", Route(Endpoint.PLAIN, "a:b@c=d,e;f")),
        ("/rooms/...", Route(Endpoint.PLAIN, "...")),
        ("/rooms/" + "a" * 164, Route(Endpoint.PLAIN, "a" * 164)),
    ],
)
def test_path_of_ours_is_found(path: str, expected: Route) -> None:
    assert route(path) == expected


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 404),
        ("", 404),
        ("//", 404),
        ("/ws/", 404),
        ("/ws;x", 404),
        ("//ws", 404),
        ("/./ws", 404),
        ("/WS", 404),
        ("/%77s", 404),
        ("/ws%00", 404),
        ("/ws%20", 404),
        ("/ws%3F", 404),
        ("/x/../ws", 404),
        ("/%2e%2e/ws", 404),
        ("/healthz/", 404),
        ("/healthz/../ws", 404),
        ("/rooms", 404),
        ("/Rooms/lobby", 404),
        ("/rooms%2Flobby", 404),
        ("/%72ooms/lobby", 404),
        ("//rooms/lobby", 404),
        ("/rooms\\lobby", 404),
        ("/rooms//lobby", 400),
        ("/rooms/", 400),
        ("/rooms/.", 400),
        ("/rooms/..", 400),
        ("/rooms/%2e", 400),
        ("/rooms/%2E%2e", 400),
        ("/rooms/../ws", 400),
        ("/rooms/..%2Fws", 400),
        ("/rooms/lobby/", 400),
        ("/rooms/a/b", 400),
        ("/rooms/a%2Fb", 400),
        ("/rooms/a%5Cb", 400),
        ("/rooms/a%00", 400),
        ("/rooms/a%0a", 400),
        ("/rooms/a%0d%0ab", 400),
        ("/rooms/a%20b", 400),
        ("/rooms/a+b", 400),
        ("/rooms/%2541", 400),
        ("/rooms/a%", 400),
        ("/rooms/a%4", 400),
        ("/rooms/a%zz", 400),
        ("/rooms/%c3%a9", 400),
        ("/rooms/%c0%ae%c0%ae", 400),
        ("/rooms/%u0061", 400),
        ("/rooms/" + "a" * 165, 400),
        ("/rooms/" + "%61" * 165, 400),
    ],
)
def test_other_path_is_refused(path: str, status: int) -> None:
    with pytest.raises(Refused) as caught:
        route(path)
    assert caught.value.status == status


@settings(deadline=None)
@given(st.text(st.sampled_from("/rooms.%2fFeEwW0aAsz~"), max_size=30))
def test_whatever_is_found_is_a_valid_room_or_an_exact_path(path: str) -> None:
    for attempt in (path, "/rooms/" + path):
        try:
            where = route(attempt)
        except Refused:
            continue
        if where.endpoint is Endpoint.PLAIN:
            assert attempt.startswith("/rooms/")
            assert valid_room(where.room)
        else:
            assert attempt in ("/ws", "/echo", "/healthz")
