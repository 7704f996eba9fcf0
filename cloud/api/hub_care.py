"""/api/hubs/{id}/...: what people do to a hub itself.

Each is done once per Idempotency-Key where it can be repeated. Success is the hub's word; `hub_offline` means that it
did not happen, `no_answer` that it may have.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct, structs

from cloud.accounts.principal import Role
from cloud.api.errors import ApiError
from cloud.api.kit import Call, Endpoint, Handler
from cloud.api.shapes import Id
from cloud.printing.hub_care import HubCare
from cloud.printing.live import LivePrinters
from cloud.storage import hubs as queries
from cloud.storage.secrets import Secret

HUB_ERRORS: Final = (409, 502, 503, 504)
MAX_PASSWORD: Final = 64

_V4 = r"(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])){3}"
Ssid = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[^\u0000-\u001f\u007f]*$(?!\n)")]
Address4 = Annotated[str, Meta(pattern=rf"^{_V4}$(?!\n)", examples=["192.168.1.1"])]
Network4 = Annotated[str, Meta(pattern=rf"^{_V4}/([12]?[0-9]|3[0-2])$(?!\n)", examples=["192.168.1.7/24"])]
Seconds = Annotated[int, Meta(ge=1, le=120)]


class HubAnswer(Struct, frozen=True, kw_only=True):
    """The hub did it, or does it now."""

    ok: bool = True
    message: str = "The hub took the command."


class IdentifyIn(Struct, frozen=True, forbid_unknown_fields=True):
    seconds: Seconds = 10


class ReplaceIn(Struct, frozen=True, forbid_unknown_fields=True):
    hub_id: Id
    """The hub that takes its place."""


class NetworkIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Wi-Fi network. Without `address` the hub asks the network for one."""

    ssid: Ssid
    password: Secret | None = None
    """8 to 63 characters, or "" for an open network. Written, never given back; left out, the network stays as the hub
    knows it."""
    address: Network4 | None = None
    """With the length of the network's prefix."""
    gateway: Address4 | None = None
    dns: Address4 | None = None


class NetworksIn(Struct, frozen=True, forbid_unknown_fields=True):
    networks: Annotated[list[NetworkIn], Meta(min_length=1, max_length=4)]
    """All that the hub should know, in the order in which it tries them."""


class KnownNetwork(Struct, frozen=True):
    ssid: str
    state: Literal["untried", "joined", "no_network", "wrong_password", "no_address"]
    """What became of it when the hub looked for a network last."""


class KnownNetworks(Struct, frozen=True):
    networks: list[KnownNetwork]
    """In the order in which the hub tries those in range."""


class HubLogs(Struct, frozen=True):
    lines: list[str]
    """The newest last."""


class CrashOut(Struct, frozen=True, kw_only=True):
    id: str
    boot: str
    """The start in which the hub told of it, which is the next one after it fell."""
    part: str
    """What fell: a part of the firmware."""
    text: str
    received_at: str


class CrashList(Struct, frozen=True):
    items: list[CrashOut]
    total: int


