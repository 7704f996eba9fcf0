"""The plain endpoints of one kind of thing: list, read, create, change, delete, in bulk, as CSV.

A resource declares its rows and shapes, and overrides what is its own: `creating`, `changing`, `removing` run in the
transaction of the change and may refuse it, add columns, or touch other rows.
"""

import csv
import functools
import io
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.responses import Response, StreamingResponse

from cloud.accounts.principal import Role
from cloud.api.errors import ApiError, as_api_error, not_found
from cloud.api.kit import Call, Endpoint
from cloud.api.shapes import Id, ListQuery
from cloud.storage.errors import ConflictError
from cloud.storage.rows import Listing, Rows
from cloud.storage.store import Row
from cloud.storage.tenant import TenantTx

T = TypeVar("T")

CSV_PAGE: Final = 500
MAX_BULK: Final = 200
_CSV: Final = {"text/csv": {"type": "string"}}


class Page(Struct, Generic[T], frozen=True):
    """Part of a list, and how long the whole is."""

    items: list[T]
    total: int


class BulkIn(Struct, Generic[T], frozen=True, forbid_unknown_fields=True):
    """One change to many things. Each is done or refused for itself."""

    action: Literal["update", "delete"]
    ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_BULK)]
    changes: T | UnsetType = UNSET
    """For `update`."""


class BulkResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one of them."""

    id: str
    ok: bool
    code: str = ""
    message: str = ""


class BulkOut(Struct, frozen=True, kw_only=True):
    results: list[BulkResult]
    succeeded: int
    failed: int


class Collection:
    """Make one with its shapes as class variables, and hand its `endpoints()` to the router."""

    path: ClassVar[str]
    """`/api/color-presets/`."""
    noun: ClassVar[str]
    """`colour preset`."""
    rows: ClassVar[Rows]
    shape: ClassVar[type[Any]]
    """What is answered."""
    detail: ClassVar[type[Any] | None] = None
    """What is answered of one alone; None = the same."""
    new: ClassVar[type[Any]]
    """What is taken to create one."""
    patch: ClassVar[type[Any]]
    """What may be changed: every field UNSET by default."""
    query: ClassVar[type[ListQuery]]
    write_role: ClassVar[Role] = "operator"
    delete_role: ClassVar[Role] = "operator"

    def endpoints(self) -> list[Endpoint]:
        one = f"{self.path}{{id}}"
        noun, plural, alone = self.noun, f"{self.noun}s", self.detail or self.shape
        change: dict[str, Any] = {
            "role": self.write_role, "body": self.patch, "answer": alone, "errors": (409,), "versioned": True,
        }  # fmt: skip
        page = Page[self.shape]  # type: ignore[name-defined]  # made at run time, for the document
        bulk = BulkIn[self.patch]  # type: ignore[name-defined]
        return [
            Endpoint(
                "GET", self.path, self.list, query=self.query, answer=page, sorts=self.rows.sorts,
                summary=f"A page of {plural}.",
            ),
            Endpoint(
                "POST", self.path, self.create, role=self.write_role, body=self.new, answer=alone, status=201,
                errors=(409,), summary=f"Add a {noun}.",
            ),
            Endpoint("GET", one, self.get, answer=alone, summary=f"One {noun}."),
            Endpoint("PUT", one, self.update, summary=f"Change a {noun}; what is left out stays.", **change),
            Endpoint("PATCH", one, self.patch_one, summary=f"Change a {noun}; the same as PUT.", **change),
            Endpoint(
                "DELETE", one, self.delete, role=self.delete_role, errors=(409,), versioned=True,
                summary=f"Delete a {noun} that nothing needs.",
            ),
            Endpoint("POST", f"{self.path}bulk", self.bulk, role=self.delete_role, body=bulk, summary=BULK % plural),
            Endpoint(
                "GET", f"{self.path}export.csv", self.export, query=self.query, answers=_CSV, sorts=self.rows.sorts,
                summary=f"All {plural} that match, as CSV.\n\nlimit and offset are not heeded.",
            ),
        ]  # fmt: skip

    # ---- what a resource makes its own

    def out(self, row: Row) -> Any:
        """The row as it is answered."""
        return msgspec.convert(row, self.shape)

    async def outs(self, tx: TenantTx, rows: Sequence[Row]) -> list[Any]:
        """Several rows as they are answered: the place to load, for all at once, what other tables know of them."""
        return [self.out(row) for row in rows]

    async def alone(self, tx: TenantTx, row: Row) -> Any:
        """One row as it is answered by itself."""
        return (await self.outs(tx, [row]))[0]

    async def creating(self, tx: TenantTx, values: dict[str, Any]) -> Mapping[str, Any]:
        """Check and complete the columns of a new one."""
        return values

    async def changing(self, tx: TenantTx, before: Row, values: dict[str, Any]) -> Mapping[str, Any]:
        """Check and complete the columns that change."""
        return values

    async def removing(self, tx: TenantTx, before: Row) -> None:
        """Refuse, or let go of what hangs on it."""

    # ---- the endpoints

    async def list(self, call: Call, query: Any) -> Any:
        listing = listing_of(query, self.rows.sorts)
        return await call.store.read(lambda tx: self._page(tx, listing))

    async def create(self, call: Call, body: Any) -> Any:
        async def unit(tx: TenantTx) -> Any:
            return await self.alone(tx, await self.rows.create(tx, await self.creating(tx, given(body))))

        return await call.store.write(unit)

    async def get(self, call: Call, key: Id) -> Any:
        async def unit(tx: TenantTx) -> Any:
            return await self.alone(tx, await self._existing(tx, key))

        return await call.store.read(unit)

    async def update(self, call: Call, key: Id, body: Any) -> Any:
        version = call.version

        async def unit(tx: TenantTx) -> Any:
            return await self.alone(tx, await self._changed(tx, key, body, version))

        return await call.store.write(unit)

    async def patch_one(self, call: Call, key: Id, body: Any) -> Any:
        return await self.update(call, key, body)

    async def delete(self, call: Call, key: Id) -> None:
        await self.remove(call, key, call.version)

    async def remove(self, call: Call, key: str, version: int | None) -> None:
        """Delete one, in a transaction of its own."""
        await call.store.write(lambda tx: self._removed(tx, key, version))

    async def bulk(self, call: Call, body: Any) -> BulkOut:
        """Each in a transaction of its own."""
        if body.action == "update" and body.changes is UNSET:
            raise ApiError(422, "invalid", "Say in `changes` what is to be changed.", details={"path": "$.changes"})

        async def one(key: str) -> None:
            if body.action == "update":
                await call.store.write(lambda tx: self._changed(tx, key, body.changes, None))
            else:
                await self.remove(call, key, None)

        return await for_each(body.ids, one)

    async def export(self, call: Call, query: Any) -> Response:
        return csv_response(self.path.strip("/").rsplit("/", 1)[-1], self.shape, self._all(call, query))

    # ---- inside

    async def _all(self, call: Call, query: Any) -> AsyncIterator[Any]:
        wanted = listing_of(query, self.rows.sorts)
        for offset in itertools.count(step=CSV_PAGE):
            listing = msgspec.structs.replace(wanted, limit=CSV_PAGE, offset=offset)
            page = await call.store.read(functools.partial(self._page, listing=listing))
            for item in page.items:
                yield item
            if len(page.items) < CSV_PAGE:
                return

    async def _page(self, tx: TenantTx, listing: Listing) -> Page[Any]:
        rows, total = await self.rows.page(tx, listing)
        return Page(await self.outs(tx, rows), total)

    async def _existing(self, tx: TenantTx, key: str) -> Row:
        row = await self.rows.get(tx, key)
        if row is None:
            raise not_found(self.noun)
        return row

    async def _changed(self, tx: TenantTx, key: str, body: Any, version: int | None) -> Row:
        before = await self._existing(tx, key)
        values = await self.changing(tx, before, given(body))
        row = await self.rows.change(tx, key, values, version=version)
        if row is None:
            raise not_found(self.noun)
        return row

    async def _removed(self, tx: TenantTx, key: str, version: int | None) -> Row:
        before = await self._existing(tx, key)
        await self.removing(tx, before)
        try:
            await self.rows.remove(tx, key, version=version)
        except ConflictError as error:
            if error.kind != "foreign_key":
                raise
            raise ApiError(409, "in_use", f"Other things still need this {self.noun}.") from None
        return before


BULK: Final = "Change or delete several %s.\n\nThe answer says of each what became of it."


def given(body: Struct) -> dict[str, Any]:
    """The fields that were sent, as columns."""
    values = {name: getattr(body, name) for name in body.__struct_fields__}
    return {name: value for name, value in values.items() if value is not UNSET}


def listing_of(query: ListQuery, sorts: Sequence[str]) -> Listing:
    """A list's query: what ListQuery does not know are filters. Raises ApiError 422 on an unknown order."""
    for name in query.sort:
        if name.removeprefix("-") not in sorts:
            problem = f"A list can be sorted by {', '.join(sorts)}."
            raise ApiError(422, "invalid", problem, details={"path": "$.sort", "problem": problem})
    own = [name for name in query.__struct_fields__ if name not in ListQuery.__struct_fields__]
    filters = {name: value for name in own if (value := getattr(query, name)) is not None}
    return Listing(filters=filters, search=query.search, sort=tuple(query.sort), limit=query.limit, offset=query.offset)


