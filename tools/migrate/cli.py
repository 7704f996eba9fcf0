"""`make migrate ARGS="--from tenant.db --files files"`: look first; with `--apply`, move. README.md tells the rest."""

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from cloud import logs
from cloud.accounts.links import owner_link
from cloud.data_dir import DataDirError, locked
from cloud.settings import Settings, SettingsError
from cloud.storage import importing, migrations
from cloud.storage.files_folder import BlobStore
from cloud.storage.secrets import KeyRing, SecretKeyError, Vault
from cloud.storage.store import Store
from tools.migrate import run
from tools.migrate.files import Mover
from tools.migrate.mapper import Moved
from tools.migrate.mapping import Mapper
from tools.migrate.report import Report
from tools.migrate.source import Source, SourceError, opened

COMPLETE, INCOMPLETE, FAILED = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """0 all is here as it was, 1 see the report, 2 it could not begin or go on."""
    options = _options(arguments)
    try:
        zone = ZoneInfo(options.timezone)
        settings = Settings.from_env()
        logs.configure("console", "error")
        with locked(settings.data_dir) if options.apply and not settings.database_url else nullcontext():
            report = asyncio.run(_move(options, settings, zone))
    except ZoneInfoNotFoundError:
        return _fail(f"There is no time zone {options.timezone!r}. Name one as in Europe/Berlin.")
    except (SourceError, SettingsError, DataDirError, SecretKeyError) as error:
        return _fail(str(error))
    options.report.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    print(report.summary())
    print(f"Everything, line by line: {options.report}")
    if not options.apply:
        print("Nothing was written. Look at the report, then run it again with --apply.")
    return COMPLETE if report.complete else INCOMPLETE


def _options(arguments: list[str] | None) -> Namespace:
    parser = ArgumentParser(prog="migrate", description="Move a farm from the Raspberry Pi into the cloud.")
    parser.add_argument("--from", dest="source", type=Path, required=True, help="the old tenant.db")
    parser.add_argument("--files", type=Path, help="the old folder files/; left out: rows only")
    parser.add_argument("--apply", action="store_true", help="write; without it, everything is only looked at")
    parser.add_argument("--into", default="", help="id of the farm here that takes it; default: the only one there is")
    parser.add_argument("--owner", default="", help="e-mail address of who shall own farms that are made by the move")
    parser.add_argument("--timezone", default="UTC", help="of times that name none; the old system wrote UTC")
    parser.add_argument("--report", type=Path, default=Path("migration-report.json"))
    return parser.parse_args(arguments)


async def _move(options: Namespace, settings: Settings, zone: ZoneInfo) -> Report:
    report = Report()
    with opened(options.source) as source:
        if options.files is not None and not options.files.is_dir():
            raise SourceError(f"There is no folder {options.files}. Copy files/ from the Raspberry Pi.")
        if not options.apply:
            mover = Mover(options.files, None, report)
            vault = Vault(KeyRing({"dry": b"\0" * 32}))  # seals what nobody keeps
            await _mapped(source, report, mover, vault=vault, zone=zone, into=options.into)
            return report
        async with _target(settings) as (store, blobs, vault):
            into = options.into or await _only_tenant(store, source)
            mover = Mover(options.files, blobs, report)
            moved = await _mapped(source, report, mover, vault=vault, zone=zone, into=into)
            made = await _make_tenants(store, moved, source, report)
            for tenant in made if options.owner else ():
                link = await owner_link(store, tenant, options.owner, settings.address)
                # On the screen only: whoever has it comes in.
                print(f"Who opens this link within a week owns the farm {tenant}: {link.reveal()}")
            await run.write(store, moved, report, lambda text: print(f"  {text}", file=sys.stderr, flush=True))
            await run.compare(store, moved, report)
    return report


async def _mapped(source: Source, report: Report, mover: Mover, *, vault: Vault, zone: ZoneInfo, into: str) -> Moved:
    kept = await mover.run(source)
    mapper = Mapper(
        source, report, vault=vault, zone=zone, kept=kept, tenant_of=lambda old: into or old or "former-farm"
    )
    return mapper.run()


@asynccontextmanager
async def _target(settings: Settings) -> AsyncIterator[tuple[Store, BlobStore, Vault]]:
    async with AsyncExitStack() as stack:
        settings.data_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        vault = Vault(settings.key_ring())
        await migrations.migrate(settings.database)
        store = await Store.open(settings.database, durable=settings.sqlite_durable)
        stack.push_async_callback(store.close)
        blobs = BlobStore(settings.data_dir / "blobs")
        await asyncio.to_thread(blobs.prepare)
        yield store, blobs, vault


async def _only_tenant(store: Store, source: Source) -> str:
    """One farm there and one here: that is the one. Otherwise each old farm is a farm of its own here."""
    here = await store.read(importing.tenants)
    there = {str(row.get("tenant_id")) for table in ("printers", "products") for row in source.rows(table)}
    return str(here[0]["id"]) if len(here) == 1 and len(there) <= 1 else ""


async def _make_tenants(store: Store, moved: Moved, source: Source, report: Report) -> list[str]:
    """Farms for those that have none here; their ids."""
    here = {row["id"] for row in await store.read(importing.tenants)}
    made = [tenant for tenant in moved.rows if tenant not in here]
    for tenant in made:
        name = f"Farm {tenant[:8]}"
        await store.write(partial(importing.add_tenant, tenant_id=tenant, name=name, created_at=source.written_at))
        report.tell("note", "tenants", tenant, f"a farm was made for it: {name}")
    return made


def _fail(sentence: str) -> int:
    print(f"migrate: {sentence}", file=sys.stderr)
    return FAILED
