"""Work inside one tenant. Request code gets a `TenantStore` and nothing else, so it cannot forget whose data it is."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from cloud.storage.store import Store, Tx

T = TypeVar("T")


class TenantTx(Tx):
    """A transaction for one tenant: query modules take this and put `tenant_id` into every statement."""

    def __init__(self, tx: Tx, tenant_id: str, actor: str = "") -> None:
        if not tenant_id:
            raise ValueError("a tenant id is required")
        super().__init__(tx._connection, tx.dialect, tx._compiler)
        self._callbacks = tx._callbacks  # one transaction, one list
        self.tenant_id = tenant_id
        self.actor = actor
        """Who is behind it, for histories: id of a user or an API key; "" when nobody asked for it."""


TenantUnit = Callable[[TenantTx], Awaitable[T]]
Witness = Callable[[TenantTx, Any], Awaitable[None]]
"""Called with what a unit returned, in its transaction: writes down that it happened, or undoes it by raising."""


class TenantStore:
    """A store that sees one tenant."""

    def __init__(self, store: Store, tenant_id: str, witness: Witness | None = None, actor: str = "") -> None:
        if not tenant_id:
            raise ValueError("a tenant id is required")
        self._store = store
        self._witness = witness
        self._actor = actor
        self.tenant_id = tenant_id

    async def read(self, unit: TenantUnit[T]) -> T:
        """As `Store.read`, within the tenant."""
        return await self._store.read(lambda tx: unit(TenantTx(tx, self.tenant_id, self._actor)), tenant=self.tenant_id)

    async def write(self, unit: TenantUnit[T]) -> T:
        """As `Store.write`, within the tenant."""

        async def witnessed(tx: Tx) -> T:
            scoped = TenantTx(tx, self.tenant_id, self._actor)
            result = await unit(scoped)
            if self._witness is not None:
                await self._witness(scoped, result)
            return result

        return await self._store.write(witnessed, tenant=self.tenant_id)
