"""A hub that belongs to nobody: the real firmware in setup mode, with its Bluetooth and its access point's page.

Its Bluetooth is a line protocol on a TCP connection (hub/board/ble_unix.py), which is bridged to the air of Chromium;
the Wi-Fi networks in range stand in a file. When it is paired, the same data folder is the paired hub's.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from shared_protocol import pairing
from tools import build_firmware
from tools.farm.cloud import free_port
from tools.hub import HubProcess, command, environment

PATIENCE_S = 20.0

# Setup mode on the board that tests use: what is not of this machine comes from the data folder.
PROGRAM = """
import asyncio, json
from hub.board.radio_unix import Radio
from hub.board.unix import Board
from hub.provisioning import Setup
from shared_protocol import pairing

class Labelled(Board):
    target = "unix"

    def __init__(self):
        super().__init__()
        self.radio = Radio()

    def _own(self):
        with open(self.data_dir + "/device.json") as file:
            return json.load(file)

    def device(self):
        return pairing.secret_of(self._own()["secret"])

    def recall(self, name, default):
        return self._own().get(name, default)

asyncio.run(Setup(Labelled(), "0.1.0").run())
"""


class UnpairedHub:
    """`label` is what stands beneath its code; `device` its public id."""

    def __init__(self, folder: Path, networks: dict[str, str], *, epoch: int = 0, label: str = "") -> None:
        self.folder = folder
        self.secret = pairing.secret_of(label) if label else secrets.token_bytes(pairing.SECRET_BYTES)
        self.label = pairing.base32(self.secret)
        self.device = pairing.device_of(pairing.proof_of(self.secret))
        self.name = ""
        self.page = ""
        folder.mkdir(parents=True, exist_ok=True)
        own = folder / "device.json"
        own.touch(mode=0o600)
        own.write_text(json.dumps({"secret": self.label, "epoch": epoch}))
        self.in_range(networks)
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._here = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._log: list[str] = []

    def in_range(self, networks: dict[str, str], *, dhcp: bool = True) -> None:
        """The Wi-Fi networks that it sees, with their passwords."""
        points = [{"ssid": ssid, "password": password, "dhcp": dhcp} for ssid, password in networks.items()]
        (self.folder / "radio.json").write_text(json.dumps(points))

    @contextlib.asynccontextmanager
    async def switched_on(self) -> AsyncIterator[UnpairedHub]:
        """Plugged in, until the block ends."""
        async with await asyncio.start_server(self._carried, "127.0.0.1", 0) as server:
            port, page = server.sockets[0].getsockname()[1], free_port()
            self.page = f"http://127.0.0.1:{page}"
            process = await asyncio.create_subprocess_exec(
                *command("-c", PROGRAM),
                env=environment(
                    self.folder,
                    PF_BLE=f"127.0.0.1:{port}",
                    PF_PAGE=str(page),
                    PF_RADIO=str((self.folder / "radio.json").resolve()),
                ),
                cwd=build_firmware.compiled(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            reading = asyncio.create_task(self._read(process))
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._here.wait()
                yield self
            except TimeoutError:
                raise TimeoutError("the hub did not come up:\n" + "\n".join(self._log)) from None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
                await reading
                if self._writer is not None:
                    self._writer.close()

    def paired(self) -> HubProcess:
        """The hub that it became, with the identity that it stored itself; not started."""
        identity = json.loads((self.folder / "identity.json").read_text())
        return HubProcess(self.folder, identity["hub"], identity["key"], identity["cloud"])

    # ---- what the air asks

    async def info(self) -> bytes:
        return await self._ask("read", pairing.INFO_UUID)

    async def out(self) -> bytes:
        return await self._ask("read", pairing.OUT_UUID)

    async def write(self, data: bytes) -> None:
        await self._ask("write", pairing.IN_UUID, value=data.hex())

    async def _ask(self, op: str, uuid: str, **more: str) -> bytes:
        assert self._writer is not None
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps({"id": number, "op": op, "uuid": uuid, **more}).encode() + b"\n")
        async with asyncio.timeout(PATIENCE_S):
            return bytes.fromhex((await answer).get("value", ""))

    async def _carried(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        while line := await reader.readline():
            told = json.loads(line)
            if "name" in told:
                self.name = told["name"]
                self._here.set()
            elif "id" in told:
                self._answers.pop(told["id"]).set_result(told)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self._log.append(line.decode(errors="replace").rstrip())
