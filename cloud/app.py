"""The composition root: every part is made here, and handed what it needs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount

from cloud import __version__
from cloud.accounts import Accounts
from cloud.accounts.oidc import Oidc, OidcSettings
from cloud.accounts.sessions import Lifetimes
from cloud.accounts.web import WebGate
from cloud.api import errors
from cloud.api.analytics import AnalyticsApi
from cloud.api.api_keys import ApiKeysApi
from cloud.api.assembly_tasks import AssemblyTasksApi
from cloud.api.audit_log import AuditLogApi
from cloud.api.auth import AuthApi
from cloud.api.build_plate_types import BuildPlateTypesApi
from cloud.api.color_presets import ColorPresetsApi
from cloud.api.dashboard import Dashboard
from cloud.api.document import Document
from cloud.api.edge import Edge
from cloud.api.files import FilesApi
from cloud.api.finished_goods import FinishedGoodsApi
from cloud.api.health import HealthApi
from cloud.api.hub_care import HubCareApi
from cloud.api.hub_printers import HubPrintersApi
from cloud.api.hub_release_files import HubReleaseFilesApi
from cloud.api.hub_releases import HubReleasesApi
from cloud.api.hubs import HubsApi
from cloud.api.invitations import InvitationsApi
from cloud.api.kit import Endpoint
from cloud.api.oidc import OidcApi
from cloud.api.old.configured import OldConfiguredApi
from cloud.api.old.controls import OldControlsApi
from cloud.api.old.files import OldFilesApi
from cloud.api.old.goods import OldGoodsApi
from cloud.api.old.jobs import OldJobsApi
from cloud.api.old.live import OldLiveApi
from cloud.api.old.making import OldMakingApi
from cloud.api.old.plain import old_changes, old_list
from cloud.api.old.presets import OldPresetsApi
from cloud.api.old.printers import OldPrintersApi
from cloud.api.old.products import OldProductsApi
from cloud.api.old.skus import OldSkusApi
from cloud.api.orders import OrdersApi
from cloud.api.pairings import PairingsApi
from cloud.api.print_jobs import JobsApi
from cloud.api.printer_bulk import PrinterBulkApi
from cloud.api.printer_controls import PrinterControlsApi
from cloud.api.printer_files import PrinterFilesApi
from cloud.api.printer_old_paths import PrinterOldPathsApi
from cloud.api.printer_upkeep import PrinterUpkeepApi
from cloud.api.printers import PrintersApi
from cloud.api.product_skus import ProductSkusApi
from cloud.api.products import ProductsApi
from cloud.api.router import Router
from cloud.api.sessions import SessionsApi
from cloud.api.settings import SettingsApi
from cloud.api.stock_movements import StockMovementsApi
from cloud.api.sync_logs import SyncLogsApi
from cloud.api.two_factor import TwoFactorApi
from cloud.api.users import UsersApi
from cloud.api.worklist import WorklistApi
from cloud.bus import Bus, LocalBus
from cloud.catalog.keeping import BlobKeeping
from cloud.catalog.reading import ThreeMFReader
from cloud.catalog.sweeping import Sweeper
from cloud.draining import Draining
from cloud.hubs import Hubs, Timing
from cloud.integrations.mail import SmtpPostman, SmtpServer
from cloud.live import LiveGateway
from cloud.printing.engine import Printing
from cloud.printing.fleet import Fleet
from cloud.services import Services
from cloud.settings import Settings
from cloud.storage import migrations
from cloud.storage.files_folder import BlobStore
from cloud.storage.printers import id_of_number
from cloud.storage.secrets import KeyRing, Vault
from cloud.storage.store import Store

log = structlog.get_logger(__name__)

NUMBERED: Final = ("printers", "printers-sync", "v1")
"""Tags of the paths whose `{id}` may be a printer's number."""


