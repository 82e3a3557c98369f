"""A web server on this machine, for tests: it has some files, and notes what it is asked for."""

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Web:
    """What a server has, and what it was asked for.

    Attributes
    ----------
    files
        Contents by path; a path that is a folder shows links to those below.
    host
        Where it listens: ``127.0.0.1:8000``.
    seen
        Method and path of each request, with its query.
    users
        The Authorization header of each request.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.host = ""
        self.seen: list[str] = []
        self.users: list[str | None] = []

    def content(self, path: str) -> bytes | None:
        """Return a file, or the page of a folder."""
        below = [name for name in self.files if name.startswith(path)]
        if path.endswith("/") and below:
            return "".join(f'<a href="{name[len(path) :]}">x</a>' for name in below).encode()
        return self.files.get(path)


@contextlib.contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Web]:
    """Serve some files while the context lasts."""
    web = Web(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.seen.append(f"{self.command} {self.path}")
            web.users.append(self.headers.get("Authorization"))
            content = web.content(self.path.partition("?")[0])
            if content is None:
                self.send_error(404)
                return
            asked = re.match(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
            first, last = 0, len(content) - 1
            if asked and asked[1]:
                first, last = int(asked[1]), min(int(asked[2] or last), last)
            elif asked:
                first = len(content) - int(asked[2])
            self.send_response(206 if asked else 200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(last + 1 - first))
            self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "x/x")
            self.send_header("ETag", hashlib.sha256(content).hexdigest()[:16])
            if asked:
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content[first : last + 1])

        do_HEAD = do_GET

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        web.host = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()
