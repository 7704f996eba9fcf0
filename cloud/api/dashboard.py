"""The dashboard's built files; the pairing page; and the dashboard's page for every address that is not a file."""

import mimetypes
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from cloud.api.errors import ApiError, error_response

IMMUTABLE: Final = "public, max-age=31536000, immutable"
FRESH: Final = "no-cache"
_ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}
_TYPES: Final = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml"}
PAGES: Final = {"/": "/index.html", "/p": "/pair.html"}
"""Addresses with a page of their own; every other one that is no file has the dashboard's."""

# The pairing page knows the secret of a hub's label: only our own files run there, and nothing is sent elsewhere.
PAIRING_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_POLICIES: Final = {"/pair.html": {"content-security-policy": PAIRING_POLICY}}


class Dashboard:
    """An ASGI application. The files are listed once, at the start: no request can name another."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            "/" + path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.is_file() and not path.name.startswith(".") and ".vite" not in path.parts
        }
        self._index = self._files.get("/index.html")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._respond(Request(scope)).__call__(scope, receive, send)

    def _respond(self, request: Request) -> Response:
        path = PAGES.get(request.url.path, request.url.path)
        if request.method not in ("GET", "HEAD"):
            return _refused(405, "method_not_allowed", "This cannot be done here.")
        if path.startswith(("/api/", "/hub/")):
            return _refused(404, "not_found", "There is nothing here.")
        file = self._files.get(path)
        if file is not None:
            return self._file(request, path, file)
        if self._index is None:
            return _refused(
                404, "no_dashboard", "The dashboard is not built. The API is described at /api/openapi.json."
            )
        if "." in path.rsplit("/", 1)[-1]:
            return _refused(404, "not_found", "There is no such file.")
        return self._file(request, "/index.html", self._index)

    def _file(self, request: Request, path: str, file: Path) -> Response:
        headers = {"cache-control": IMMUTABLE if path.startswith("/assets/") else FRESH, "vary": "accept-encoding"}
        headers |= _POLICIES.get(path, {})
        kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        accepted = request.headers.get("accept-encoding", "")
        for encoding, ending in _ENCODINGS.items():
            packed = self._files.get(path + ending)
            if packed is not None and encoding in accepted:
                return FileResponse(packed, headers={**headers, "content-encoding": encoding}, media_type=kind)
        return FileResponse(file, headers=headers, media_type=kind)


def _refused(status: int, code: str, sentence: str) -> Response:
    return error_response(ApiError(status, code, sentence))
