"""What is written in the same transaction as a request's first change: the audit log, and the idempotency key."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cloud.accounts.principal import Principal
from cloud.api.errors import ApiError
from cloud.api.kit import Endpoint, address_of
from cloud.storage import audit, once
from cloud.storage.audit import Entry
from cloud.storage.errors import ConflictError
from cloud.storage.secrets import Secret
from cloud.storage.tenant import TenantStore, TenantTx

MAX_DETAILS: Final = 4000
"""Of JSON; a longer body leaves only the names of its fields."""
MAX_ANSWER: Final = 64 * 1024


class RequestWitness:
    """Of one request of somebody who is known. `actor` of the log is a person or an API key."""

    def __init__(
        self,
        request: Request,
        endpoint: Endpoint,
        principal: Principal,
        arguments: Mapping[str, Any],
        claim: "Claim | None",
    ) -> None:
        self.wrote = False
        """Something is committed that tells of the request."""
        self._request = request
        self._endpoint = endpoint
        self._principal = principal
        self._arguments = arguments
        self._claim = claim
        self._outcome = ""

    async def __call__(self, tx: TenantTx, result: Any) -> None:
        if self.wrote:
            return
        if self._claim is not None:
            await self._claim.take(tx)
        await audit.record(tx, self._entry(result))
        tx.after_commit(self._note)

    async def finish(self, store: TenantStore, *, outcome: str = "") -> None:
        """The request is done: tell of it also when it wrote nothing, such as a command to a printer.

        `outcome`: it may have been done, and why nobody knows.
        """
        self._outcome = outcome
        if not self.wrote:
            await store.write(lambda tx: self(tx, None))

    def _note(self) -> None:
        self.wrote = True

    def _entry(self, result: Any) -> Entry:
        state = self._request.scope.get("state", {})
        return Entry(
            actor=self._principal.actor,
            actor_name=self._principal.name or self._principal.email,
            action=self._endpoint.name,
            object_type=self._endpoint.tag,
            object_id=self._request.path_params.get("id") or _id_of(result),
            details=_details(self._arguments) | ({"outcome": self._outcome} if self._outcome else {}),
            address=address_of(self._request),
            request_id=str(state.get("request_id", "")),
        )


class Claim:
    """An Idempotency-Key, taken by the request that carries it out."""

    def __init__(self, actor: str, key: str, request: Request, body: bytes) -> None:
        self._actor = actor
        self._key = key
        place = f"{request.method} {request.url.path}\n".encode()
        self._fingerprint = hashlib.sha256(place + body).hexdigest()

    async def replay(self, store: TenantStore) -> Response | None:
        """What the same request was answered before; None when it is new. Raises ApiError 409, 422."""
        done = await store.read(lambda tx: once.find(tx, self._actor, self._key))
        if done is None:
            return None
        if done.fingerprint != self._fingerprint:
            raise ApiError(422, "key_reused", "This Idempotency-Key was used for another request: make a new one.")
        if done.status is None or done.answer is None:
            raise _under_way()
        headers = {"cache-control": "no-store", "idempotency-replayed": "true"}
        return Response(done.answer, done.status, headers, "application/json")

    async def take(self, tx: TenantTx) -> None:
        """Raises ApiError 409 when the same request is being carried out by somebody else."""
        try:
            await once.claim(tx, self._actor, self._key, self._fingerprint)
        except ConflictError:
            raise _under_way() from None

    async def answered(self, store: TenantStore, response: Response) -> None:
        answer = bytes(response.body).decode()
        if len(answer) <= MAX_ANSWER:
            await store.write(lambda tx: once.answered(tx, self._actor, self._key, response.status_code, answer))


def _under_way() -> ApiError:
    sentence = "The same request was carried out, or is right now; its answer is not known. Look before you repeat it."
    return ApiError(409, "request_repeated", sentence)


def _id_of(result: Any) -> str:
    """Of what a unit made: a row, a record, or the first of several."""
    if isinstance(result, list | tuple):
        result = result[0] if result else None
    found = result.get("id") if isinstance(result, Mapping) else getattr(result, "id", None)
    return str(found or "")


def _details(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for, without secrets."""
    told = {name: msgspec.to_builtins(value, enc_hook=_mask) for name, value in arguments.items() if name == "body"}
    body = told.get("body")
    if not isinstance(body, dict):
        return {}
    if len(msgspec.json.encode(body)) > MAX_DETAILS:
        return {"fields": sorted(body)}
    return body


def _mask(value: Any) -> str:
    if isinstance(value, Secret):
        return str(value)
    raise TypeError(f"cannot be told in the audit log: {type(value).__name__}")
