"""Makes Starlette routes of endpoints. Authentication, origin, role and scope are checked here and nowhere else."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from cloud.accounts import Principal
from cloud.accounts.access import refusal
from cloud.accounts.web import SAFE_METHODS, WebGate
from cloud.api.errors import ApiError, as_api_error, error_response
from cloud.api.kit import Call, Endpoint, idempotency_key
from cloud.api.witness import Claim, RequestWitness
from cloud.errors import DomainError
from cloud.storage.store import Store
from cloud.storage.tenant import TenantStore, TenantTx

log = structlog.get_logger(__name__)

FindId = Callable[[TenantTx, int], Awaitable[str | None]]
UNSURE: Final = 504
"""The printer or its hub did not answer: what was asked for may have happened."""
_NUMBER: Final = re.compile(r"[0-9]{1,9}")


class Router:
    """Of one application."""

    def __init__(
        self,
        store: Store,
        gate: WebGate,
        numbers: Mapping[str, FindId] | None = None,
        old_answers: Sequence[Endpoint] = (),
    ) -> None:
        """`numbers`, by tag: how the id of a thing is found that an old client calls by its number. `old_answers` stand
        in for the endpoint of the same method and path when the API key is one for programs of the old system.
        """
        self._store = store
        self._gate = gate
        self._numbers = dict(numbers or {})
        self._old = {(endpoint.method, endpoint.path): endpoint for endpoint in old_answers}

    def routes(self, endpoints: Sequence[Endpoint]) -> list[Route]:
        """One route a path, and its twin with or without the final slash; fixed paths come before those with names."""
        by_path: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            methods = by_path.setdefault(endpoint.path, {})
            if endpoint.method in methods:
                raise ValueError(f"{endpoint.method} {endpoint.path} is declared twice")
            methods[endpoint.method] = endpoint
        for (method, path), twin in self._old.items():
            if by_path[path][method].need != twin.need:
                raise ValueError(f"{method} {path} takes another role or scope with a key of the old system")
        routes = []
        for path in sorted(by_path, key=lambda path: (path.count("{"), path)):
            old: dict[str, Endpoint] = {method: twin for (method, place), twin in self._old.items() if place == path}
            resource = _Resource(by_path[path], old, self._store, self._gate, self._numbers)
            routes += [Route(path, resource), Route(path[:-1] if path.endswith("/") else path + "/", resource)]
        return routes


class _Resource:
    """The operations of one path, as an ASGI application."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        old: Mapping[str, Endpoint],
        store: Store,
        gate: WebGate,
        numbers: Mapping[str, FindId],
    ) -> None:
        self._endpoints = endpoints
        self._old = old
        self._numbers = numbers
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
        principal = await self._admit(request, endpoint)
        if principal is not None:
            if principal.old_answers:
                endpoint = self._old.get(method, endpoint)
            await self._name_by_id(request, endpoint, TenantStore(self._store, principal.tenant_id))
        arguments, body = await endpoint.read(request)
        if principal is None or endpoint.action == "read":
            return await endpoint.respond(Call(request, principal, self._store), arguments)
        return await self._change(request, endpoint, principal, arguments, body)

    async def _change(
        self, request: Request, endpoint: Endpoint, principal: Principal, arguments: dict[str, Any], body: bytes
    ) -> Response:
        """A request that changes something: in the audit log, and a creation once per Idempotency-Key."""
        key = idempotency_key(request) if endpoint.creates else None
        claim = Claim(principal.actor, key, request, body) if key else None
        store = TenantStore(self._store, principal.tenant_id)
        if claim is not None and (replayed := await claim.replay(store)) is not None:
            return replayed
        witness = RequestWitness(request, endpoint, principal, arguments, claim)
        call = Call(request, principal, self._store, witness)
        try:
            response = await endpoint.respond(call, arguments)
        except DomainError as error:
            if error.status == UNSURE:
                await witness.finish(store, outcome=error.code)
            raise
        await witness.finish(store)
        if claim is not None and call.once:
            await claim.answered(store, response)
        return response

    async def _name_by_id(self, request: Request, endpoint: Endpoint, store: TenantStore) -> None:
        """An id of digits only is a number of the old system's: no id of ours looks like that."""
        find, number = self._numbers.get(endpoint.tag), request.path_params.get("id", "")
        if find is None or not _NUMBER.fullmatch(number):
            return
        found = await store.read(lambda tx: find(tx, int(number)))
        if found is not None:
            request.path_params["id"] = found

    async def _admit(self, request: Request, endpoint: Endpoint) -> Principal | None:
        need = endpoint.need
        if need is None:
            return None
        principal = await self._gate.principal(request)
        if principal is None:
            raise ApiError(401, "unauthenticated", "Log in first.", headers={"www-authenticate": "Bearer"})
        structlog.contextvars.bind_contextvars(tenant=principal.tenant_id, user=principal.user_id)
        refused = refusal(principal, need)
        if refused is not None:
            raise ApiError(403, "forbidden", refused.sentence, details={"needed": refused.needed})
        return principal
