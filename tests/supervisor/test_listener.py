"""The listening socket and the file limit."""

import resource
import socket

import pytest

from hubbub.supervisor.listener import authority, open_listener, raise_file_limit
from hubbub.supervisor.refusal import Refusal

BUFFER = 64 * 1024


def test_listener_takes_any_free_port_and_its_options_are_inherited() -> None:
    with open_listener("127.0.0.1", 0, BUFFER) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        assert not listener.getblocking()
        with socket.create_connection(("127.0.0.1", port)):
            listener.settimeout(5)
            accepted, _ = listener.accept()
            with accepted:
                nodelay = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                sndbuf = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        assert nodelay == 1
        assert sndbuf == 2 * BUFFER  # the kernel doubles it for its own use


def test_listener_takes_names_and_ipv6() -> None:
    open_listener("localhost", 0, BUFFER).close()
    if socket.has_ipv6:
        try:
            listener = open_listener("::1", 0, BUFFER)
        except Refusal:
            pytest.skip("no IPv6 loopback here")
        assert listener.family is socket.AF_INET6
        listener.close()


def test_port_in_use_is_one_sentence() -> None:
    with open_listener("127.0.0.1", 0, BUFFER) as one:
        port = one.getsockname()[1]
        with pytest.raises(Refusal, match=rf"^127\.0\.0\.1:{port} is in use"):
            open_listener("127.0.0.1", port, BUFFER)


def test_port_of_a_predecessor_is_tried_until_it_is_free() -> None:
    holder = open_listener("127.0.0.1", 0, BUFFER)
    port = holder.getsockname()[1]
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        if len(waits) == 3:
            holder.close()
        return False

    with open_listener("127.0.0.1", port, BUFFER, patience=60, wait=wait) as listener:
        assert listener.getsockname()[1] == port
    assert len(waits) == 3


def test_waiting_for_a_port_ends_when_somebody_wants_us_to_stop() -> None:
    with open_listener("127.0.0.1", 0, BUFFER) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(Refusal, match="in use"):
            open_listener(
                "127.0.0.1", port, BUFFER, patience=60, wait=lambda seconds: True
            )


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("192.0.2.1", "192.0.2.1 is not an address of this machine"),
        ("not an address", "is not an address"),
    ],
)
def test_wrong_host_is_one_sentence(host: str, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        open_listener(host, 0, BUFFER)


def test_authority_puts_brackets_around_ipv6() -> None:
    assert authority("::1", 80) == "[::1]:80"
    assert authority("localhost", 80) == "localhost:80"


def test_soft_file_limit_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        limit = raise_file_limit(2)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (limit, hard)
        assert limit in (hard, 256)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_file_limit_that_is_too_low_is_refused() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("there is no limit here")
    workers = hard // 32
    with pytest.raises(Refusal, match=f"too low for {workers} workers"):
        raise_file_limit(workers)
