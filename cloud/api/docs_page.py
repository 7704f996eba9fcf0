"""The API for people: one page, made of the OpenAPI document, that needs no script and no other server."""

import html
from typing import Any, Final

import msgspec

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_STYLE: Final = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
* { box-sizing: border-box; }
body { margin: 0; font: 1rem/1.55 system-ui, sans-serif; display: grid; grid-template-columns: 15rem minmax(0, 1fr); }
nav { position: sticky; top: 0; height: 100dvh; overflow-y: auto; padding: 1.5rem 1rem;
  border-right: 1px solid var(--line); }
nav a { display: block; padding: .25rem .5rem; color: inherit; text-decoration: none; border-radius: .5rem; }
nav a:hover { background: var(--line); }
main { padding: 1.5rem clamp(1rem, 4vw, 3rem) 6rem; max-width: 68rem; }
h1 { font-size: 1.75rem; } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
details { border: 1px solid var(--line); border-radius: .75rem; margin: .6rem 0; }
summary { cursor: pointer; padding: .6rem .9rem; display: flex; flex-wrap: wrap; gap: .3rem .8rem;
  align-items: baseline; }
.body { padding: 0 .9rem .9rem; }
code, pre { font: .875rem/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .8rem; border: 1px solid var(--line); border-radius: .5rem; }
.method { font-weight: 700; min-width: 4rem; } .path { overflow-wrap: anywhere; }
.who { margin-left: auto; opacity: .75; font-size: .875rem; }
table { width: 100%; border-collapse: collapse; margin: .5rem 0 1rem; font-size: .9375rem; }
td, th { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); }
th:first-child { width: 28%; } th:nth-child(2) { width: 36%; } td { overflow-wrap: anywhere; }
@media (max-width: 48rem) { body { display: block; } nav { position: static; height: auto; border: 0;
  display: flex; flex-wrap: wrap; } .scroll { overflow-x: auto; } }
"""


def render(document: dict[str, Any]) -> str:
    """The whole page."""
    by_tag: dict[str, list[str]] = {}
    schemas = document["components"]["schemas"]
    for path, item in sorted(document["paths"].items()):
        for method in _METHODS:
            if method in item:
                operation = item[method]
                by_tag.setdefault(operation["tags"][0], []).append(_operation(method, path, operation, schemas))
    links = "".join(f'<a href="#{_e(tag)}">{_e(tag)}</a>' for tag in sorted(by_tag))
    sections = "".join(f'<h2 id="{_e(tag)}">{_e(tag)}</h2>{"".join(by_tag[tag])}' for tag in sorted(by_tag))
    info = document["info"]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_e(info["title"])} API</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f'<nav aria-label="Areas">{links}</nav><main><h1>{_e(info["title"])} API {_e(info["version"])}</h1>'
        f"<p>{_e(info['description'])}</p>{_INTRODUCTION}{sections}</main></body></html>"
    )


_INTRODUCTION: Final = """
<p>For programs: <a href="/api/openapi.json">OpenAPI 3.1</a>, and <a href="/api/asyncapi.json">AsyncAPI 3</a> for the
live WebSocket. Make an API key (<a href="#api_keys_create">POST /api/api-keys/</a>) and send it as
<code>Authorization: Bearer pfk_…</code>.</p>
<p>An answer with a <code>version</code> has an <code>ETag</code>: repeat it as <code>If-Match</code> to change exactly
what you saw, or get 412. A creation or a command with an <code>Idempotency-Key</code> of your making is carried out
once, however often it is sent.</p>
<p>Lists take <code>limit</code>, <code>offset</code>, <code>search</code>, <code>sort</code> and filters named as their
fields.</p>
<pre>curl https://farm.example/api/color-presets/ -H "Authorization: Bearer $KEY" -H "Idempotency-Key: $(uuidgen)" \\
     --json '{"color_name": "Black", "hex_code": "#000000", "filament_type": "PLA"}'</pre>
"""


def _operation(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    scope = operation.get("x-scope")
    who = "public" if operation["x-role"] == "public" else f"{operation['x-role']}{f' · {scope}' if scope else ''}"
    body = operation.get("requestBody", {}).get("content", {})
    parts = [f"<p>{_e(operation['description'])}</p>", _parameters(operation["parameters"])]
    for media, content in body.items():
        parts.append(f"<h4>Body, {_e(media)}</h4>{_fields(content['schema'], schemas)}")
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            shapes = "".join(_fields(one["schema"], schemas) for one in answer.get("content", {}).values())
            parts.append(f"<h4>{status}</h4>{shapes or '<p>Nothing.</p>'}")
    refused = [status for status in operation["responses"] if not status.startswith("2")]
    parts.append(f"<p>May be refused with {', '.join(refused)}.</p>" if refused else "")
    return (
        f'<details id="{_e(operation["operationId"])}"><summary><span class="method">{method.upper()}</span>'
        f'<code class="path">{_e(path)}</code><span>{_e(operation["summary"])}</span><span class="who">{_e(who)}</span>'
        f'</summary><div class="body">{"".join(parts)}</div></details>'
    )


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = [
        (one["name"], f"{one['in']}, {_kind(one['schema'])}", one["required"], one.get("description", ""))
        for one in parameters
    ]
    return _table(rows)


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    """One level: what is inside has a section of its own wherever it is answered."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
    if schema.get("type") != "object" or not schema.get("properties"):
        return f"<p><code>{_e(_kind(schema))}</code></p>"
    required = schema.get("required", ())
    rows = [
        (name, _kind(one), name in required, one.get("description", "")) for name, one in schema["properties"].items()
    ]
    return _table(rows)


def _table(rows: list[tuple[str, str, bool, str]]) -> str:
    if not rows:
        return ""
    lines = "".join(
        f"<tr><td><code>{_e(name)}</code>{'' if needed else ' <small>optional</small>'}</td>"
        f"<td>{_e(kind)}</td><td>{_e(text)}</td></tr>"
        for name, kind, needed, text in rows
    )
    return f'<div class="scroll"><table><tr><th>Name</th><th>Kind</th><th>What it is</th></tr>{lines}</table></div>'


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[1]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return " or ".join(_kind(one) for one in schema[choice])
    if "enum" in schema:
        return " | ".join("null" if one is None else str(one) for one in schema["enum"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    limits = [f"{word} {schema[key]}" for key, word in _LIMITS.items() if key in schema]
    if "default" in schema:
        limits.append(f"default {msgspec.json.encode(schema['default']).decode()}")
    return ", ".join([kind, *limits])


_LIMITS: Final = {
    "minimum": "at least",
    "maximum": "at most",
    "minLength": "from length",
    "maxLength": "to length",
    "pattern": "like",
}


def _e(text: Any) -> str:
    return html.escape(str(text))
