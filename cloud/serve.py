"""Running the cloud: our own uvicorn, which says goodbye before it closes sockets."""

import asyncio
import contextvars
import signal
import socket
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec
import structlog
import uvicorn

from cloud import logs, releasing
from cloud import rekey as rekeying
from cloud.accounts.links import new_farm_link
from cloud.app import create_app
from cloud.data_dir import DataDirError, locked
from cloud.draining import Draining
from cloud.settings import Settings, SettingsError
from cloud.sockets import SocketProtocol
from cloud.storage import migrations
from cloud.storage.migrations.runner import MigrationError, UnknownRevisionError
from cloud.storage.secrets import Secret, SecretKeyError, Vault
from cloud.storage.store import Store

log = structlog.get_logger(__name__)

MAX_FRAME_BYTES: Final = 64 * 1024
PING_SECONDS: Final = 20.0
KEEP_ALIVE_SECONDS: Final = 20
LAST_REQUESTS_SECONDS: Final = 5
"""How long requests under way may take to end once the sockets are closed."""
READY_LINE: Final = "PRINTFARM READY"


class Server(uvicorn.Server):
    """uvicorn closes every socket at once and only then tells the application; this one tells it first."""

    def __init__(self, config: uvicorn.Config, draining: Draining, *, seconds: float, address: str) -> None:
        super().__init__(config)
        self._draining = draining
        self._seconds = seconds
        self._address = address
        self._leaving: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # A signal interrupts whichever request is at work; its id must not stand in our log lines.
        self._context = contextvars.copy_context()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            print(f"{READY_LINE} {self._address}", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, a second one leaves at once. The process ends with status 0 either way."""
        if self._loop is None or not self.started or self._leaving is not None or self._draining.begun:
            self.should_exit = True
            self.force_exit = self.started
            return
        self._loop.call_soon_threadsafe(self._leave, signal.Signals(sig).name, context=self._context)

    def _leave(self, name: str) -> None:
        if self._leaving is None:
            log.info("told to stop", signal=name)
            self._leaving = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        try:
            await self._draining.run(self._seconds)
        finally:
            self.should_exit = True


def run(settings: Settings) -> int:
    """Serve until told to stop; the exit status. What keeps it from starting is told in a sentence, not a traceback."""
    logs.configure(settings.log_format, settings.log_level)
    try:
        with locked(settings.data_dir), _bound(settings) as listener:
            settings = msgspec.structs.replace(settings, port=listener.getsockname()[1])
            log.info("starting", **settings.shown())
            settings.key_ring()
            _migrate(settings)
            return _serve(settings, listener)
    except (DataDirError, SecretKeyError, UnknownRevisionError, _CannotStartError) as error:
        return _refuse(str(error))


class _CannotStartError(RuntimeError):
    """The message is for the person who started the program."""


def _migrate(settings: Settings) -> None:
    try:
        asyncio.run(migrations.migrate(settings.database))
    except MigrationError as error:
        log.exception("the database cannot be brought up to date")
        raise _CannotStartError(f"The database cannot be used: {error}") from None


def _serve(settings: Settings, listener: socket.socket) -> int:
    draining = Draining()
    config = uvicorn.Config(
        create_app(settings, draining),
        loop="uvloop",
        http="httptools",
        ws=SocketProtocol,
        ws_max_size=MAX_FRAME_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=LAST_REQUESTS_SECONDS,
    )
    server = Server(config, draining, seconds=settings.drain_seconds, address=settings.address)
    server.run(sockets=[listener])
    return 0 if server.started else 3


def _bound(settings: Settings) -> socket.socket:
    """Bound before anything else, so that the address is known, and a taken one stops us before the database opens."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host.strip("[]"), settings.port))
    except OSError as error:
        listener.close()
        sentence = f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}."
        raise _CannotStartError(sentence) from None
    listener.set_inheritable(False)
    return listener


def _refuse(sentence: str) -> int:
    print(f"printfarm: {sentence}", file=sys.stderr, flush=True)
    return 1


def rekey(settings: Settings) -> int:
    """Seal every secret at rest again under the first key of the ring; prints how many."""

    async def work() -> dict[str, int]:
        vault = Vault(settings.key_ring())
        await migrations.migrate(settings.database)
        store = await Store.open(settings.database)
        try:
            return await rekeying.rekey(store, vault)
        finally:
            await store.close()

    logs.configure(settings.log_format, "warning")
    try:
        with locked(settings.data_dir):
            for table, count in asyncio.run(work()).items():
                print(f"{table}: {count} sealed again")
    except (DataDirError, SecretKeyError, UnknownRevisionError, MigrationError) as error:
        return _refuse(str(error))
    return 0


def add_farm(settings: Settings, name: str, email: str) -> int:
    """Print a link whose first visitor becomes the owner of a new farm."""

    async def work() -> Secret:
        await migrations.migrate(settings.database)
        store = await Store.open(settings.database)
        try:
            return await new_farm_link(store, name, email, settings.address)
        finally:
            await store.close()

    logs.configure(settings.log_format, "warning")
    try:
        print(asyncio.run(work()).reveal())
    except (SecretKeyError, UnknownRevisionError, MigrationError) as error:
        return _refuse(str(error))
    return 0


def releases(settings: Settings, given: Namespace) -> int:
    """Publish a release of the hubs' firmware, or show and change how one goes."""
    logs.configure(settings.log_format, "warning")
    try:
        print(asyncio.run(releasing.run(settings, given)))
    except (releasing.ReleasingError, UnknownRevisionError, MigrationError) as error:
        return _refuse(str(error))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """`python -m cloud [--port N] [--host ADDRESS] [--data-dir DIR] [rekey | add-farm … | add-release … | rollout …]`.

    All else comes from PRINTFARM_* variables.
    """
    parser = ArgumentParser(prog="printfarm", description="The PrintFarm cloud. Settings: PRINTFARM_* variables.")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on, 0 = any free one")
    parser.add_argument("--data-dir", type=Path, help="where database, files and keys are")
    commands = parser.add_subparsers(dest="command", metavar="command", help="left out: serve")
    commands.add_parser("rekey", help="seal every secret again under the first of the PRINTFARM_SECRET_KEY keys")
    farm = commands.add_parser("add-farm", help="print a link that makes a new farm and its owner")
    farm.add_argument("name")
    farm.add_argument("email")
    releasing.declare(commands)
    given = parser.parse_args(arguments)
    own = {name: getattr(given, name) for name in ("host", "port", "data_dir") if getattr(given, name) is not None}
    try:
        settings = msgspec.structs.replace(Settings.from_env(), **own).checked()
    except SettingsError as error:
        return _refuse(str(error))
    if given.command in releasing.COMMANDS:
        return releases(settings, given)
    if given.command == "rekey":
        return rekey(settings)
    return add_farm(settings, given.name, given.email) if given.command == "add-farm" else run(settings)
