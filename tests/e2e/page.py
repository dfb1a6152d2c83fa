"""A browser for end-to-end tests: Debian's chromium, its tabs, and a site for them."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
PATIENCE_MS = 10_000

# What a page of somebody's application does, and nothing of ours: sockets by name, and
# all that they hear, in order.
HTML = b"""<!doctype html><meta charset="utf-8"><title>A page</title>
<script>
const sockets = {};
function listen(name, url, protocols) {
  const socket = new WebSocket(url, protocols);
  const tell = (event) => { socket.heard.push(event); socket.wake?.(); };
  sockets[name] = Object.assign(socket, {heard: [], binaryType: "arraybuffer"});
  socket.onopen = () => tell({open: socket.protocol});
  socket.onmessage = ({data}) => tell(typeof data === "string"
    ? {text: data} : {binary: Array.from(new Uint8Array(data))});
  socket.onclose = ({code, reason, wasClean}) => tell({code, reason, wasClean});
}
async function hear(name, patience) {
  const socket = sockets[name], end = Date.now() + patience;
  while (!socket.heard.length) {
    if (Date.now() > end) throw new Error(name + " heard nothing");
    await new Promise((wake) => { socket.wake = wake; setTimeout(wake, patience); });
  }
  return socket.heard.shift();
}
function hang() {  // Blocks the whole tab, as a long computation would.
  const request = new XMLHttpRequest();
  request.open("GET", "/hang", false);
  request.send();
}
</script>"""


class Site:
    """An HTTP server with one page; a page may hang on it until it is let go.

    The page has two origins: `http://127.0.0.1:port` and `http://localhost:port`.
    """

    def __init__(self) -> None:
        self.hanging = threading.Event()
        self.let_go = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/hang":
                    site.hanging.set()
                    site.let_go.wait(60)
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(HTML)))
                self.end_headers()
                self.wfile.write(HTML)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self.server.server_address[1]

    def origin(self, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}"


@contextmanager
def open_site() -> Iterator[Site]:
    """Serve a site from a thread."""
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield site
    finally:
        site.let_go.set()
        site.server.shutdown()
        site.server.server_close()
        thread.join()


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the system's chromium; without one skip, in CI fail."""
    chromium = shutil.which("chromium")
    if chromium is None:
        lack = "no chromium here: `make system` as root installs it"
        if os.environ.get("CI"):
            pytest.fail(lack)
        pytest.skip(lack)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Socket:
    """A WebSocket of a tab."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name

    def hear(self) -> dict[str, Any]:
        """Return the next event: opened, a message or closed."""
        heard: dict[str, Any] = self.page.evaluate(
            "([name, patience]) => hear(name, patience)", [self.name, PATIENCE_MS]
        )
        return heard

    def hear_text(self) -> str:
        text: str = self.hear()["text"]
        return text

    def hear_binary(self) -> bytes:
        return bytes(self.hear()["binary"])

    def send(self, data: str | bytes) -> None:
        """Send text as it is, bytes as an ArrayBuffer."""
        self.page.evaluate(
            """([name, data]) => sockets[name].send(
                typeof data === "string" ? data : new Uint8Array(data).buffer)""",
            [self.name, data if isinstance(data, str) else list(data)],
        )

    def close(self, code: int, reason: str) -> None:
        self.page.evaluate(
            "([name, ...why]) => sockets[name].close(...why)", [self.name, code, reason]
        )


class Tab:
    """A tab of the browser, with the page of a site."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.page = browser.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.goto(url)
        self._made = 0

    def open(self, url: str, *protocols: str) -> Socket:
        """Do `new WebSocket(url, protocols)`; do not wait for it."""
        self._made += 1
        name = f"socket {self._made}"
        self.page.evaluate("(given) => listen(...given)", [name, url, list(protocols)])
        return Socket(self.page, name)

    def join(self, url: str) -> Socket:
        """Open a socket without a subprotocol, and wait until it is open."""
        made = self.open(url)
        assert made.hear() == {"open": ""}
        return made

    def hang(self) -> None:
        """Block the tab until its site lets it go."""
        self.page.evaluate("() => { setTimeout(hang, 0); }")
