"""What a farm has decided for itself."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from cloud.storage import accounts as queries
from cloud.storage.tenant import TenantTx

Clock = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$(?!\n)")]


class WorkingHours(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When somebody is there, in the farm's time zone."""

    day: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    start: Clock
    end: Clock


class TenantSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stored as JSON; what is missing there has its default."""

    time_zone: Annotated[str, Meta(max_length=60, pattern=r"^[A-Za-z0-9_+/-]+$(?!\n)")] = "UTC"
    """IANA name, "Europe/Berlin"."""
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$(?!\n)")] = "EUR"
    failures_before_disable: Annotated[int, Meta(ge=0, le=100)] = 3
    """So many failed prints in a row take a printer out of service; 0 = never."""
    stock_posting: Literal["finish", "confirm"] = "finish"
    """Whether a finished print is in stock at once, or when somebody has confirmed the good pieces."""
    working_hours: Annotated[list[WorkingHours], Meta(max_length=28)] = []


class Farm(Struct, frozen=True, kw_only=True):
    name: str
    settings: TenantSettings
    version: int


async def read(tx: TenantTx) -> Farm:
    name, stored, version = await queries.tenant(tx)
    return Farm(name=name, settings=_decoded(stored), version=version)


async def change(tx: TenantTx, *, name: str, settings: TenantSettings, version: int | None) -> Farm:
    """Raises StaleError."""
    stored = msgspec.json.encode(settings).decode()
    return Farm(
        name=name,
        settings=settings,
        version=await queries.change_tenant(tx, name=name, settings=stored, version=version),
    )


def _decoded(stored: str) -> TenantSettings:
    """A newer version's fields are left out: this one does not know them."""
    values = msgspec.json.decode(stored)
    known = {name: value for name, value in values.items() if name in TenantSettings.__struct_fields__}
    return msgspec.convert(known, TenantSettings)
