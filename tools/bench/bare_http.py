"""A Starlette application with one handler and nothing else, served as the cloud is: what HTTP itself costs here."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tools.farm.cloud import free_port

READY = "BARE READY"


@contextlib.asynccontextmanager
async def serving(body: bytes) -> AsyncIterator[str]:
    """In a process of its own; the address. It answers every request with `body`."""
    port = free_port()
    program = ("-c", "from tools.bench.bare_http import main; main()", str(port))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(body)
        process.stdin.write_eof()
        async with asyncio.timeout(20):
            while READY not in (await process.stdout.readline()).decode():
                pass
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


def main() -> None:
    """The process: body from standard input, port from the last argument."""
    body = sys.stdin.buffer.read()

    async def answer(request: Request) -> Response:
        await request.body()
        return Response(body, media_type="application/json")

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
            await super().startup(None)
            print(READY, flush=True)

    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST", "PATCH"])])
    config = uvicorn.Config(
        app, port=int(sys.argv[-1]), loop="uvloop", http="httptools", log_config=None, access_log=False
    )
    Server(config).run()
