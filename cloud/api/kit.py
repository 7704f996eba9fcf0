"""Endpoints, declared: what a handler takes and gives is read from its signature, and is at once what requests are
checked against, what roles are enforced by, and what the OpenAPI document says.

A handler is an async method:

    async def change(self, call: Call, printer_id: Id, body: PrinterPatch) -> PrinterOut

`body` and `query` are msgspec Structs that forbid unknown fields; the other parameters are the named parts of the
path, in its order. It returns a Struct (JSON), None (204), or a Response of its own making. An answer with a `version`
carries it as ETag.
"""

import hashlib
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Literal, get_origin, get_type_hints

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cloud.accounts.access import Action, Area, Need
from cloud.accounts.principal import Principal, Role
from cloud.api.areas import area_of, tag_of
from cloud.api.bodies import decode_json, read_json, read_query
from cloud.api.errors import ApiError
from cloud.storage import ids
from cloud.storage.store import Store
from cloud.storage.tenant import TenantStore, Witness

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Handler = Callable[..., Awaitable[Any]]
PUBLIC: Final = "public"
IDEMPOTENCY_KEY: Final = "idempotency-key"
_KEY: Final = re.compile(r"[A-Za-z0-9_.:-]{8,100}")
_ETAG: Final = re.compile(r'"v(\d{1,9})"')


class Call:
    """One request, with what is known about it."""

    def __init__(
        self, request: Request, principal: Principal | None, store: Store, witness: Witness | None = None
    ) -> None:
        self.request = request
        self.finish: Callable[[Response], None] | None = None
        """What is to be done to the answer once it is made: a cookie, a header."""
        self.once = True
        """The answer may be kept for a repeated request. Not so one that holds a secret."""
        self._principal = principal
        self._store = store
        self._witness = witness

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
        """The database as this caller may see it. What is written through it is in the audit log."""
        return TenantStore(self._store, self.principal.tenant_id, self._witness, self.principal.actor)

    @property
    def address(self) -> str:
        """The caller's network address; a proxy's word for it counts only when the proxy is trusted."""
        return address_of(self.request)

    @property
    def user_agent(self) -> str:
        return self.request.headers.get("user-agent", "")

    @property
    def version(self) -> int | None:
        """The version the caller wants to change, from If-Match; None = whichever it is. Raises ApiError 412."""
        text = self.request.headers.get("if-match", "*").strip()
        if text == "*":
            return None
        match = _ETAG.fullmatch(text.removeprefix("W/"))
        if match is None:
            raise ApiError(412, "stale", "If-Match must repeat the ETag of an earlier answer.")
        return int(match[1])

    @property
    def command_id(self) -> str:
        """Under which a hub carries out what is asked at most once: the same for the same Idempotency-Key."""
        return self.command_id_of("")

    def command_id_of(self, part: str) -> str:
        """The same for one of several commands that a request sends: a hub must not take one for the other."""
        key = idempotency_key(self.request)
        if key is None:
            return ids.new("cmd")
        place = f"{self.tenant_id}\n{self.principal.actor}\n{self.request.url.path}\n{key}\n{part}"
        return f"cmd_{hashlib.sha256(place.encode()).hexdigest()[:20]}"


