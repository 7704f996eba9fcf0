"""The API's description for programs and for people: /api/openapi.json, /api/asyncapi.json and /api/docs."""

import functools
from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cloud.api import openapi
from cloud.api.docs_page import render
from cloud.api.kit import Endpoint
from cloud.live.asyncapi import asyncapi

_FRESH = {"cache-control": "no-cache"}


class Document:
    """Made at its first request: a starting server has more urgent things to do."""

    def __init__(
        self, endpoints: Sequence[Endpoint], old_answers: Sequence[Endpoint], *, version: str, cookie: str
    ) -> None:
        self._endpoints = endpoints
        self._old_answers = old_answers
        self._version = version
        self._cookie = cookie

    def routes(self) -> list[Route]:
        return [
            Route("/api/openapi.json", self._openapi),
            Route("/api/asyncapi.json", self._asyncapi),
            Route("/api/docs", self._docs),
        ]

    async def _openapi(self, _request: Request) -> Response:
        return Response(self._json, 200, _FRESH, "application/json")

    async def _asyncapi(self, _request: Request) -> Response:
        return Response(msgspec.json.encode(asyncapi(self._version, self._cookie)), 200, _FRESH, "application/json")

    async def _docs(self, _request: Request) -> Response:
        return Response(self._page, 200, _FRESH, "text/html; charset=utf-8")

    @functools.cached_property
    def _json(self) -> bytes:
        built = openapi.build(self._endpoints, self._old_answers, version=self._version, cookie=self._cookie)
        return msgspec.json.encode(built)

    @functools.cached_property
    def _page(self) -> str:
        return render(msgspec.json.decode(self._json))
