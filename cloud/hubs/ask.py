"""What `printing` asks of the node that holds a hub: commands, files to and from printers, a look through a camera."""

import asyncio
import base64
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import structlog

from cloud.bus import Bus
from cloud.catalog import models
from cloud.hubs.budget import PAIR
from cloud.hubs.desired import DesiredConfig
from cloud.hubs.leased import LeasedTunnel
from cloud.hubs.session import NEW_KEY, HubSession
from cloud.printing.asks import (
    Answer,
    CancelAsk,
    CommandAsk,
    ListFilesAsk,
    Progress,
    RemoveAsk,
    SnapshotAsk,
    UploadAsk,
    decode_ask,
    encode,
    transfer_subject,
)
from cloud.printing.camera import Camera, CameraError
from cloud.printing.controls import UNSURE
from cloud.printing.ftps import FtpsClient, FtpsError
from cloud.printing.printer_tls import Target
from cloud.printing.streams import ByteStream, StreamError, TunnelOpener
from cloud.storage import printers as printer_queries
from cloud.storage.files_folder import BlobStore
from cloud.storage.printers import Printer
from cloud.storage.secrets import SecretKeyError
from cloud.storage.store import Store
from cloud.storage.tenant import TenantStore

log = structlog.get_logger(__name__)

SOCKETS_S: Final = 300.0
"""How long a transfer stands in line for the hub's sockets before the asker is told to come again."""
TURN_S: Final = 20.0
"""The same for another file of the same printer: `printing` asks for one at a time, so this is a rest of the last."""
CAMERA_SOCKET_S: Final = 8.0
"""A person waits for the picture."""
_CLEAR_DATA_FAMILY: Final = "A1"
"""Its encrypted FTPS data connections may hang: reference/bambu.md §4."""


