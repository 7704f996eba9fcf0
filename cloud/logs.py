"""Structured logs: one JSON line an event on standard error, ours and the libraries' alike."""

import logging
import sys
from typing import Any, Final, Literal

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Names under which something secret may arrive by mistake; whatever is there is not shown.
_SECRET_NAMES: Final = ("password", "secret", "token", "access_code", "authorization", "cookie", "api_key")
_NOISY: Final = ("databases", "aiosqlite", "asyncio", "websockets", "uvicorn.access", "alembic", "python_multipart")


def configure(form: Literal["json", "console"], level: str) -> None:
    """Route everything through structlog. Call once, at the start of the process."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide_secrets,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(form)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # At DEBUG it shows the headers of every handshake: keys of hubs and cookies of people.
    logging.getLogger("uvicorn.error").setLevel(max(logging.INFO, root.level))


def _renderers(form: Literal["json", "console"]) -> list[Processor]:
    # Traces without the values of local variables: they hold passwords and access codes.
    if form == "console":
        plain = structlog.dev.plain_traceback  # the default shows them wherever `rich` is installed
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    traces = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
    return [traces, structlog.processors.JSONRenderer(serializer=_json)]


def _json(event: Any, **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


def _hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name in event:
        if isinstance(event[name], str) and any(word in name.lower() for word in _SECRET_NAMES):
            event[name] = "***"
    return event