def create_app(settings: Settings, draining: Draining | None = None) -> Starlette:
    """The application. Its parts are made when its lifespan begins, and ended when it ends."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with _services(settings, draining or Draining()) as services:
            app.state.services = services
            app.router.routes.extend(_routes(services))
            yield

    return Starlette(
        middleware=[Middleware(Edge, https=settings.public_url.startswith("https://"))],
        exception_handlers={HTTPException: errors.handle},
        lifespan=lifespan,
    )


@asynccontextmanager
async def _services(settings: Settings, draining: Draining) -> AsyncIterator[Services]:
    """Make the parts from the bottom up; end them from the top down, also when one of them cannot be made."""
    async with AsyncExitStack() as stack:
        settings.data_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        ring = settings.key_ring()
        vault = Vault(ring)
        store = await _storage(settings, stack)
        blobs = BlobStore(settings.data_dir / "blobs")
        await asyncio.to_thread(blobs.prepare)
        bus = LocalBus()
        await bus.start()
        stack.push_async_callback(bus.drain)
        postman = SmtpPostman(SmtpServer.parse(settings.smtp_url) if settings.smtp_url else None, settings.mail_from)
        await postman.start()
        stack.push_async_callback(postman.close)
        accounts = _accounts(settings, store, bus, ring, postman=postman, vault=vault)
        await accounts.start()
        oidc = _oidc(settings, store, ring, accounts)
        if oidc is not None:
            stack.push_async_callback(oidc.close)
        stack.push_async_callback(accounts.close)
        await _first_start(settings, accounts)
        gate = WebGate(
            accounts,
            secure=settings.secure_cookies,
            public_url=settings.public_url,
            allowed_origins=settings.allowed_origins,
        )
        reader, pictures = ThreeMFReader(), ThreeMFReader()
        stack.push_async_callback(reader.close)
        stack.push_async_callback(pictures.close)
        keeping = BlobKeeping(store, blobs)
        sweeper = Sweeper(store, blobs, keeping)
        sweeper.start()
        stack.push_async_callback(sweeper.close)
        printing = await _printing(store, bus, draining, stack)
        browsers = LiveGateway(bus, printing.live, gate)
        await browsers.start()
        stack.push_async_callback(browsers.close)
        draining.sockets("browsers", browsers.drain)
        hubs = Hubs(
            store=store,
            bus=bus,
            vault=vault,
            blobs=blobs,
            observer=printing.observer,
            timing=_timing(settings),
            uploads=settings.upload_concurrency,
            rollout_failures=settings.rollout_failures,
        )
        hubs.start()
        stack.push_async_callback(hubs.close)
        draining.sockets("hubs", hubs.drain)
        yield Services(
            settings=settings,
            store=store,
            bus=bus,
            blobs=blobs,
            keeping=keeping,
            vault=vault,
            accounts=accounts,
            oidc=oidc,
            gate=gate,
            printing=printing,
            fleet=Fleet(vault, printing.live, bus),
            browsers=browsers,
            hubs=hubs,
            reader=reader,
            pictures=pictures,
            draining=draining,
        )


async def _storage(settings: Settings, stack: AsyncExitStack) -> Store:
    await migrations.migrate(settings.database)
    store = await Store.open(settings.database, durable=settings.sqlite_durable)
    stack.push_async_callback(store.close)
    return store


async def _printing(store: Store, bus: Bus, draining: Draining, stack: AsyncExitStack) -> Printing:
    printing = Printing(store, bus)
    stack.push_async_callback(printing.stop)
    await printing.start()

    async def take_no_more_work(_seconds: float) -> None:
        await printing.dispatcher.close()
        await printing.attempts.close()

    draining.work("printing", take_no_more_work)
    return printing


def _accounts(
    settings: Settings, store: Store, bus: Bus, ring: KeyRing, *, postman: SmtpPostman, vault: Vault
) -> Accounts:
    lifetimes = Lifetimes(
        access=settings.access_minutes * 60,
        idle=settings.session_hours * 3600,
        longest=settings.session_max_days * 86400,
    )
    signup = settings.signup == "open"
    return Accounts(store, bus, ring, postman, vault, lifetimes=lifetimes, address=settings.address, signup=signup)


def _oidc(settings: Settings, store: Store, ring: KeyRing, accounts: Accounts) -> Oidc | None:
    if not settings.oidc_issuer or settings.oidc_client_secret is None:
        return None
    provider = OidcSettings(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        name=settings.oidc_name,
        redirect=f"{settings.address}/api/auth/oidc/callback",
    )
    return Oidc(store, accounts.sessions, ring, provider)


def _timing(settings: Settings) -> Timing:
    return Timing(
        beat_ms=settings.beat_ms,
        dead_ms=settings.dead_ms,
        watched_ms=settings.status_ms,
        unwatched_ms=settings.idle_status_ms,
    )


async def _first_start(settings: Settings, accounts: Accounts) -> None:
    """As long as there is nobody: the demo's owner, or a link for the first owner in the log."""
    if settings.demo_email and settings.demo_password is not None:
        if await accounts.ensure_owner(settings.demo_email, settings.demo_password):
            log.warning("demo owner created", email=settings.demo_email)
        return
    link = await accounts.new_setup_link()
    if link is not None:
        # Behind the `#`, so that no proxy and no access log sees it when it is used.
        url = f"{settings.address}/setup#{link.reveal()}"
        log.warning("nobody can log in yet: open this link within a day to create the owner", url=url)


