"""What drives the virtual printer in its tests: an MQTT client and an FTPS client of our own, and small print files."""

from __future__ import annotations

import asyncio
import contextlib
import ftplib
import hashlib
import io
import json
import os
import ssl
import struct
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from tools.virtual_printer.harness import RunningPrinter

PATIENCE = 20.0


def own_address() -> str:
    """A loopback address of this test worker, so that parallel runs never share a port."""
    number = os.getpid() % 60000
    return f"127.78.{number // 250 + 1}.{number % 250 + 1}"


def client_context(*, maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> ssl.SSLContext:
    """TLS as clients of these printers use it: no authority, no host name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = maximum
    return context


def make_3mf(
    *,
    seconds: float = 600,
    layers: int = 40,
    plate: int = 1,
    model: str = "C12",
    nozzle: str = "0.4",
    filaments: tuple[int, ...] = (1,),
    objects: tuple[int, ...] = (208, 230),
    wrong_md5: bool = False,
    padding: int = 0,
) -> bytes:
    """A small sliced file with one plate; `padding` adds that many bytes that do not compress."""
    header = f"; HEADER_BLOCK_START\n; total layer number: {layers}\n; HEADER_BLOCK_END\n"
    gcode = f"{header}G28\n; {os.urandom(padding).hex()}\n".encode()
    digest = hashlib.md5(gcode, usedforsecurity=False).hexdigest().upper()
    parts = "".join(f'<object identify_id="{number}" name="o" skipped="false"/>' for number in objects)
    parts += "".join(f'<filament id="{number}" type="PLA" color="#FFFFFF" used_g="1"/>' for number in filaments)
    info = (
        f'<config><plate><metadata key="index" value="{plate}"/>'
        f'<metadata key="printer_model_id" value="{model}"/><metadata key="nozzle_diameters" value="{nozzle}"/>'
        f'<metadata key="prediction" value="{seconds}"/>{parts}</plate></config>'
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"Metadata/plate_{plate}.gcode", gcode)
        archive.writestr(f"Metadata/plate_{plate}.gcode.md5", "0" * 32 if wrong_md5 else digest)
        archive.writestr("Metadata/slice_info.config", info)
    return buffer.getvalue()


def start_request(path: str, *, plate: int = 1, **more: Any) -> dict[str, Any]:
    """A `project_file` request for a file on the storage."""
    name = path.rsplit("/", 1)[-1].removesuffix(".gcode.3mf")
    return {
        "command": "project_file",
        "sequence_id": "20417",
        "param": f"Metadata/plate_{plate}.gcode",
        "url": f"file:///sdcard{path}",
        "subtask_name": name,
        "task_id": "73124",
        "subtask_id": "73124",
        "use_ams": False,
        **more,
    }


class LoginRefused(Exception):  # noqa: N818 - named for what happened
    """CONNACK with a code other than 0."""

    def __init__(self, code: int) -> None:
        super().__init__(f"CONNACK {code}")
        self.code = code


class Mqtt:
    """A small MQTT 3.1.1 client that shares no code with the printer."""

    def __init__(self, printer: RunningPrinter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._printer = printer
        self._reader = reader
        self._writer = writer
        self._receiver: asyncio.Task[None] | None = None
        self._sequence = 20000
        self.raw: list[bytes] = []
        """Payloads as they came."""
        self.messages: list[dict[str, Any]] = []
        self.acknowledged: list[int] = []
        self.ponged = asyncio.Event()
        self.closed = asyncio.Event()
        self._news = asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def session(
        cls,
        printer: RunningPrinter,
        *,
        code: str | None = None,
        client_id: str = "",
        level: int = 4,
        topic: str | None = None,
        user: str = "bblp",
    ) -> AsyncIterator[Mqtt]:
        """Connected, logged in and (unless topic is "") subscribed, for as long as the block lasts.

        Raises LoginRefused, or EOFError/OSError when the printer just hangs up.
        """
        reader, writer = await asyncio.open_connection(printer.address, printer.ports["mqtt"], ssl=client_context())
        client = cls(printer, reader, writer)
        try:
            await client._login(client_id, level, user, printer.access_code if code is None else code)
            client._receiver = asyncio.create_task(client._receive())
            if topic != "":
                await client.subscribe(topic or f"device/{printer.serial}/report")
            yield client
        finally:
            await client._close()

    async def subscribe(self, topic: str) -> None:
        self._send(0x82, struct.pack(">H", 1) + _text(topic) + b"\0")
        await self._writer.drain()

    async def ping(self) -> None:
        self._send(0xC0, b"")
        await self._writer.drain()

    async def goodbye(self) -> None:
        self._send(0xE0, b"")
        await self._writer.drain()

    async def publish(self, payload: bytes, *, topic: str | None = None, qos: int = 0, packet_id: int = 7) -> None:
        identity = struct.pack(">H", packet_id) if qos else b""
        name = topic or f"device/{self._printer.serial}/request"
        self._send(0x30 | qos << 1, _text(name) + identity + payload)
        await self._writer.drain()

    async def request(self, section: str, command: str, **fields: Any) -> dict[str, Any]:
        """Send a command and return its answer (matched by sequence_id)."""
        self._sequence += 1
        number = str(self._sequence)
        body = {"command": command, **fields, "sequence_id": number}
        await self.publish(json.dumps({section: body}).encode(), qos=1)
        answer = await self.until(lambda m: m.get(section, {}).get("sequence_id") == number and not _is_report(m))
        return dict(answer[section])

    async def until(
        self, wanted: Callable[[dict[str, Any]], bool], *, after: int = 0, within: float = PATIENCE
    ) -> dict[str, Any]:
        """The first message from number `after` on for which `wanted` holds; TimeoutError."""
        seen = after
        async with asyncio.timeout(within):
            while True:
                while seen < len(self.messages):
                    message = self.messages[seen]
                    seen += 1
                    if wanted(message):
                        return message
                if self.closed.is_set():
                    raise EOFError("the printer hung up")
                self._news.clear()
                await self._news.wait()

    async def report(self, *, after: int = 0, within: float = PATIENCE, **fields: Any) -> dict[str, Any]:
        """The first report in which every given field has the given value."""
        found = await self.until(
            lambda m: _is_report(m) and all(m["print"].get(k) == v for k, v in fields.items()),
            after=after,
            within=within,
        )
        return dict(found["print"])

    def reports(self) -> list[dict[str, Any]]:
        return [message["print"] for message in self.messages if _is_report(message)]

    async def _login(self, client_id: str, level: int, user: str, code: str) -> None:
        name = "MQTT" if level > 3 else "MQIsdp"
        head = _text(name) + bytes([level, 0xC2]) + struct.pack(">H", 60)
        properties = b"\0" if level > 4 else b""
        self._send(0x10, head + properties + _text(client_id) + _text(user) + _text(code))
        async with asyncio.timeout(PATIENCE):
            answer = await self._reader.readexactly(4)
        if answer[3] != 0:
            raise LoginRefused(answer[3])

    async def _receive(self) -> None:
        try:
            while True:
                kind = (await self._reader.readexactly(1))[0]
                body = await self._reader.readexactly(await self._length())
                if kind >> 4 == 3:
                    size = struct.unpack(">H", body[:2])[0]
                    self.raw.append(body[2 + size :])
                    self.messages.append(json.loads(body[2 + size :]))
                elif kind >> 4 == 4:
                    self.acknowledged.append(struct.unpack(">H", body)[0])
                elif kind >> 4 == 13:
                    self.ponged.set()
                self._news.set()
        except (EOFError, OSError):
            self.closed.set()
            self._news.set()

    async def _length(self) -> int:
        length = shift = 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            length |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return length
            shift += 7

    def _send(self, first: int, body: bytes) -> None:
        length, head = len(body), bytearray([first])
        while True:
            byte, length = length & 0x7F, length >> 7
            head.append(byte | (0x80 if length else 0))
            if not length:
                break
        self._writer.write(bytes(head) + body)

    async def _close(self) -> None:
        if self._receiver is not None:
            self._receiver.cancel()
            await asyncio.gather(self._receiver, return_exceptions=True)
        self._writer.transport.abort()
        with contextlib.suppress(OSError, ssl.SSLError):
            await self._writer.wait_closed()


def _is_report(message: dict[str, Any]) -> bool:
    return bool(message.get("print", {}).get("command") == "push_status")


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">H", len(data)) + data


class Ftps(ftplib.FTP_TLS):
    """Implicit FTPS with (or deliberately without) TLS session reuse on data connections."""

    def __init__(self, *, reuse: bool = True) -> None:
        super().__init__(context=client_context(), timeout=PATIENCE)
        self.reuse = reuse

    @classmethod
    @contextlib.contextmanager
    def session(cls, printer: RunningPrinter, *, reuse: bool = True, code: str | None = None) -> Iterator[Ftps]:
        """Logged in with PROT P for as long as the block lasts."""
        client = cls(reuse=reuse)
        client.connect(printer.address, printer.ports["ftps"])
        try:
            client.login("bblp", printer.access_code if code is None else code)
            client.prot_p()
            yield client
        finally:
            client.close()

    def connect(self, host: str = "", port: int = 0, *_: Any, **__: Any) -> str:
        import socket

        plain = socket.create_connection((host, port), timeout=PATIENCE)
        self.host, self.port, self.af = host, port, plain.family
        self.sock = self.context.wrap_socket(plain)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome

    def ntransfercmd(self, cmd: str, rest: Any = None) -> tuple[Any, int | None]:
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - TLS follows
        if self._prot_p:  # type: ignore[attr-defined]
            assert isinstance(self.sock, ssl.SSLSocket)
            session = self.sock.session if self.reuse else None
            try:
                conn = self.context.wrap_socket(conn, session=session)
            except OSError:
                conn.close()
                raise
        return conn, size

    def put(self, path: str, content: bytes, *, block: int = 16384) -> str:
        """STOR without waiting for the printer's close-notify; returns the final reply."""
        self.voidcmd("TYPE I")
        conn = self.transfercmd(f"STOR {path}")
        try:
            for start in range(0, len(content), block):
                conn.sendall(content[start : start + block])
        finally:
            conn.close()
        return str(self.voidresp())


async def upload(printer: RunningPrinter, path: str, content: bytes) -> None:
    """Put a file on the printer's storage, over FTPS."""

    def work() -> None:
        with Ftps.session(printer) as client:
            client.put(path, content)

    await asyncio.to_thread(work)