class Endpoint:
    """One operation on one path."""

    def __init__(
        self,
        method: Method,
        path: str,
        handler: Handler,
        *,
        role: Role | Literal["public"] | None = None,
        area: Area | Literal["person"] | None = None,
        status: int | None = None,
        errors: Sequence[int] = (),
        answers: Mapping[str, Mapping[str, Any]] | None = None,
        form: Mapping[str, Any] | None = None,
        versioned: bool = False,
        command: bool = False,
        body: type[Any] | None = None,
        query: type[Any] | None = None,
        answer: Any = None,
        sorts: Sequence[str] = (),
        summary: str = "",
        deprecated: bool = False,
    ) -> None:
        """By default a viewer may GET, everything else takes an operator.

        `area` is what an API key's scope must name, by default that of the path; "person" = no key will do. `answers`
        replaces the JSON answer by media types and their schemas, `form` describes a multipart body that the handler
        reads itself, `errors` are statuses beyond those every endpoint may give. A `versioned` one heeds If-Match;
        a `command` is done once per Idempotency-Key by the hub, as creations are by the database. `sorts` are what
        `sort` in the query may name. A `deprecated` one is there for clients of the old system only. `body`, `query`,
        `answer` and `summary` are for handlers that are made for many things, whose signature cannot say.
        """
        self.method = method
        self.path = path
        self.handler = handler
        self.tag = tag_of(path)
        self.role: Role | Literal["public"] = role or ("viewer" if method == "GET" else "operator")
        self.action: Action = "read" if method == "GET" else "write"
        self.area: Area | None = None if area == "person" else area or area_of(self.tag, public=role == PUBLIC)
        self.errors = tuple(errors)
        self.answers = answers
        self.form = form
        self.versioned = versioned
        self.command = command
        self.sorts = tuple(sorts)
        self.deprecated = deprecated
        self.documentation = (summary or handler.__doc__ or "").strip()
        self._read_signature(body, query, answer)
        self.status = status or (204 if self.answer is None and answers is None else 200)
        if not self.documentation:
            raise TypeError(f"{handler.__qualname__} needs a docstring: it is its documentation")

    @property
    def name(self) -> str:
        """Of the operation, in the document and in the audit log."""
        return f"{self.tag}_{self.handler.__name__}".replace("-", "_")

    @property
    def need(self) -> Need | None:
        """What calling it takes; None = nothing."""
        return None if self.role == PUBLIC else Need(role=self.role, area=self.area, action=self.action)

    @property
    def creates(self) -> bool:
        """It makes something, once per Idempotency-Key."""
        return self.method == "POST" and self.status == 201 and self.form is None and self.role != PUBLIC

    def _read_signature(self, body: type[Any] | None, query: type[Any] | None, answer: Any) -> None:
        hints = get_type_hints(self.handler, include_extras=True)
        returned = answer or hints.pop("return")
        hints.pop("return", None)
        self.answer: Any = None if returned is type(None) else returned
        self.body: type[Any] | None = body or hints.pop("body", None)
        self.query: type[Any] | None = query or hints.pop("query", None)
        taken = {"body", "query"}
        names = [name for name in inspect.signature(self.handler).parameters if name in hints and name not in taken][1:]
        parts = re.findall(r"\{(\w+)", self.path)
        if len(names) != len(parts):
            raise TypeError(f"{self.handler.__qualname__}: parameters {names} do not go with {self.path}")
        self.path_types = {part: hints[name] for part, name in zip(parts, names, strict=True)}
        self._arguments = dict(zip(parts, names, strict=True))
        for shape in (self.body, self.query):
            declared: Any = get_origin(shape) or shape
            if shape is not None and not declared.__struct_config__.forbid_unknown_fields:
                raise TypeError(f"{shape.__name__} must forbid unknown fields")

    async def read(self, request: Request) -> tuple[dict[str, Any], bytes]:
        """The handler's arguments, and the bytes of the JSON body. Raises ApiError."""
        arguments: dict[str, Any] = self._path_arguments(request)
        data = b""
        if self.query is not None:
            arguments["query"] = read_query(request, self.query)
        if self.body is not None:
            data = await read_json(request)
            arguments["body"] = decode_json(data, self.body)
        return arguments, data

    async def respond(self, call: Call, arguments: Mapping[str, Any]) -> Response:
        if "if-match" in call.request.headers and not self.versioned:
            raise ApiError(412, "no_versions", "This operation knows no versions: leave If-Match out.")
        result = await self.handler(call, **arguments)
        response = result if isinstance(result, Response) else self._encoded(result)
        if call.finish is not None:
            call.finish(response)
        return response

    def _encoded(self, result: Any) -> Response:
        headers = {"cache-control": "no-store"}
        if result is None:
            return Response(status_code=self.status, headers=headers)
        version = getattr(result, "version", None)
        if isinstance(version, int):
            headers["etag"] = f'"v{version}"'
        return Response(msgspec.json.encode(result), self.status, headers, "application/json")

    def _path_arguments(self, request: Request) -> dict[str, Any]:
        if any("\0" in part for part in request.path_params.values()):
            raise ApiError(404, "not_found", "There is nothing here.")
        try:
            return {
                self._arguments[part]: msgspec.convert(request.path_params[part], kind, strict=False)
                for part, kind in self.path_types.items()
            }
        except msgspec.ValidationError:
            raise ApiError(404, "not_found", "There is nothing here.") from None


def idempotency_key(request: Request) -> str | None:
    """The request's key. Raises ApiError 422 on one that is none."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not _KEY.fullmatch(key):
        raise ApiError(422, "invalid", "An Idempotency-Key has 8 to 100 characters of A-Z, a-z, 0-9 and _ . : -")
    return key


def address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"
