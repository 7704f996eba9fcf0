"""Commands to the hub itself. They come and go through `Commands` like those to printers: a queue of their own, at
most once an id. What ends the hub is done only when its answer has left.
"""

import asyncio

import hub.log
from hub.commands import failed
from hub.life import rare
from hub.log import log

_LEAVE_MS = 500
"""Between the answer and the end, so that the network carries it away."""

_MOST_LOGS = 8000  # characters: a message has 16 KiB


def _done(data: "dict | None" = None) -> "dict":  # type: ignore[type-arg]
    return {"ok": True, "data": data or {}}


async def carry_out(app, name: str, args: "dict") -> "dict":  # type: ignore[type-arg, no-untyped-def]
    """Fields of the result. `app.hub_commands` are the commands that other parts know."""
    known = _OWN.get(name)
    if known is not None:
        return await known(app, args)
    known = app.hub_commands.get(name)
    if known is None:
        return failed("unknown_command", "This hub's firmware cannot do that yet: update it.")
    return await known(args)  # type: ignore[no-any-return]


async def _restart(app, args: "dict") -> "dict":  # type: ignore[type-arg, no-untyped-def]
    return _last(lambda: app.board.reset("restart"))


async def _release(app, args: "dict") -> "dict":  # type: ignore[type-arg, no-untyped-def]
    return _last(app.release)


def _last(then) -> "dict":  # type: ignore[type-arg, no-untyped-def]
    async def afterwards() -> None:
        await asyncio.sleep_ms(_LEAVE_MS)
        then()

    return {"ok": True, "then": afterwards}


async def _identify(app, args: "dict") -> "dict":  # type: ignore[type-arg, no-untyped-def]
    app.panel.show("identify", args["seconds"] * 1000)
    return _done()


async def _logs(app, args: "dict") -> "dict":  # type: ignore[type-arg, no-untyped-def]
    lines = recent()
    while lines and sum([len(line) for line in lines]) > _MOST_LOGS:
        lines.pop(0)
    return _done({"lines": lines})


def recent() -> "list[str]":
    """The last lines of the log, the newest last; of the oldest only a part may be left, and then it is left out."""
    ring, written = hub.log.ring, hub.log.written
    at = written % len(ring)
    text = bytes(ring[at:]) + bytes(ring[:at]) if written > len(ring) else bytes(ring[:written])
    if written > len(ring):
        text = text[text.find(b"\n") + 1 :]
    return [line.decode() for line in text.split(b"\n") if line]


async def _key(app, args: "dict") -> "dict":  # type: ignore[type-arg, no-untyped-def]
    with rare("keys") as keys:
        try:
            keys.store_new(app.config, args["key"])
        except ValueError as error:
            return failed("invalid", str(error))
        except OSError as error:
            log("config", "a new key is not stored: %r" % error)
            return failed("rejected", "The hub's flash takes nothing; the old key stays.")
    log("hub", "a new key is stored, to be used from the next connection on")
    return _done()


async def _wifi(app, args: "dict") -> "dict":  # type: ignore[type-arg, no-untyped-def]
    if not args["networks"]:
        return failed("invalid", "A hub without any network would never be heard of again.")
    known = {network["ssid"]: network for network in app.config.networks}
    wanted = []
    for network in args["networks"]:
        ssid = network["ssid"]
        if "password" not in network and ssid not in known:
            return failed("invalid", "The hub does not know the network %s: give its password." % ssid)
        wanted.append(network if "password" in network else known[ssid])
    try:
        app.config.store_networks(wanted)
    except OSError as error:
        log("config", "networks are not stored: %r" % error)
        return failed("rejected", "The hub's flash takes nothing; the networks stay as they were.")
    # Those in use stay until they are lost: a mistyped one must not cut the line it came by.
    return _done()


async def _networks(app, args: "dict") -> "dict":  # type: ignore[type-arg, no-untyped-def]
    states = app.board.network_states()
    names = [network["ssid"] for network in app.config.networks]
    return _done({"networks": [{"ssid": ssid, "state": states.get(ssid, "untried")} for ssid in names]})


async def _discover(app, args: "dict") -> "dict":  # type: ignore[type-arg, no-untyped-def]
    if app.board.safe or not app.board.discovery_port:
        return failed("busy", "The hub looks for no printers now: it is in safe mode.")
    app.look.set()
    return _done()


async def _probe(app, args: "dict") -> "dict":  # type: ignore[type-arg, no-untyped-def]
    if app.board.safe:
        return failed("busy", "The hub is in safe mode and speaks to no printers.")
    if len(app.fleet.links) >= app.board.max_printers:
        return failed("busy", "This hub has all the printers it can take: use another hub.")
    with rare("probe") as probe:
        return await probe.Probe(args, app.fleet.links).run()  # type: ignore[no-any-return]


_OWN = {
    "restart": _restart,
    "release": _release,
    "identify": _identify,
    "logs": _logs,
    "key": _key,
    "wifi": _wifi,
    "networks": _networks,
    "discover": _discover,
    "probe": _probe,
}
