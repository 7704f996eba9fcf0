"""/api/settings: what the farm has decided for itself."""

import msgspec
from msgspec import UNSET, Struct, UnsetType

from cloud.accounts import tenant_settings
from cloud.accounts.tenant_settings import Farm, TenantSettings
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Name
from cloud.storage.tenant import TenantTx


class SettingsPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name | UnsetType = UNSET
    """Of the farm."""
    settings: TenantSettings | UnsetType = UNSET
    """As a whole: what is left out gets its default."""


class SettingsApi:
    """Endpoints about the farm's settings."""

    def endpoints(self) -> list[Endpoint]:
        path = "/api/settings/"
        return [
            Endpoint("GET", path, self.get),
            Endpoint("PUT", path, self.update, role="owner", versioned=True),
            Endpoint("PATCH", path, self.patch, role="owner", versioned=True),
        ]

    async def get(self, call: Call) -> Farm:
        """The farm's name and settings."""
        return await call.store.read(tenant_settings.read)

    async def update(self, call: Call, body: SettingsPatch) -> Farm:
        """Change the farm's name or settings."""

        async def unit(tx: TenantTx) -> Farm:
            farm = await tenant_settings.read(tx)
            changes = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET}
            wanted = msgspec.structs.replace(farm, **changes)
            return await tenant_settings.change(tx, name=wanted.name, settings=wanted.settings, version=call.version)

        return await call.store.write(unit)

    async def patch(self, call: Call, body: SettingsPatch) -> Farm:
        """Change the farm's name or settings; the same as PUT."""
        return await self.update(call, body)