class HubAsks:
    """One per node. `close` when no hub is connected any more."""

    def __init__(self, store: Store, bus: Bus, blobs: BlobStore, desired: DesiredConfig, *, uploads: int) -> None:
        self._store = store
        self._bus = bus
        self._blobs = blobs
        self._desired = desired
        self._ftps = FtpsClient(uploads)
        self._camera = Camera()
        self._transfers: dict[str, asyncio.Task[Answer]] = {}
        self._busy: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def close(self) -> None:
        """Break off whatever is under way."""
        transfers = list(self._transfers.values())
        for transfer in transfers:
            transfer.cancel()
        await asyncio.gather(*transfers, return_exceptions=True)
        await self._camera.close()
        self._ftps.close()

    async def answer(self, session: HubSession, data: bytes) -> bytes:
        """One request of the bus. What printers and hubs do comes back as an answer, never as an exception."""
        try:
            ask = decode_ask(data)
        except msgspec.MsgspecError as error:
            return encode(Answer(ok=False, code="invalid", message=str(error)[:300]))
        match ask:
            case CommandAsk():
                answer = await session.desk.run(ask)
                if ask.name == "key" and not ask.printer_id and (answer.ok or answer.code in UNSURE):
                    session.end(NEW_KEY)  # its next connection tells which key it has
            case UploadAsk():
                answer = await self._transfer(session, ask)
            case CancelAsk():
                answer = await self._cancel(ask)
            case RemoveAsk():
                answer = await self._on_printer(session, ask.printer_id, lambda to, at: self._remove(ask, to, at))
            case ListFilesAsk():
                answer = await self._on_printer(session, ask.printer_id, lambda to, at: self._list(ask, to, at))
            case SnapshotAsk():
                answer = await self._snapshot(session, ask)
        return encode(answer)

    # ---- files

    async def _transfer(self, session: HubSession, ask: UploadAsk) -> Answer:
        """In a task that `cancel` can end; the same transfer asked for twice is one transfer."""
        task = self._transfers.get(ask.transfer_id)
        if task is None:
            work = self._on_printer(session, ask.printer_id, lambda to, at: self._upload(ask, to, at))
            task = self._transfers[ask.transfer_id] = asyncio.create_task(work, name=f"upload {ask.transfer_id}")
            task.add_done_callback(lambda _: self._transfers.pop(ask.transfer_id, None))
        await asyncio.wait({task})
        if task.cancelled():
            return Answer(ok=False, code="cancelled", message="The transfer was broken off.")
        return task.result()

    async def _cancel(self, ask: CancelAsk) -> Answer:
        task = self._transfers.get(ask.transfer_id)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        return Answer(ok=True)

    async def _upload(self, ask: UploadAsk, opener: TunnelOpener, target: Target) -> Answer:
        try:
            source = self._blobs.path(ask.sha256)
        except ValueError:
            return Answer(ok=False, code="missing", message="There is no such file in the store.")
        subject = transfer_subject(ask.transfer_id)

        def tell(sent: int) -> None:
            self._bus.publish(subject, encode(Progress(sent=sent, size=ask.size)))

        result = await self._ftps.upload(opener, target, source, ask.size, ask.remote_path, own=ask.own, progress=tell)
        return Answer(ok=True, data=msgspec.to_builtins(result))

    async def _remove(self, ask: RemoveAsk, opener: TunnelOpener, target: Target) -> Answer:
        await self._ftps.remove(opener, target, ask.remote_path)
        return Answer(ok=True)

    async def _list(self, ask: ListFilesAsk, opener: TunnelOpener, target: Target) -> Answer:
        found = await self._ftps.list(opener, target, ask.folders)
        return Answer(ok=True, data=msgspec.to_builtins(found))

    async def _on_printer(
        self, session: HubSession, printer_id: str, work: Callable[[TunnelOpener, Target], Awaitable[Answer]]
    ) -> Answer:
        """A file operation: one at a time on a printer, with a pair of the hub's sockets to itself."""
        try:
            printer = await self._printer(session, printer_id)
            target = self._target(printer, printer.ftps_port)
            async with self._turn(printer_id), session.budget.lease(PAIR, SOCKETS_S):
                return await work(lambda port: session.tunnels.open(printer_id, port), target)
        except (FtpsError, StreamError) as error:
            if session.ended:  # whatever broke, this is why
                return Answer(ok=False, code="offline", message="The hub went away.")
            return Answer(ok=False, code=error.code, message=error.sentence)

    @asynccontextmanager
    async def _turn(self, printer_id: str) -> AsyncIterator[None]:
        lock = self._busy[printer_id]
        try:
            async with asyncio.timeout(TURN_S):
                await lock.acquire()
        except TimeoutError:
            raise StreamError("busy", "Another file is on its way to this printer.") from None
        try:
            yield
        finally:
            lock.release()

    # ---- camera

    async def _snapshot(self, session: HubSession, ask: SnapshotAsk) -> Answer:
        async def open_tunnel(port: int) -> ByteStream:
            return await LeasedTunnel.open(session, ask.printer_id, port, CAMERA_SOCKET_S)

        try:
            printer = await self._printer(session, ask.printer_id)
            model = models.by_code(printer.model)
            if model is not None and not model.has_jpeg_camera:
                return Answer(ok=False, code="no_camera", message="This model's camera gives no pictures this way.")
            target = self._target(printer, printer.camera_port)
            jpeg = await self._camera.snapshot(printer.id, open_tunnel, target)
        except (CameraError, StreamError) as error:
            if session.ended:
                return Answer(ok=False, code="offline", message="The hub went away.")
            return Answer(ok=False, code=error.code, message=error.sentence)
        return Answer(ok=True, data={"jpeg": base64.b64encode(jpeg).decode("ascii")})

    # ---- printers

    async def _printer(self, session: HubSession, printer_id: str) -> Printer:
        """As the database has it now: its certificate may have been pinned since the hub was configured."""
        tenant = TenantStore(self._store, session.tenant_id)
        printer = await tenant.read(lambda tx: printer_queries.get(tx, printer_id))
        if printer is None or printer.hub_id != session.hub_id:
            raise StreamError("unknown_printer", "This hub has no such printer.")
        return printer

    def _target(self, printer: Printer, port: int) -> Target:
        model = models.by_code(printer.model)
        try:
            access_code = self._desired.access_code(printer)
        except SecretKeyError:
            log.warning("hub.access_code_unreadable", printer=printer.id)
            raise StreamError("auth_failed", "The printer's access code must be entered again.") from None
        return Target(
            port=port,
            access_code=access_code,
            certificate=printer.cert_sha256,
            clear_data=model is not None and model.family == _CLEAR_DATA_FAMILY,
        )
