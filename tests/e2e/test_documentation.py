"""What README and docs show happens as they show it."""

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Cluster
from tests.e2e.page import open_browser
from tests.e2e.people import Native, plain

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def blocks(page: str, language: str = "") -> list[str]:
    """Return the fenced blocks of one language of a page."""
    text = (ROOT / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def without_names(event: dict[str, Any]) -> dict[str, Any]:
    """Replace names that differ from run to run."""
    return {k: ... if k in ("connection", "from") else v for k, v in event.items()}


def test_first_conversation_in_two_tabs(cluster: Cluster) -> None:
    cluster.start("--workers", "2")
    (snippet,) = blocks("README.md", "js")
    with open_browser() as browser:
        tabs = [browser.new_page() for _ in range(2)]
        for tab in tabs:
            tab.goto(f"http://127.0.0.1:{cluster.port}/healthz")
            # A function, because evaluate would call what the last line returns.
            tab.evaluate(f"() => {{ {snippet} }}")
            tab.wait_for_function("() => ws.readyState === WebSocket.OPEN")
        with tabs[1].expect_console_message() as heard:
            tabs[0].evaluate('() => ws.send("hello")')
        assert heard.value.text == "hello"
        with tabs[0].expect_console_message() as heard:
            assert cluster.run("publish", "lobby", "from a terminal").returncode == 0
        assert heard.value.text == "from a terminal"
        with tabs[0].expect_console_message() as heard:
            assert cluster.run("stop").returncode == 0
        assert heard.value.text == "closed 1001 server going away"


def test_documented_exchange(cluster: Cluster) -> None:
    cluster.start("--workers", "2")
    others = [plain(cluster.url("/rooms/lobby")) for _ in range(2)]
    (block,) = [text for text in blocks("docs/wire.md") if "welcome" in text]
    session = Native(cluster.url("/ws"))
    answers = [session.welcome]
    for line in block.splitlines():
        arrow, text = line.split(" ", 1)
        shown = json.loads(text)
        if arrow == "→":
            session.socket.send(text)
            continue
        if shown["type"] == "message":
            others[0].send(shown["data"])
        answer = answers.pop() if answers else session.receive()
        assert without_names(answer) == without_names(shown), line
        # What is shown is also how it is written.
        assert json.dumps(shown, separators=(",", ":"), ensure_ascii=False) == text


def test_documented_refusal(cluster: Cluster) -> None:
    cluster.start("--workers", "1")
    (block,) = [text for text in blocks("docs/wire.md") if "curl" in text]
    command, shown = block.split("\n", 1)
    path = command.split(":8080")[1]
    with socket.create_connection(("127.0.0.1", cluster.port), 5) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        with client.makefile("rb") as answer:
            assert answer.read().decode().replace("\r", "") == shown
