"""/api/pairings: leave to make a device a hub of the farm. /hub/v1/claim: the device that shows it."""

import re
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from cloud.accounts.pairing import Claim, Pairings
from cloud.api.errors import ApiError
from cloud.api.kit import PUBLIC, Call, Endpoint
from cloud.api.shapes import Id, Name
from cloud.printing.hub_care import HubCare
from cloud.storage.pairings import Pairing
from cloud.storage.secrets import Secret

LINK_PATH: Final = "/hub/v1/link"

Device = Annotated[str, Meta(pattern=r"^[A-Z2-7]{16}$(?!\n)", examples=["7K3QM2XDABCDEFGH"])]
Word = Annotated[str, Meta(max_length=64)]
_PROOF: Final = re.compile(r"[0-9a-f]{64}")


class PairingIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device that is to become a hub of the farm."""

    device_id: Device
    """What its label's secret makes: 16 characters of base 32."""
    replaces: Id | None = None
    """A dead hub, whose printers come along; it is removed then."""
    name: Name | None = None
    """For the hub; left out, that of the hub it replaces, or one of its own."""
    reset: bool = False
    """Its button was held for ten seconds: an owner it had before is no obstacle, and will be told."""


class PairingToken(Struct, frozen=True, kw_only=True):
    """To be carried to the device, in a sealed box. Shown this once."""

    id: str
    token: str
    expires_at: str
    cloud: str
    """Where the device finds the cloud."""
    page: str
    """Where a phone finds the device's own page when it is in the device's access point."""


class PairingOut(Struct, frozen=True, kw_only=True):
    id: str
    state: Literal["waiting", "claimed", "expired"]
    device_id: str
    hub_id: str | None
    """The hub that the device became."""
    expires_at: str


class ClaimIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a device says of itself."""

    proof: Secret
    """64 hexadecimal digits, made of its label's secret; its id is their hash."""
    token: Secret
    firmware: Word
    board: Word
    target: Word
    reset_epoch: Annotated[int, Meta(ge=0, le=1_000_000_000)]
    """How often the device was reset to factory state."""


class ClaimOut(Struct, frozen=True, kw_only=True):
    """Who the device is from now on. The key is in this answer and nowhere else."""

    hub: str
    key: str
    name: str
    cloud: str
    """The address of the link, a WebSocket."""


class PairingsApi:
    """Endpoints about pairing."""

    def __init__(self, pairings: Pairings, care: HubCare, address: str, page: str) -> None:
        """`address` is where people and devices find the cloud, `page` where phones find a device's page."""
        self._pairings = pairings
        self._care = care
        self._address = address
        self._page = page

    def endpoints(self) -> list[Endpoint]:
        one = "/api/pairings/{id}"
        return [
            Endpoint("POST", "/api/pairings/", self.create, role="owner", status=201, errors=(409,)),
            Endpoint("GET", one, self.get, role="owner"),
            Endpoint("DELETE", one, self.delete, role="owner", errors=(409,)),
            Endpoint("POST", "/hub/v1/claim", self.claim, role=PUBLIC, errors=(409, 429)),
        ]

    async def create(self, call: Call, body: PairingIn) -> PairingToken:
        """Begin to pair a device: a token for it, good once, for a quarter of an hour.

        An earlier pairing of the same device counts no more.
        """
        pairing, token = await self._pairings.begin(
            call.store, device_id=body.device_id, name=body.name or "", replaces=body.replaces, reset=body.reset
        )
        call.once = False
        return PairingToken(
            id=pairing.id,
            token=token.reveal(),
            expires_at=pairing.expires_at,
            cloud=self._address,
            page=self._page,
        )

    async def get(self, call: Call, pairing_id: Id) -> PairingOut:
        """How far a pairing is."""
        pairing = await self._pairings.get(call.store, pairing_id)
        return PairingOut(
            id=pairing.id,
            state=_state(pairing),
            device_id=pairing.device_id,
            hub_id=pairing.hub_id,
            expires_at=pairing.expires_at,
        )

    async def delete(self, call: Call, pairing_id: Id) -> None:
        """Take a pairing back: its token is worth nothing from now on."""
        await self._pairings.take_back(call.store, pairing_id)

    async def claim(self, call: Call, body: ClaimIn) -> ClaimOut:
        """For devices: become a hub of the farm whose token is shown.

        `token_invalid`: used, expired, or for another device. `already_owned`: its owner has to release it, or its
        button has to be held for ten seconds; while it is connected, it was not. A device whose answer was lost may
        ask again until it has connected.
        """
        if not _PROOF.fullmatch(body.proof.reveal()):
            raise ApiError(422, "invalid", "The proof has 64 hexadecimal digits, in lower case - at $.proof")
        claimed = await self._pairings.claim(
            Claim(proof=body.proof, token=body.token, reset_epoch=body.reset_epoch, address=call.address),
            self._care.is_online,
        )
        hub = claimed.hub
        self._care.put(hub)
        self._care.moved([*claimed.gone, hub.id], claimed.moved, gone=claimed.gone)
        await self._care.lost(claimed.taken)
        return ClaimOut(hub=hub.id, key=claimed.key.reveal(), name=hub.name, cloud=f"{_link(self._address)}{LINK_PATH}")


def _state(pairing: Pairing) -> Literal["waiting", "claimed", "expired"]:
    if pairing.used_at is not None:
        return "claimed"
    return "expired" if pairing.expired else "waiting"


def _link(address: str) -> str:
    """The address with a WebSocket's scheme: wss where the cloud is https."""
    return "ws" + address.removeprefix("http")
