"""A small web server for one page and its stream of messages (server-sent events)."""

import ipaddress
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qsl

from same_engines.errors import InvalidInputError

_PAGES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/viewer.js": ("viewer.js", "text/javascript"),
    "/timeline.js": ("timeline.js", "text/javascript"),
    "/viewer.css": ("viewer.css", "text/css"),
    "/three.min.js": ("three.min.js", "text/javascript"),
}
_MOST_PAGES_OPEN = 8
_POLICY: Final = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"


Messages = Callable[[], Iterator[tuple[str, dict[str, Any]]]]


class PageServer:
    """Serves in threads of its own until it is closed.

    ``messages``: what one page is told, each an event's name and content; a nameless one asks only
    whether the page is still there. ``image``: a view's JPEG, None without. ``motion``: a file of
    the poses between two times, by its kind; None where there are none. A server of this
    machine alone refuses requests that name another host, as a page from elsewhere would send.
    Raises ``InvalidInputError`` where the address cannot be had.
    """

    def __init__(
        self,
        host: str,
        port: int,
        messages: Messages,
        image: Callable[[str], bytes | None],
        motion: Callable[[str, int, int], bytes | None],
    ) -> None:
        try:
            self._server = _Server(host, port)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise InvalidInputError(
                f"{host}:{port}: cannot be served on ({why}); choose another host or port"
            ) from None
        self._server.messages, self._server.image = messages, image
        self._server.motion = motion
        self._server.this_machine_only = _is_loopback(host)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._server.server_address[1]}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="same-viewer", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    messages: Messages
    image: Callable[[str], bytes | None]
    motion: Callable[[str, int, int], bytes | None]
    this_machine_only: bool

    def __init__(self, host: str, port: int) -> None:
        self.open_pages = threading.BoundedSemaphore(_MOST_PAGES_OPEN)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def handle_error(self, *_: object) -> None:
        """A page that goes away in the middle of an answer is no error."""


class _Handler(BaseHTTPRequestHandler):
    timeout = 10.0
    server: _Server

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if self.server.this_machine_only and not _is_loopback(self._asked_host()):
            self.send_error(403, "this page is for this machine alone")
        elif path in _PAGES:
            name, kind = _PAGES[path]
            self._answer(kind, files(__package__).joinpath(name).read_bytes())
        elif path == "/events":
            self._stream()
        elif path.startswith("/image/") and path.endswith(".jpg"):
            found = self.server.image(path[len("/image/") : -len(".jpg")])
            self._answer("image/jpeg", found)
        elif path.startswith("/motion."):
            found = self._motion(path[len("/motion.") :], query)
            self._answer("application/octet-stream", found, path[1:])
        else:
            self.send_error(404)

    def _motion(self, kind: str, query: str) -> bytes | None:
        times = dict(parse_qsl(query))
        try:
            from_ns, to_ns = (int(times[name][:20]) for name in ("from", "to"))
        except (KeyError, ValueError):
            return None
        return self.server.motion(kind, from_ns, to_ns)

    def _asked_host(self) -> str:
        host = self.headers.get("Host", "")
        return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]

    def _answer(self, kind: str, content: bytes | None, file_name: str = "") -> None:
        """``file_name``: the content is one to be kept, under this name."""
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        if file_name:
            self.send_header("Content-Disposition", f'attachment; filename="{file_name}"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def _stream(self) -> None:
        if not self.server.open_pages.acquire(blocking=False):
            self.send_error(503, "too many pages are open")
            return
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            for name, content in self.server.messages():
                text = f"event: {name}\ndata: {json.dumps(content)}" if name else ":"
                self.wfile.write(f"{text}\n\n".encode())
        except OSError:
            pass  # the page was closed
        finally:
            self.server.open_pages.release()

    def log_message(self, *_: object) -> None:
        """Requests are nobody's news."""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
