"""A local web server for tests, which serves files and records the requests."""

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Web:
    """The files of a server and the requests that it received.

    Attributes
    ----------
    files
        Contents by path. The page of a folder has links to the files below it.
    host
        Host and port, such as ``127.0.0.1:8000``.
    seen
        Method, path and query of each request.
    users
        The Authorization header of each request.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.host = ""
        self.seen: list[str] = []
        self.users: list[str | None] = []

    def content(self, path: str) -> bytes | None:
        """Return the content of a file, or the page of a folder."""
        below = [name for name in self.files if name.startswith(path)]
        if path.endswith("/") and below:
            return "".join(f'<a href="{name[len(path) :]}">x</a>' for name in below).encode()
        return self.files.get(path)


@contextlib.contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Web]:
    """Serve files within the context."""
    web = Web(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.seen.append(f"{self.command} {self.path}")
            web.users.append(self.headers.get("Authorization"))
            content = web.content(self.path.partition("?")[0])
            if content is None:
                self.send_error(404)
                return
            byte_range = re.match(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
            first, last = 0, len(content) - 1
            if byte_range and byte_range[1]:
                first, last = int(byte_range[1]), min(int(byte_range[2] or last), last)
            elif byte_range:
                first = len(content) - int(byte_range[2])
            self.send_response(206 if byte_range else 200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(last + 1 - first))
            self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "x/x")
            self.send_header("ETag", hashlib.sha256(content).hexdigest()[:16])
            if byte_range:
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content[first : last + 1])

        do_HEAD = do_GET

        def log_message(self, format: str, *arguments: object) -> None:
            """Do not log requests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        web.host = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()
