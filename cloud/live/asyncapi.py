"""The AsyncAPI 3 document of the browsers' WebSocket, from the same declarations that check what browsers say."""

from typing import Any, Final, get_args

import msgspec

from cloud.live.browser import MAX_TEXT, MESSAGES_BURST, MESSAGES_PER_S, SIGNED_OUT, TRY_LATER, Said
from cloud.live.gateway import OLD_PATHS, PATH

_REF: Final = "#/components/schemas/{name}"
_ID: Final = {"type": "string", "maxLength": 64}
_CHANGES: Final = {
    "type": "object",
    "description": "Changed fields; a field of null is unknown now, an entry of null is gone.",
    "additionalProperties": {"type": ["object", "null"]},
}
_HUB_CHANGES: Final = {
    **_CHANGES,
    "description": "As for printers. `telemetry` is how the hub is, `found` the printers that announce themselves in "
    "its network, `update` how far an update of its firmware is; each is replaced as a whole.",
}
_VIEWS: Final = {"type": "object", "description": "By id.", "additionalProperties": {"type": "object"}}


def _message(kind: str, summary: str, **properties: Any) -> dict[str, Any]:
    fixed = {"type": {"const": kind}, **properties}
    return {
        "name": kind,
        "summary": summary,
        "payload": {"type": "object", "required": list(fixed), "properties": fixed},
    }


TOLD: Final = {
    one["name"]: one
    for one in (
        _message(
            "snapshot",
            "Everything, after `watch`. It replaces what was known.",
            seq={"type": "integer"},
            printers=_VIEWS,
            jobs=_VIEWS,
            hubs=_VIEWS,
        ),
        _message(
            "delta",
            "What changed since message `seq` - 1. A gap means: ask for a snapshot.",
            seq={"type": "integer"},
        ),
        _message(
            "printer_status",
            "The whole state of one printer, in the old system's form, after `subscribe`.",
            printer_id=_ID,
            status={"type": "object"},
        ),
        _message("subscribed", "These are told from now on.", printer_ids={"type": "array", "items": _ID}),
        _message("unsubscribed", "These are told no more.", printer_ids={"type": "array", "items": _ID}),
        _message("pong", "The answer to `ping`."),
        _message(
            "error", "What was said is refused; the socket stays.", code={"type": "string"}, message={"type": "string"}
        ),
    )
}
TOLD["delta"]["payload"]["properties"] |= {"printers": _CHANGES, "jobs": _CHANGES, "hubs": _HUB_CHANGES}

OLD_TOLD: Final = {
    "live_status": _message(
        "live_status",
        "Everything about one printer, or a list of all.",
        data={"type": ["object", "array"]},
        timestamp={"type": "string"},
    ),
    "old_error": _message("error", "There is no such printer.", message={"type": "string"}),
}


def asyncapi(version: str, cookie: str) -> dict[str, Any]:
    """The document, ready to be encoded as JSON."""
    kinds = get_args(Said)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    said = {
        str(kind.__struct_config__.tag): {
            "name": str(kind.__struct_config__.tag),
            "summary": " ".join((kind.__doc__ or "").split()),
            "payload": schema,
        }
        for kind, schema in zip(kinds, schemas, strict=True)
    }
    messages = {**said, **TOLD}
    every, one = OLD_PATHS
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "PrintFarm live", "version": version, "description": _description()},
        "channels": {
            "live": {
                "address": PATH,
                "summary": "Printers, jobs and hubs as they are, while one looks.",
                "messages": _refs(messages),
            },
            "oldLive": {
                "address": every,
                "summary": "All printers anew, every three seconds and when one changes: for old clients.",
                "messages": _refs(OLD_TOLD),
            },
            "oldLiveOfOne": {
                "address": one,
                "summary": "The same of one printer.",
                "parameters": {"printer_id": {"description": "The printer's number, or its id."}},
                "messages": _refs(OLD_TOLD),
            },
        },
        "operations": {
            "say": _operation("receive", "What a browser or a program says.", said),
            "tell": _operation("send", "What the server tells.", TOLD),
            "tellOld": _operation("send", "What a client of the old system hears.", OLD_TOLD, "oldLive"),
            "tellOldOfOne": _operation("send", "The same of one printer.", OLD_TOLD, "oldLiveOfOne"),
        },
        "components": {
            "messages": {**messages, **OLD_TOLD},
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "httpApiKey", "in": "cookie", "name": cookie},
                "bearer": {"type": "http", "scheme": "bearer", "description": "An access token, or an API key."},
            },
        },
    }


def _refs(messages: dict[str, Any]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in messages}


def _operation(action: str, summary: str, messages: dict[str, Any], channel: str = "live") -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }


def _description() -> str:
    return (
        f"Text frames of JSON, at most {MAX_TEXT} characters, {MESSAGES_PER_S:.0f} a second, {MESSAGES_BURST:.0f} at "
        f"once. It takes a login or an API key with the scope printers:read. Closed with {SIGNED_OUT}: the login has "
        f"ended; {TRY_LATER}: too much was said; 1012: the server restarts, come back after `retry_ms` in the reason. "
        "A browser that reads slowly gets fewer and newer messages, never old ones."
    )