async def for_each(keys: Any, work: Any) -> BulkOut:
    """Do the same to many things, one after the other; what is refused is told, and stops nothing."""
    results = []
    for key in dict.fromkeys(keys):
        try:
            await work(key)
        except Exception as error:
            known = as_api_error(error)
            if known is None:
                raise
            results.append(BulkResult(id=key, ok=False, code=known.body.code, message=known.body.message))
        else:
            results.append(BulkResult(id=key, ok=True))
    succeeded = sum(result.ok for result in results)
    return BulkOut(results=results, succeeded=succeeded, failed=len(results) - succeeded)


def csv_response(name: str, shape: type[Any], items: AsyncIterator[Any]) -> Response:
    """The items as they come; lists and objects in a cell are JSON."""
    headers = {"content-disposition": f'attachment; filename="{name}.csv"', "cache-control": "no-store"}
    return StreamingResponse(_csv_lines(shape, items), 200, headers, "text/csv; charset=utf-8")


async def _csv_lines(shape: type[Any], items: AsyncIterator[Any]) -> AsyncIterator[str]:
    names = shape.__struct_fields__
    yield _csv_line(names)
    async for item in items:
        yield _csv_line([_cell(getattr(item, name)) for name in names])


def _csv_line(cells: Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    # A spreadsheet takes a cell that begins like this for a formula, which may run programs.
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
