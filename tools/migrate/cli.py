"""`make migrate ARGS="--from tenant.db --files files"`: look first; with `--apply`, move. README.md tells the rest."""

import asyncio
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from cloud import logs
from cloud.accounts.links import owner_link
from cloud.data_dir import DataDirError, locked
from cloud.settings import Settings, SettingsError
from cloud.storage import importing, links, migrations
from cloud.storage.errors import UnavailableError
from cloud.storage.files_folder import BlobStore
from cloud.storage.migrations.runner import MigrationError
from cloud.storage.secrets import SecretKeyError, Vault
from cloud.storage.store import Store
from tools.migrate import here, run
from tools.migrate.dry import DRY, looked_at
from tools.migrate.files import Mover
from tools.migrate.here import Farms, Here
from tools.migrate.mapper import Moved
from tools.migrate.mapping import Mapper
from tools.migrate.report import Report
from tools.migrate.source import Source, SourceError, opened


class Target(NamedTuple):
    """Where it goes; None for what is only looked at, or is not there yet."""

    store: Store | None
    blobs: BlobStore | None
    vault: Vault


COMPLETE, INCOMPLETE, FAILED = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """0 all is here as it was, 1 see the report, 2 it could not begin or go on."""
    options = _options(arguments)
    try:
        zone = ZoneInfo(options.timezone)
        settings = Settings.from_env()
        logs.configure("console", "error")
        # Also on PostgreSQL: beginning to keep files removes what a running cloud has half received.
        with locked(settings.data_dir) if options.apply else nullcontext():
            report = asyncio.run(_move(options, settings, zone))
    except ZoneInfoNotFoundError:
        return _fail(f"There is no time zone {options.timezone!r}. Name one as in Europe/Berlin.")
    except UnavailableError as error:
        return _fail(f"The database cannot go on ({error}). Is its disk full? What is here stays: run it again.")
    except (SourceError, SettingsError, DataDirError, SecretKeyError, MigrationError) as error:
        return _fail(str(error))
    print(report.summary())
    try:
        options.report.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    except OSError as error:
        return _fail(f"The report cannot be written to {options.report}: {error.strerror}. Choose another --report.")
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
    parser.add_argument(
        "--tenant", type=_pair, action="append", default=[], metavar="OLD=NEW", help="this old farm into that one here"
    )
    parser.add_argument("--owner", default="", help="e-mail address of who shall own farms that nobody belongs to")
    parser.add_argument("--timezone", default="UTC", help="of times that name none; the old system wrote UTC")
    parser.add_argument("--report", type=Path, default=Path("migration-report.json"))
    return parser.parse_args(arguments)


async def _move(options: Namespace, settings: Settings, zone: ZoneInfo) -> Report:
    report = Report()
    with opened(options.source) as source:
        if options.files is not None and not options.files.is_dir():
            raise SourceError(f"There is no folder {options.files}. Copy files/ from the Raspberry Pi.")
        if not options.apply:
            async with looked_at(settings) as store:
                moved, _ = await _mapped(options, source, report, zone, Target(store, None, DRY))
                if store is not None:
                    await run.look(store, moved, report)
            return report
        async with _target(settings) as (store, blobs, vault):
            moved, found = await _mapped(options, source, report, zone, Target(store, blobs, vault))
            await _make_tenants(store, moved, found, source, report)
            await _invite_owners(store, moved, found, options.owner, settings.address)
            await run.write(store, moved, report, lambda text: print(f"  {text}", file=sys.stderr, flush=True))
            await run.compare(store, moved, report)
            await run.hash_again(moved, blobs, report)
    return report


async def _mapped(
    options: Namespace, source: Source, report: Report, zone: ZoneInfo, target: Target
) -> tuple[Moved, Here]:
    found = await here.look(target.store, source) if target.store is not None else Here()
    farms = Farms(source, found, into=options.into, named=dict(options.tenant))
    kept = await Mover(options.files, target.blobs, report).run(source)
    mapper = Mapper(source, report, vault=target.vault, zone=zone, kept=kept, farms=farms, here=found)
    return mapper.run(), found


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


async def _make_tenants(store: Store, moved: Moved, found: Here, source: Source, report: Report) -> None:
    """Farms for those that have none here."""
    for tenant in [tenant for tenant in moved.rows if tenant not in found.farms]:
        name = f"Farm {tenant[:8]}"
        await store.write(partial(importing.add_tenant, tenant_id=tenant, name=name, created_at=source.beginning()))
        report.tell("note", "tenants", tenant, f"a farm was made for it: {name}")


async def _invite_owners(store: Store, moved: Moved, found: Here, owner: str, address: str) -> None:
    """A link for each farm that nobody belongs to yet, also when the one before was lost."""
    for tenant in moved.rows if owner else ():
        if tenant not in found.peopled:
            await store.write(partial(links.revoke, purpose="invitation", tenant_id=tenant))
            link = await owner_link(store, tenant, owner, address)
            # On the screen only: whoever has it comes in.
            print(f"Who opens this link within a week owns the farm {tenant}: {link.reveal()}", flush=True)


def _pair(text: str) -> tuple[str, str]:
    old, _, new = text.rpartition("=")
    if not old or not new:
        raise ArgumentTypeError("write it as OLD=NEW")
    return old, new


def _fail(sentence: str) -> int:
    print(f"migrate: {sentence}", file=sys.stderr)
    return FAILED
