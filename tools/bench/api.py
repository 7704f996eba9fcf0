"""api: requests a second of the main reads and writes, beside a Starlette handler that only answers the same bytes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from tools.bench import bare_http
from tools.bench.figures import Report, median
from tools.bench.terms import CLOUD_SETTINGS, Terms
from tools.farm.client import Client
from tools.farm.cloud import CloudProcess
from tools.postgres import PostgresServer

NAME = "api"
AT_ONCE = 16
ROUNDS, QUICK_ROUNDS = 5, 1
REQUESTS, QUICK_REQUESTS = 1500, 60
ROWS = 200
EMAIL, PASSWORD = "bench@example.com", "a long enough password"

Body = Callable[[int], dict[str, Any] | None]


async def run(terms: Terms) -> Report:
    """On SQLite, then on PostgreSQL; measured and bare in turn, so that a busy moment is shared."""
    report = Report(NAME, f"requests a second, {AT_ONCE} at once, on one core for the cloud")
    async with _cloud(terms, "sqlite", {}) as api:
        await _measure(report, "SQLite", api, terms)
    with PostgresServer.start() as server:
        settings = {"PRINTFARM_DATABASE_URL": server.create("bench")}
        async with _cloud(terms, "postgres", settings) as api:
            await _measure(report, "PostgreSQL", api, terms)
    report.bounds = [
        f"{ROWS} rows in the table; a list answers 50 of them. Median of rounds that alternate with the bare ones.",
        "Bare reads the request's body and answers as many bytes as the product does. The product also checks login, "
        "the role and the request, asks the database, and on a write keeps the audit log in the same transaction.",
        "The load comes from one process of aiohttp on the other core, and is the same for both.",
    ]
    return report


@contextlib.asynccontextmanager
async def _cloud(terms: Terms, name: str, settings: dict[str, str]) -> AsyncIterator[Client]:
    cloud = CloudProcess(terms.folder / name, EMAIL, PASSWORD, settings={**CLOUD_SETTINGS, **settings})
    await cloud.start()
    try:
        async with Client(cloud.url) as api:
            await api.login(EMAIL, PASSWORD)
            yield api
    finally:
        await cloud.stop()


async def _measure(report: Report, database: str, api: Client, terms: Terms) -> None:
    path = "/api/color-presets/"
    rows = [await api.post(path, _preset(number)) for number in range(ROWS)]
    one = path + rows[0]["id"]
    kinds: tuple[tuple[str, str, str, Body], ...] = (
        ("read one", "GET", one, lambda _: None),
        ("list of 50", "GET", f"{path}?limit=50", lambda _: None),
        ("printers", "GET", "/api/printers/", lambda _: None),
        ("change one", "PATCH", one, lambda number: {"is_active": bool(number % 2)}),
        ("create", "POST", path, lambda number: _preset(ROWS + number)),
    )
    made = 0
    for what, method, where, body in kinds:
        answer = await api.request(method, where, json=body(made)) if method != "POST" else rows[0]
        size = len(str(answer)) + 2
        ours, bare = [], []
        async with bare_http.serving(b'"' + b"x" * size + b'"') as address:
            for _ in range(QUICK_ROUNDS if terms.quick else ROUNDS):
                count = QUICK_REQUESTS if terms.quick else REQUESTS
                bodies = [body(made + number) for number in range(count)]
                ours.append(await _rate(api.url, where, method, bodies, token=api.token))
                bare.append(await _rate(address, where, method, bodies))
                made += count
        report.add(f"{database}: {what}", median(ours), "/s", bare=median(bare))


def _preset(number: int) -> dict[str, Any]:
    return {"color_name": f"Colour {number}", "hex_code": "#1f8b4c", "filament_type": "PLA"}


async def _rate(base: str, path: str, method: str, bodies: list[Any], *, token: str = "") -> float:
    """Requests a second; every one must succeed."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    waiting = iter(bodies)
    async with aiohttp.ClientSession(base, headers=headers, connector=aiohttp.TCPConnector(limit=AT_ONCE)) as http:

        async def worker() -> None:
            for body in waiting:
                async with http.request(method, path, json=body) as answer:
                    await answer.read()
                    answer.raise_for_status()

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
        return len(bodies) / (time.perf_counter() - began)
