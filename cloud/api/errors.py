"""The one shape of errors, and what becomes of exceptions on their way out. Nothing internal leaks."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cloud.accounts.errors import BadCredentialsError, BadLinkError, BusyError, TooManyAttemptsError, WeakPasswordError
from cloud.errors import DomainError
from cloud.storage.errors import ConflictError, StaleError, StoreClosedError, UnavailableError

log = structlog.get_logger(__name__)


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong: a code for programs, a sentence for people."""

    code: str
    message: str
    details: dict[str, Any] = {}


class ErrorOut(msgspec.Struct, frozen=True):
    """Every error answer."""

    error: ErrorBody


class ApiError(Exception):
    """An answer other than success."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, code)
        self.status = status
        self.body = ErrorBody(code, message, dict(details or {}))
        self.headers = dict(headers or {})


def not_found(what: str) -> ApiError:
    """No such thing, or one of another tenant: the same answer."""
    return ApiError(404, "not_found", f"There is no such {what}.")


def error_response(error: ApiError) -> Response:
    return Response(
        msgspec.json.encode(ErrorOut(error.body)),
        error.status,
        {"cache-control": "no-store", **error.headers},
        "application/json",
    )


def as_api_error(error: Exception) -> ApiError | None:
    """The answer an exception becomes; None when it is a fault of ours."""
    if isinstance(error, ApiError):
        return error
    for kind, convert in _KNOWN.items():
        if isinstance(error, kind):
            return convert(error)
    return None


def _too_many(error: TooManyAttemptsError) -> ApiError:
    seconds = max(1, math.ceil(error.seconds))
    return ApiError(
        429,
        "too_many_attempts",
        f"Too many attempts. Wait {seconds} s before the next one.",
        details={"retry_after": seconds},
        headers={"retry-after": str(seconds)},
    )


def _not_now(error: Exception) -> ApiError:
    log.warning("refused for now", reason=repr(error))
    return ApiError(503, "unavailable", "The server cannot do this right now. Try again.", headers={"retry-after": "2"})


def _conflict(error: ConflictError) -> ApiError:
    fields = sorted(error.columns - {"tenant_id"})
    return ApiError(409, "conflict", "This contradicts what is stored already.", details={"fields": fields})


def _stale(error: StaleError) -> ApiError:
    sentence = "Somebody has changed this meanwhile. Load it again and repeat your change."
    return ApiError(412, "stale", sentence, details={"version": error.version})


def _from_starlette(error: HTTPException) -> ApiError:
    codes = {404: ("not_found", "There is nothing here."), 405: ("method_not_allowed", "This cannot be done here.")}
    code, message = codes.get(error.status_code, ("error", "The request was refused."))
    return ApiError(error.status_code, code, message, headers=error.headers)


_KNOWN: Final[dict[type[Exception], Callable[[Any], ApiError]]] = {
    DomainError: lambda error: ApiError(error.status, error.code, error.sentence, details=error.details),
    BadCredentialsError: lambda _: ApiError(401, "bad_credentials", "The e-mail address or the password is wrong."),
    TooManyAttemptsError: _too_many,
    BadLinkError: lambda _: ApiError(
        403, "bad_link", "This set-up link is used up or expired. Restart the server for a new one."
    ),
    WeakPasswordError: lambda error: ApiError(422, "weak_password", str(error)),
    BusyError: _not_now,
    UnavailableError: _not_now,
    StoreClosedError: _not_now,
    StaleError: _stale,
    ConflictError: _conflict,
    HTTPException: _from_starlette,
}


async def handle(_request: Request, error: Exception) -> Response:
    """Starlette's exception handler for everything outside the kit."""
    known = as_api_error(error)
    if known is None:
        raise error
    return error_response(known)