def _endpoints(services: Services) -> tuple[list[Endpoint], list[Endpoint]]:
    """Those of everybody, and those that stand in for them for programs of the old system."""
    printing = services.printing
    printers = PrintersApi(services.fleet, printing.live, printing.jobs, printing.controls)
    upkeep = PrinterUpkeepApi(printing.upkeep, printing.live)
    jobs = JobsApi(printing.jobs)
    files = FilesApi(
        services.blobs, services.keeping, services.reader, services.pictures, services.settings.upload_limit_bytes
    )
    products, skus, goods = ProductsApi(services.blobs, services.keeping), ProductSkusApi(), FinishedGoodsApi()
    presets, plates, assembly, worklist = ColorPresetsApi(), BuildPlateTypesApi(), AssemblyTasksApi(), WorklistApi()
    on_printers = PrinterFilesApi(printing.files_on_printers)
    endpoints = [
        *AuthApi(services.accounts, services.gate).endpoints(),
        *OidcApi(services.accounts, services.gate, services.oidc, secure=services.settings.secure_cookies).endpoints(),
        *SessionsApi(services.accounts).endpoints(),
        *UsersApi(services.accounts).endpoints(),
        *TwoFactorApi(services.accounts).endpoints(),
        *ApiKeysApi(services.accounts.keys).endpoints(),
        *InvitationsApi(services.accounts).endpoints(),
        *SettingsApi().endpoints(),
        *AuditLogApi().endpoints(),
        *printers.endpoints(),
        *PrinterBulkApi(services.fleet, printing.jobs, printing.handling, printing.upkeep).endpoints(),
        *PrinterControlsApi(printing.handling).endpoints(),
        *PrinterOldPathsApi(
            printing.controls, printing.handling, printing.jobs, printing.files_on_printers
        ).endpoints(),
        *on_printers.endpoints(),
        *upkeep.endpoints(),
        *jobs.endpoints(),
        *files.endpoints(),
        *products.endpoints(),
        *skus.endpoints(),
        *plates.endpoints(),
        *presets.endpoints(),
        *StockMovementsApi().endpoints(),
        *goods.endpoints(),
        *assembly.endpoints(),
        *worklist.endpoints(),
        *OrdersApi().endpoints(),
        *SyncLogsApi().endpoints(),
        *AnalyticsApi().endpoints(),
        *HubsApi(printing.live, printing.hub_care).endpoints(),
        *HubCareApi(printing.live, printing.hub_care).endpoints(),
        *HubPrintersApi(printing.live, printing.hub_care).endpoints(),
        *PairingsApi(
            services.accounts.pairings, printing.hub_care, services.settings.address, services.settings.hub_page
        ).endpoints(),
        *HubReleaseFilesApi(services.store, services.blobs).endpoints(),
        *HubReleasesApi(services.hubs.rollout).endpoints(),
        *HealthApi(services.store, services.draining, migrations.head()).endpoints(),
        *OldPrintersApi(printers, upkeep).endpoints(),
        *OldControlsApi(printing.controls, printing.handling, printing.files_on_printers, files, jobs).endpoints(),
        *OldJobsApi(jobs).endpoints(),
        *OldMakingApi(jobs, printing.controls).endpoints(),
        *OldFilesApi(files, products).endpoints(),
        *OldProductsApi(products).endpoints(),
        *OldSkusApi(skus, goods).endpoints(),
        *OldGoodsApi(goods).endpoints(),
        *OldPresetsApi(presets).endpoints(),
        *OldLiveApi(printing.live).endpoints(),
    ]
    old_answers = [
        *OldConfiguredApi(printers, upkeep, on_printers, printing.controls).endpoints(),
        *(endpoint for things in (presets, plates, assembly, worklist) for endpoint in old_list(things)),
        *old_changes(presets, "preset"),
        *old_changes(plates, "build_plate"),
    ]
    return endpoints, old_answers


def _routes(services: Services) -> list[BaseRoute]:
    endpoints, old_answers = _endpoints(services)
    router = Router(services.store, services.gate, dict.fromkeys(NUMBERED, id_of_number), old_answers)
    return [
        *router.routes(endpoints),
        *Document(endpoints, old_answers, version=__version__, cookie=services.gate.cookie).routes(),
        services.browsers.route(),
        *services.browsers.old_routes(OldLiveApi(services.printing.live).message),
        services.hubs.route(),
        Mount("/", Dashboard(services.settings.dashboard_dir)),
    ]
