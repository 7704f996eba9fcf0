"""Hubs as the API gives them."""

from typing import Any

import msgspec
from msgspec import Struct

from cloud.hubs.rollout import by_cable
from cloud.printing.live_hubs import LiveHubs, telling, update_of
from cloud.storage.hubs import Hub


class HubTelemetry(Struct, frozen=True, kw_only=True):
    """How a hub is, as it said last; what its board cannot tell is null."""

    uptime_ms: int
    rssi: int | None = None
    """Of the Wi-Fi, dBm."""
    ssid: str | None = None
    ip: str | None = None
    temperature: int | None = None
    """Of the chip, °C."""
    heap_free: int | None = None
    """Bytes, as the next two."""
    heap_low: int | None = None
    """The least since its start."""
    flash_free: int | None = None
    stall_ms: int | None = None
    """The longest standstill of its loop, since it told before."""
    cloud_drops: int | None = None
    """Connections lost since its start."""
    wifi_drops: int | None = None


class HubUpdate(Struct, frozen=True, kw_only=True):
    """The update of its firmware that a hub told of last."""

    version: str
    state: str
    """fetching, testing, good, failed, rolled_back."""
    code: str
    message: str
    """Why it failed or was rolled back."""
    at: str | None


class HubOut(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    online: bool
    revoked: bool
    """Its key is not accepted any more."""
    firmware: str
    board: str
    target: str
    """Which releases of the firmware fit; "" until it has told."""
    device_id: str
    """Of the device that was paired, as its label shows it; "" = set up by hand."""
    image: str
    """The MicroPython it runs; "" until it has told."""
    image_room: int | None
    """Bytes another one may have that comes over the air; 0 = only a cable brings one, null = it has not told."""
    image_by_cable: str
    """The MicroPython that its release is meant for and that only a cable brings it; "" = all is well."""
    sockets: int
    max_printers: int
    """0 until the hub has told."""
    printers: int
    """How many printers are configured on it."""
    revision: int
    """Of the configuration it should run."""
    reported_revision: int
    """Of the one it runs."""
    safe: bool
    """It fell too often: only its Wi-Fi, its link to the cloud and updates run."""
    reset: str
    """Why it started last: power, watchdog, …"""
    telemetry: HubTelemetry | None
    telemetry_at: str | None
    update: HubUpdate | None
    rotating: bool
    """A new key is on its way to it; the present one is good until it has come back with that."""
    releasing: bool
    """It was told to forget this farm, and has not confirmed it."""
    taken_over_at: str | None
    """Somebody reset the device by its button and paired it with another farm: this hub is history."""
    last_seen_at: str | None
    created_at: str
    version: int


class HubList(Struct, frozen=True):
    items: list[HubOut]
    total: int


def hub_out(hub: Hub, live: LiveHubs, printer_count: int, image: str) -> HubOut:
    """The row, and what the hub has said since it was written. `image` is what the release it runs brings."""
    told: dict[str, Any] = live.view(hub.id) or {
        "telemetry": telling(hub.telemetry),
        "telemetry_at": hub.telemetry_at,
        "update": update_of(hub),
    }
    return HubOut(
        id=hub.id,
        name=hub.name,
        online=live.is_online(hub.id),
        revoked=not hub.key_hash,
        firmware=hub.firmware,
        board=hub.board,
        target=hub.target,
        device_id=hub.device_id,
        image=hub.image,
        image_room=hub.image_room,
        image_by_cable=by_cable(image, hub),
        sockets=hub.sockets,
        max_printers=hub.max_printers,
        printers=printer_count,
        revision=hub.revision,
        reported_revision=hub.reported_revision,
        safe=hub.safe,
        reset=hub.reset,
        telemetry=msgspec.convert(told["telemetry"], HubTelemetry | None),
        telemetry_at=told["telemetry_at"],
        update=msgspec.convert(told["update"], HubUpdate | None),
        rotating=bool(hub.next_key_hash),
        releasing=hub.released_at is not None,
        taken_over_at=hub.taken_over_at,
        last_seen_at=hub.last_seen_at,
        created_at=hub.created_at,
        version=hub.version,
    )
