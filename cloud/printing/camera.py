"""One JPEG frame from a printer's camera, over a tunnel. Protocol: reference/bambu.md §5.1 (TLS, port 6000)."""

import asyncio
import contextlib
import ssl
import struct
from typing import Final

from cloud.printing.printer_tls import CertificateError, Target, check_pin, client_context
from cloud.printing.streams import Bridge, StreamError, TunnelOpener

SECONDS: Final = 25.0
"""A frame comes every 1 to 2 s, the first ones may be old."""
MAX_FRAME: Final = 4 * 2**20
_USER: Final = b"bblp"
_STALE: Final = 0.3
"""A frame that was there sooner than this after the one before it was waiting in the printer: it is an old one."""
_MOST: Final = 8
_HEADER: Final = struct.Struct("<IIII")


class CameraError(Exception):
    """No picture; `code` is one of asks.FAILURES."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence


class Camera:
    """Snapshots of many printers; a printer has one viewer, so those who ask at the same time get one frame."""

    def __init__(self) -> None:
        self._looking: dict[str, asyncio.Task[bytes]] = {}

    async def snapshot(self, printer_id: str, open_tunnel: TunnelOpener, target: Target) -> bytes:
        """A fresh frame. Raises CameraError."""
        task = self._looking.get(printer_id)
        if task is None:
            task = asyncio.create_task(_snapshot(open_tunnel, target), name=f"camera {printer_id}")
            self._looking[printer_id] = task
            task.add_done_callback(lambda _: self._looking.pop(printer_id, None))
        # The one who came first may leave: the others still wait for the picture, which ends by its time limit.
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Break off what is under way."""
        tasks = list(self._looking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _snapshot(open_tunnel: TunnelOpener, target: Target) -> bytes:
    frames: list[bytes] = []
    try:
        async with asyncio.timeout(SECONDS):
            bridge = Bridge(await open_tunnel(target.port))
            try:
                return await _watch(bridge, target, frames)
            finally:
                bridge.socket.close()
                await bridge.close()
    except TimeoutError:
        if frames:
            return frames[-1]
        raise CameraError("no_frame", "The camera sent no picture in time.") from None
    except StreamError as error:
        raise CameraError(error.code, error.sentence) from None
    except CertificateError:
        raise CameraError("cert_changed", "The printer shows another certificate than the known one.") from None
    except asyncio.IncompleteReadError:
        if frames:
            return frames[-1]
        raise CameraError("auth_failed", "The printer closed the camera connection: check the access code.") from None
    except (OSError, ssl.SSLError) as error:
        raise CameraError("broken", f"The connection to the camera broke ({type(error).__name__}).") from None


async def _watch(bridge: Bridge, target: Target, frames: list[bytes]) -> bytes:
    bridge.socket.setblocking(False)
    reader, writer = await asyncio.open_connection(
        sock=bridge.socket, ssl=client_context(), server_hostname="", limit=MAX_FRAME
    )
    try:
        check_pin(writer.get_extra_info("ssl_object").getpeercert(binary_form=True), target.certificate)
        writer.write(greeting(target.access_code))
        await writer.drain()
        return await _fresh(reader, frames)
    finally:
        # The printer need not answer a close-notify.
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _fresh(reader: asyncio.StreamReader, frames: list[bytes]) -> bytes:
    """The first frame that was made after we came; every complete one is kept in case no better one comes."""
    loop = asyncio.get_running_loop()
    before = loop.time()
    while True:
        frame = await _frame(reader)
        now = loop.time()
        live = bool(frames) and now - before >= _STALE
        frames.append(frame)
        before = now
        if live or len(frames) >= _MOST:
            return frame


async def _frame(reader: asyncio.StreamReader) -> bytes:
    size, _, _, _ = _HEADER.unpack(await reader.readexactly(_HEADER.size))
    if not 4 <= size <= MAX_FRAME:
        raise CameraError("no_frame", "The camera sent something that is no picture.")
    frame = await reader.readexactly(size)
    if not frame.startswith(b"\xff\xd8") or not frame.endswith(b"\xff\xd9"):
        raise CameraError("no_frame", "The camera sent something that is no picture.")
    return frame


def greeting(access_code: str) -> bytes:
    """The 80 bytes a viewer sends first."""
    return _HEADER.pack(0x40, 0x3000, 0, 0) + _USER.ljust(32, b"\0") + access_code.encode().ljust(32, b"\0")[:32]
