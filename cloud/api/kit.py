"""Endpoints, declared: what a handler takes and gives is read from its signature, and is at once what requests are
checked against, what roles are enforced by, and what the OpenAPI document says.

A handler is an async method:

    async def change(self, call: Call, printer_id: Id, body: PrinterPatch) -> PrinterOut

`body` and `query` are msgspec Structs that forbid unknown fields; the other parameters are the named parts of the
path, in its order. It returns a Struct (JSON), None (204), or a Response of its own making.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Literal, get_type_hints

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from cloud.accounts import Principal, Role, allows
from cloud.accounts.web import SAFE_METHODS, WebGate
from cloud.api.bodies import read_json, read_query
from cloud.api.errors import ApiError, as_api_error, error_response
from cloud.storage.store import Store
from cloud.storage.tenant import TenantStore

log = structlog.get_logger(__name__)

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Handler = Callable[..., Awaitable[Any]]
PUBLIC: Final = "public"


class Call:
    """One request, with what is known about it."""

    def __init__(self, request: Request, principal: Principal | None, store: Store) -> None:
        self.request = request
        self.finish: Callable[[Response], None] | None = None
        """What is to be done to the answer once it is made: a cookie, a header."""
        self._principal = principal
        self._store = store

    @property
    def principal(self) -> Principal:
        """Who asks; only public endpoints are called without somebody."""
        if self._principal is None:
            raise ApiError(401, "unauthenticated", "Log in first.")
        return self._principal

    @property
    def tenant_id(self) -> str:
        return self.principal.tenant_id

    @property
    def store(self) -> TenantStore:
        """The database as this caller may see it."""
        return TenantStore(self._store, self.principal.tenant_id)

    @property
    def address(self) -> str:
        """The caller's network address; a proxy's word for it counts only when the proxy is trusted."""
        return self.request.client.host if self.request.client else "unknown"

    @property
    def user_agent(self) -> str:
        return self.request.headers.get("user-agent", "")


class Endpoint:
    """One operation on one path."""

    def __init__(
        self,
        method: Method,
        path: str,
        handler: Handler,
        *,
        role: Role | Literal["public"] | None = None,
        status: int | None = None,
        errors: Sequence[int] = (),
        answers: Mapping[str, Mapping[str, Any]] | None = None,
        form: Mapping[str, Any] | None = None,
    ) -> None:
        """By default a viewer may GET, everything else takes an operator.

        `answers` replaces the JSON answer by media types and their schemas, `form` describes a multipart body that
        the handler reads itself, `errors` are statuses beyond those every endpoint may give.
        """
        self.method = method
        self.path = path
        self.handler = handler
        self.role: Role | Literal["public"] = role or ("viewer" if method == "GET" else "operator")
        self.errors = tuple(errors)
        self.answers = answers
        self.form = form
        self._read_signature()
        self.status = status or (204 if self.answer is None and answers is None else 200)
        if not (handler.__doc__ or "").strip():
            raise TypeError(f"{handler.__qualname__} needs a docstring: it is its documentation")

    def _read_signature(self) -> None:
        hints = get_type_hints(self.handler, include_extras=True)
        returned = hints.pop("return")
        self.answer: Any = None if returned is type(None) else returned
        self.body: type[Any] | None = hints.pop("body", None)
        self.query: type[Any] | None = hints.pop("query", None)
        names = [name for name in inspect.signature(self.handler).parameters if name in hints][1:]  # after the call
        parts = re.findall(r"\{(\w+)", self.path)
        if len(names) != len(parts):
            raise TypeError(f"{self.handler.__qualname__}: parameters {names} do not go with {self.path}")
        self.path_types = {part: hints[name] for part, name in zip(parts, names, strict=True)}
        self._arguments = dict(zip(parts, names, strict=True))
        for shape in (self.body, self.query):
            if shape is not None and not shape.__struct_config__.forbid_unknown_fields:
                raise TypeError(f"{shape.__name__} must forbid unknown fields")

    async def respond(self, request: Request, principal: Principal | None, store: Store) -> Response:
        arguments: dict[str, Any] = self._path_arguments(request)
        if self.query is not None:
            arguments["query"] = read_query(request, self.query)
        if self.body is not None:
            arguments["body"] = await read_json(request, self.body)
        call = Call(request, principal, store)
        result = await self.handler(call, **arguments)
        response = result if isinstance(result, Response) else self._encoded(result)
        if call.finish is not None:
            call.finish(response)
        return response

    def _encoded(self, result: Any) -> Response:
        headers = {"cache-control": "no-store"}
        if result is None:
            return Response(status_code=self.status, headers=headers)
        return Response(msgspec.json.encode(result), self.status, headers, "application/json")

    def _path_arguments(self, request: Request) -> dict[str, Any]:
        try:
            return {
                self._arguments[part]: msgspec.convert(request.path_params[part], kind, strict=False)
                for part, kind in self.path_types.items()
            }
        except msgspec.ValidationError:
            raise ApiError(404, "not_found", "There is nothing here.") from None


class Router:
    """Makes Starlette routes of endpoints. Authentication, origin and role are checked here and nowhere else."""

    def __init__(self, store: Store, gate: WebGate) -> None:
        self._store = store
        self._gate = gate

    def routes(self, endpoints: Sequence[Endpoint]) -> list[Route]:
        """One route a path, and its twin with or without the final slash; fixed paths come before those with names."""
        by_path: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            methods = by_path.setdefault(endpoint.path, {})
            if endpoint.method in methods:
                raise ValueError(f"{endpoint.method} {endpoint.path} is declared twice")
            methods[endpoint.method] = endpoint
        routes = []
        for path in sorted(by_path, key=lambda path: (path.count("{"), path)):
            resource = _Resource(by_path[path], self._store, self._gate)
            routes += [Route(path, resource), Route(path[:-1] if path.endswith("/") else path + "/", resource)]
        return routes


class _Resource:
    """The operations of one path, as an ASGI application."""

    def __init__(self, endpoints: Mapping[str, Endpoint], store: Store, gate: WebGate) -> None:
        self._endpoints = endpoints
        self._store = store
        self._gate = gate
        allowed = set(endpoints) | ({"HEAD"} if "GET" in endpoints else set())
        self._allow = ", ".join(sorted(allowed))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            log.info("the client went away before its request was complete")
            return
        except Exception as error:
            known = as_api_error(error)
            if known is None:
                raise
            response = error_response(known)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        endpoint = self._endpoints.get(method)
        if endpoint is None:
            raise ApiError(405, "method_not_allowed", "This cannot be done here.", headers={"allow": self._allow})
        if method not in SAFE_METHODS and not self._gate.origin_allowed(request):
            raise ApiError(403, "foreign_origin", "This request comes from a page that may not make it.")
        return await endpoint.respond(request, await self._admit(request, endpoint), self._store)

    async def _admit(self, request: Request, endpoint: Endpoint) -> Principal | None:
        if endpoint.role == PUBLIC:
            return None
        principal = await self._gate.principal(request)
        if principal is None:
            raise ApiError(401, "unauthenticated", "Log in first.", headers={"www-authenticate": "Bearer"})
        structlog.contextvars.bind_contextvars(tenant=principal.tenant_id, user=principal.user_id)
        needed: Role = endpoint.role
        if not allows(principal.role, needed):
            raise ApiError(
                403,
                "forbidden",
                f"This takes the role {needed}; yours is {principal.role}.",
                details={"needed": needed},
            )
        return principal
