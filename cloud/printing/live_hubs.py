"""What is known right now of every hub: its row, whether it is connected, how it is, which printers it finds.

In memory, rebuilt at every start; each change is published at once on `live.<tenant>` as JSON
{"hubs": {id: changes | null}}.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from cloud.printing.views import View
from cloud.storage import clock
from cloud.storage.hubs import Hub

Publish = Callable[[str, dict[str, Any]], None]
"""Tenant, and {hub: changes | None}."""

_PLAIN: Final = ("id", "name", "firmware", "board", "target", "safe", "reset", "device_id", "last_seen_at")
_decode: Final = msgspec.json.decode


class LiveHubs:
    """The views of all hubs on this node. Every method is synchronous and cheap."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._views: dict[str, tuple[str, View]] = {}
        self._online: set[str] = set()
        self._heard: set[str] = set()

    def of_tenant(self, tenant_id: str) -> dict[str, View]:
        """All hubs of a tenant: {id: view}."""
        return {key: dict(view) for key, (tenant, view) in self._views.items() if tenant == tenant_id}

    def view(self, hub_id: str) -> View | None:
        """One hub's view, not to be changed."""
        known = self._views.get(hub_id)
        return None if known is None else known[1]

    def tenant_of(self, hub_id: str) -> str | None:
        known = self._views.get(hub_id)
        return None if known is None else known[0]

    def is_online(self, hub_id: str | None) -> bool:
        return hub_id in self._online

    def found(self, hub_id: str) -> list[dict[str, Any]]:
        """The printers that announce themselves in the hub's network, as it said last."""
        return list((self.view(hub_id) or {}).get("found") or [])

    def heard(self, hub_id: str) -> list[dict[str, Any]]:
        """The same, only when it has said so since it connected: what is older may not be true any more."""
        return self.found(hub_id) if hub_id in self._heard else []

    def put_found(self, hub_id: str, found: list[dict[str, Any]]) -> None:
        """What the hub hears now."""
        self._heard.add(hub_id)
        self.change(hub_id, {"found": found, "found_at": clock.now()})

    def put(self, hub: Hub) -> None:
        """A hub was added, changed, or has come back. Call it after the commit.

        What a hub said since it was last written down stays: its row is a little behind.
        """
        before = self.view(hub.id)
        view = {
            **{name: getattr(hub, name) for name in _PLAIN},
            "online": hub.id in self._online,
            "revoked": not hub.key_hash,
            "taken_over": hub.taken_over_at is not None,
            "update": update_of(hub),
        }
        for name in ("telemetry", "found"):
            stored = {name: telling(getattr(hub, name)), f"{name}_at": getattr(hub, f"{name}_at")}
            newer = before is not None and (before[f"{name}_at"] or "") >= (stored[f"{name}_at"] or "")
            view |= {key: before[key] if before is not None and newer else stored[key] for key in stored}
        self._views[hub.id] = (hub.tenant_id, view)
        known = before or {}
        self._tell(hub.id, {key: value for key, value in view.items() if key not in known or known[key] != value})

    def remove(self, hub_id: str) -> None:
        """A hub was deleted."""
        known = self._views.pop(hub_id, None)
        if known is not None:
            self._publish(known[0], {hub_id: None})

    def connected(self, hub_id: str, online: bool) -> None:
        """A hub came, or went."""
        (self._online.add if online else self._online.discard)(hub_id)
        self._heard.discard(hub_id)
        self.change(hub_id, {"online": online, "last_seen_at": clock.now()})

    def change(self, hub_id: str, news: View) -> None:
        """Some of what is known of a hub has other values now."""
        known = self._views.get(hub_id)
        if known is None:
            return
        changes = {name: value for name, value in news.items() if known[1].get(name) != value}
        known[1].update(changes)
        self._tell(hub_id, changes)

    def _tell(self, hub_id: str, changes: View) -> None:
        if changes:
            self._publish(self._views[hub_id][0], {hub_id: changes})


def telling(stored: str | None) -> Any:
    """What a column of JSON holds; None when the hub has not told."""
    return None if stored is None else _decode(stored)


def update_of(hub: Hub) -> View | None:
    """The update that the hub told of last; None when there was none."""
    if not hub.update_state:
        return None
    return {
        "version": hub.update_version,
        "state": hub.update_state,
        "code": hub.update_code,
        "message": hub.update_message,
        "at": hub.update_at,
    }
