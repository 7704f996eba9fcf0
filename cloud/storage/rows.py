"""A table of a tenant's things as the API lists and edits them: filtered, sorted, paged, never overwritten unseen."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Table, and_, case, delete, false, func, literal_column, or_, select, true, update
from sqlalchemy.sql import ColumnElement

from cloud.storage import clock, ids
from cloud.storage.errors import StaleError
from cloud.storage.ids import Prefix
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx

FROM: Final = "_from"
TO: Final = "_to"
"""Endings of filters: at or after, and before."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows, in which order."""

    filters: Mapping[str, Any] = {}
    """Column -> value, or a collection of which any may be; `<column>_from` and `<column>_to` are bounds."""
    search: str = ""
    """Part of one of the searched columns, in whatever case."""
    sort: Sequence[str] = ()
    """Columns, each with a `-` before it for descending; empty = the table's own order."""
    limit: int = 100
    offset: int = 0


class Rows:
    """Queries on one table that has `id` and `tenant_id`; `version` and `updated_at` are kept when it has them."""

    def __init__(
        self,
        table: Table,
        *,
        sorts: Sequence[str],
        default_sort: Sequence[str],
        prefix: Prefix | None = None,
        searched: Sequence[str] = (),
        json: Collection[str] = (),
        only: ColumnElement[bool] | None = None,
        ranked: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`json` columns are decoded on their way out and encoded on their way in; rows that are not `only` are not
        there; `ranked` columns are sorted by the place of their value in the list, not by the alphabet.
        """
        self.table = table
        self.sorts = tuple(sorts)
        self._default_sort = tuple(default_sort)
        self._prefix = prefix
        self._searched = tuple(searched)
        self._json = frozenset(json)
        self._ranked = dict(ranked or {})
        self._only = true() if only is None else only
        self._versioned = "version" in table.c
        self._updated = "updated_at" in table.c

    async def page(self, tx: TenantTx, listing: Listing, *also: ColumnElement[bool]) -> tuple[list[Row], int]:
        """The rows of one page, and how many there are in all; `also` are filters that are more than a column."""
        where = and_(self._where(tx, listing), *also)
        query = select(self.table).where(where).order_by(*self._order(listing.sort))
        rows = await tx.all(query.limit(listing.limit).offset(listing.offset))
        if len(rows) < listing.limit and (rows or not listing.offset):
            return self._decoded(rows), listing.offset + len(rows)
        return self._decoded(rows), int(await tx.value(select(func.count()).select_from(self.table).where(where)))

    async def get(self, tx: TenantTx, key: str | int) -> Row | None:
        row = await tx.one(select(self.table).where(*self._is(tx, key)))
        return None if row is None else self._decode(row)

    async def create(self, tx: TenantTx, values: Mapping[str, Any]) -> Row:
        """Raises ConflictError."""
        moment = clock.now()
        row = {"tenant_id": tx.tenant_id, "created_at": moment, **self._encode(values)}
        if self._updated:
            row.setdefault("updated_at", moment)
        if self._prefix is not None:
            row.setdefault("id", ids.new(self._prefix))
        made = await tx.one(self.table.insert().values(**row).returning(*self.table.c))
        if made is None:
            raise RuntimeError("the database gave no row back for an insert")
        return self._decode(made)

    async def change(
        self, tx: TenantTx, key: str, values: Mapping[str, Any], *, version: int | None = None
    ) -> Row | None:
        """The changed row; None when there is none. Raises StaleError unless it is of `version`, and ConflictError."""
        changed: dict[str, Any] = self._encode(values)
        if self._versioned:
            changed["version"] = self.table.c.version + 1
        if self._updated:
            changed["updated_at"] = clock.now()
        statement = update(self.table).where(*self._is(tx, key, version)).values(changed).returning(*self.table.c)
        row = await tx.one(statement)
        if row is None:
            await self._refuse_stale(tx, key, version)
            return None
        return self._decode(row)

    async def remove(self, tx: TenantTx, key: str, *, version: int | None = None) -> bool:
        """False when there is none. Raises StaleError unless it is of `version`, and ConflictError (foreign_key)."""
        if await tx.run(delete(self.table).where(*self._is(tx, key, version))):
            return True
        await self._refuse_stale(tx, key, version)
        return False

    async def _refuse_stale(self, tx: TenantTx, key: str, version: int | None) -> None:
        if version is not None and (row := await self.get(tx, key)) is not None:
            raise StaleError(row["version"])

    def _is(self, tx: TenantTx, key: str | int, version: int | None = None) -> list[ColumnElement[bool]]:
        where = [self.table.c.tenant_id == tx.tenant_id, self.table.c.id == key, self._only]
        if version is not None:
            where.append(self.table.c.version == version)
        return where

    def _where(self, tx: TenantTx, listing: Listing) -> ColumnElement[bool]:
        where = [self.table.c.tenant_id == tx.tenant_id, self._only]
        where += [self._filter(name, value) for name, value in listing.filters.items() if value is not None]
        if listing.search:
            text = listing.search.lower()
            columns = [self.table.c[name] for name in self._searched]
            where.append(or_(false(), *(func.lower(one).contains(text, autoescape=True) for one in columns)))
        return and_(*where)

    def _filter(self, name: str, value: Any) -> ColumnElement[bool]:
        if name in self.table.c:
            column = self.table.c[name]
            return column.in_(list(value)) if isinstance(value, list | tuple) else column == value
        bounded: ColumnElement[bool] = (
            self.table.c[name.removesuffix(FROM)] >= value
            if name.endswith(FROM)
            else self.table.c[name.removesuffix(TO)] < value
        )
        return bounded

    def _order(self, sort: Sequence[str]) -> list[ColumnElement[Any]]:
        """Ties are broken by id, so that pages never overlap. What is not known comes last on both databases."""
        names = sort or self._default_sort
        last = self.table.c.id
        return [*map(self._directed, names), last.desc() if names and names[0].startswith("-") else last.asc()]

    def _directed(self, name: str) -> ColumnElement[Any]:
        column = self.table.c[name.removeprefix("-")]
        places = self._ranked.get(column.name)
        key = _place(column, places) if places else column
        directed = key.desc() if name.startswith("-") else key.asc()
        return directed.nulls_last() if column.nullable else directed

    def _decoded(self, rows: Sequence[Row]) -> list[Row]:
        return [self._decode(row) for row in rows]

    def _decode(self, row: Row) -> Row:
        if not self._json:
            return row
        found = {name: msgspec.json.decode(row[name]) for name in self._json if row[name] is not None}
        return {**row, **found}

    def _encode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        encoded = {name: msgspec.json.encode(values[name]).decode() for name in self._json & values.keys()}
        return {**values, **{name: None if values[name] is None else text for name, text in encoded.items()}}


def _place(column: ColumnElement[Any], places: Sequence[str]) -> ColumnElement[int]:
    """Where a column's value stands in the list."""
    # Literal numbers, for PostgreSQL takes parameters that are only sorted by for text.
    return case({value: literal_column(str(place)) for place, value in enumerate(places)}, value=column)