class HubCareApi:
    """Endpoints about a hub itself."""

    def __init__(self, live: LivePrinters, care: HubCare) -> None:
        self._live = live
        self._care = care

    def endpoints(self) -> list[Endpoint]:
        one = "/api/hubs/{id}"
        return [
            _command(f"{one}/restart", self.restart),
            _command(f"{one}/identify", self.identify),
            _command(f"{one}/discover", self.discover),
            Endpoint("GET", f"{one}/logs", self.logs, role="operator", errors=HUB_ERRORS),
            Endpoint("GET", f"{one}/crashes", self.crashes, role="operator"),
            Endpoint("GET", f"{one}/wifi", self.networks, role="owner", errors=HUB_ERRORS),
            Endpoint("PUT", f"{one}/wifi", self.wifi, role="owner", errors=HUB_ERRORS),
            Endpoint("POST", f"{one}/rotate-key", self.rotate_key, role="owner", errors=HUB_ERRORS),
            Endpoint("POST", f"{one}/release", self.release, role="owner", errors=HUB_ERRORS),
            Endpoint("POST", f"{one}/replace", self.replace, role="owner", errors=(409,)),
        ]

    async def restart(self, call: Call, hub_id: Id) -> HubAnswer:
        """Start a hub anew; its printers go on printing."""
        return await self._tell(call, hub_id, "restart")

    async def identify(self, call: Call, hub_id: Id, body: IdentifyIn) -> HubAnswer:
        """Let a hub blink, to find it among others."""
        return await self._tell(call, hub_id, "identify", seconds=body.seconds)

    async def discover(self, call: Call, hub_id: Id) -> HubAnswer:
        """Let a hub look for printers now; `found` and the live socket show them as they answer."""
        return await self._tell(call, hub_id, "discover")

    async def logs(self, call: Call, hub_id: Id) -> HubLogs:
        """What a hub printed lately, fetched from it now."""
        return HubLogs((await self._care.tell(call.store, hub_id, "logs"))["lines"])

    async def crashes(self, call: Call, hub_id: Id) -> CrashList:
        """What a hub printed when it fell, the newest first; the last 20 are kept."""
        await self._care.get(call.store, hub_id)
        found = await call.store.read(lambda tx: queries.crashes(tx, hub_id))
        return CrashList([CrashOut(**structs.asdict(crash)) for crash in found], len(found))

    async def networks(self, call: Call, hub_id: Id) -> KnownNetworks:
        """The Wi-Fi networks that a hub knows, asked of it now; without their passwords."""
        return msgspec.convert(await self._care.tell(call.store, hub_id, "networks"), KnownNetworks)

    async def wifi(self, call: Call, hub_id: Id, body: NetworksIn) -> HubAnswer:
        """Tell a hub the networks it should know, instead of those it knows.

        It stays where it is until that network is lost or it starts anew.
        """
        await self._care.get(call.store, hub_id)  # before the body is looked at: to strangers there is no such hub
        networks = [_network(one, n) for n, one in enumerate(body.networks)]
        await self._care.tell(call.store, hub_id, "wifi", {"networks": networks})
        return HubAnswer()

    async def rotate_key(self, call: Call, hub_id: Id) -> HubAnswer:
        """Give a hub a new key, over its connection; it comes back with it at once.

        The old key is good until it has, whatever breaks in between.
        """
        await self._care.rotate_key(call.store, hub_id)
        return HubAnswer()

    async def release(self, call: Call, hub_id: Id) -> HubAnswer:
        """Give a hub up: it forgets this farm, its printers and its Wi-Fi, and is gone from here.

        Whoever holds it may pair it then: so it is handed over to another farm. Its printers stay, without a hub.
        """
        await self._care.release(call.store, hub_id)
        return HubAnswer(message="The hub has forgotten this farm.")

    async def replace(self, call: Call, hub_id: Id, body: ReplaceIn) -> HubAnswer:
        """Put another hub in the place of a dead one: its printers go there, with their jobs, and it is removed."""
        await self._care.replace(call.store, hub_id, body.hub_id)
        return HubAnswer(message="The printers are behind the other hub.")

    async def _tell(self, call: Call, hub_id: str, name: str, **args: object) -> HubAnswer:
        await self._care.tell(call.store, hub_id, name, args, command_id=call.command_id)
        return HubAnswer()


def _command(path: str, handler: Handler, role: Role = "operator") -> Endpoint:
    return Endpoint("POST", path, handler, role=role, errors=HUB_ERRORS, command=True)


def _network(network: NetworkIn, n: int) -> dict[str, str]:
    if network.password is None:
        if network.address or network.gateway or network.dns:
            sentence = "A fixed address goes with the network's password: give that too."
            raise ApiError(422, "invalid", sentence, details={"path": f"$.networks[{n}].password"})
        return {"ssid": network.ssid}
    password = network.password.reveal()
    if (password and not 8 <= len(password) <= MAX_PASSWORD) or not password.isprintable():
        sentence = f"A Wi-Fi password has 8 to {MAX_PASSWORD} printable characters, or none - at $.networks[{n}]"
        raise ApiError(422, "invalid", sentence, details={"path": f"$.networks[{n}].password"})
    if network.address is None and (network.gateway or network.dns):
        raise ApiError(422, "invalid", "gateway and dns go with an address: give that too.")
    fixed = {"address": network.address, "gateway": network.gateway, "dns": network.dns}
    return {"ssid": network.ssid, "password": password, **{key: text for key, text in fixed.items() if text}}
