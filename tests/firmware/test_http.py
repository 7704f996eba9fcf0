"""lib/http.py against aiohttp's server, and against servers that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.firmware.micropython import run_code
from tests.firmware.tls_servers import server_context, serving

PRELUDE = """
import asyncio, sys, tls
from lib.http import HttpError, request
from lib.wire import resolve

PORT = int(sys.argv[1])

async def ask(method="GET", path="/", secure=False, limit=1000, limit_ms=4000, **more):
    context = None
    if secure:
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_NONE
    try:
        answer = await request(
            resolve("127.0.0.1", PORT), method, "localhost:%d" % PORT, path, context=context, limit_ms=limit_ms, **more
        )
        try:
            return "%d %r" % (answer.status, await answer.body(limit))
        finally:
            answer.close()
    except HttpError as error:
        return "http: %s" % error
    except EOFError:
        return "end"
    except OSError:
        return "broken"
    except ValueError as error:
        return "refused here: %s" % error
"""


async def micropython(port: int, source: str) -> list[str]:
    finished = await run_code(PRELUDE + source + "\nasyncio.run(main())\n", str(port))
    return finished.out.strip().splitlines()


async def echo(incoming: web.Request) -> web.Response:
    word = incoming.headers.get("X-Word", "")
    return web.json_response({"method": incoming.method, "word": word, "got": await incoming.text()})


async def in_chunks(incoming: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    answer.enable_chunked_encoding()
    await answer.prepare(incoming)
    for number in range(40):
        await answer.write(b"%02d" % number * 10)
    await answer.write_eof()
    return answer


async def nothing(_incoming: web.Request) -> web.Response:
    return web.Response(status=204)


async def large(_incoming: web.Request) -> web.Response:
    return web.Response(body=bytes(range(256)) * 1024)


@asynccontextmanager
async def server(*, secure: bool = False) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_route("*", "/echo", echo)
    app.router.add_get("/chunks", in_chunks)
    app.router.add_get("/nothing", nothing)
    app.router.add_get("/large", large)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context() if secure else None)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("secure", [False, True])
async def test_asks_and_is_answered(secure: bool) -> None:
    program = f"""
async def main():
    print(await ask("POST", "/echo", secure={secure}, json={{"a": "ä"}}, headers=(("X-Word", "yes"),)))
    print(await ask("POST", "/echo", secure={secure}))
    print(await ask(path="/chunks", secure={secure}))
    print(await ask(path="/nothing", secure={secure}))
    print(await ask(path="/missing", secure={secure}))
"""
    async with server(secure=secure) as port:
        posted, empty, chunks, none, missing = await micropython(port, program)
    assert posted.startswith("200 ")
    assert '"word": "yes"' in posted
    assert "\\\\u00e4" in posted or "\\xc3\\xa4" in posted
    assert '"got": ""' in empty
    assert chunks == f"200 {b''.join(b'%02d' % number * 10 for number in range(40))!r}"
    assert none == "204 b''"
    assert missing.startswith("404 ")


async def test_a_large_body_comes_in_pieces() -> None:
    program = """
import hashlib
async def main():
    answer = await request(resolve("127.0.0.1", PORT), "GET", "localhost", "/large")
    view, total, digest = memoryview(bytearray(4096)), 0, hashlib.sha256()
    while True:
        got = await answer.read_into(view)
        if not got:
            break
        total += got
        digest.update(view[:got])
    answer.close()
    from binascii import hexlify
    print(total, hexlify(digest.digest()).decode())
    print(await ask(path="/large", limit=2000))
"""
    import hashlib

    async with server() as port:
        whole, bounded = await micropython(port, program)
    assert whole == f"262144 {hashlib.sha256(bytes(range(256)) * 1024).hexdigest()}"
    assert bounded == "http: the answer is too long"


@pytest.mark.parametrize(
    ("sent", "outcome"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n", "http: not an HTTP answer"),
        (b"HTTP/1.1 20x OK\r\n\r\n", "http: not a number"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 5000, "http: a line is too long"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, "http: a line is too long"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "http: not an HTTP header"),
        (b"HTTP/1.1 200 OK\r\nX: \xff\xfe\r\n\r\n", "http: a header is not text"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", "http: the answer does not say how long it is"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "http: not a number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", "http: not a number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "http: an encoding that is not known here"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "http: not a number"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabc", "end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", "http: a line is too long"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n", "200 b'abc'"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "200 b'ok'"),
        (b"", "end"),
    ],
)
async def test_what_a_strange_server_sends(sent: bytes, outcome: str) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()
        writer.close()

    async with serving(handler) as port:
        assert await micropython(port, "async def main():\n    print(await ask())") == [outcome]


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(handler) as port:
        assert await micropython(port, "async def main():\n    print(await ask(limit_ms=200))") == ["broken"]


async def test_a_body_that_drips_is_given_up_too() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(handler) as port:
        assert await micropython(port, "async def main():\n    print(await ask(limit_ms=300))") == ["broken"]


async def test_no_header_is_smuggled_in() -> None:
    program = """
async def main():
    print(await ask(path="/ HTTP/1.1\\r\\nX: y"))
    print(await ask(headers=(("X", "a\\r\\nY: b"),)))
"""
    async with server() as port:
        assert await micropython(port, program) == ["refused here: line break in a header"] * 2
