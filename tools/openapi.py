"""`python -m tools.openapi FILE`: write the API's OpenAPI document, as a fresh installation answers it."""

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog
from starlette.types import Message, Scope

from cloud.app import create_app
from cloud.settings import Settings

PATH = "/api/openapi.json"


async def document(folder: Path) -> bytes:
    """What a new installation in `folder` answers at /api/openapi.json."""
    app = create_app(Settings(data_dir=folder))
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
    }
    status, body = 0, bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        body.extend(message.get("body", b""))

    async with app.router.lifespan_context(app):
        await app(scope, receive, send)
    if status != 200:
        raise RuntimeError(f"{PATH} answered {status}")
    return bytes(body)


def main() -> None:
    """Write the document to the file named by the only argument."""
    # The first start logs a set-up link, of no use to anybody here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        target.write_bytes(asyncio.run(document(Path(folder))))


if __name__ == "__main__":
    main()
