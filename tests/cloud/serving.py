"""The real uvicorn server on a free port, in the test's own event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from cloud.sockets import SocketProtocol


class Server(uvicorn.Server):
    """Uvicorn without its signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are the test runner's


def listening() -> socket.socket:
    """A free port of the loopback interface, for a server in this process.

    asyncio sends at once only on sockets that name the protocol; on others the body of an answer, which is written
    after the head, waits 40 ms for the client's acknowledgement. (uvloop, which the product runs on, always does.)
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    return listener


@asynccontextmanager
async def serving(routes: Sequence[BaseRoute], *, ws: type[asyncio.Protocol] = SocketProtocol) -> AsyncIterator[int]:
    """Serve routes as the product does; gives the port."""
    config = uvicorn.Config(
        Starlette(routes=list(routes)),
        ws=ws,
        ws_max_size=64 * 1024,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=2,
    )
    server = Server(config)
    listener = listening()
    serving = asyncio.create_task(server.serve([listener]))
    try:
        async with asyncio.timeout(10):
            while not server.started:
                await asyncio.sleep(0.005)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving
        listener.close()


def deaf_socket(port: int) -> socket.socket:
    """A connection with the smallest receive buffer the system gives, for a peer that will not read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    return sock
