"""The whole application on a real server, and clients that speak to it as somebody."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self
from unittest import mock

import aiohttp
import msgspec
import uvicorn

from cloud.accounts import Role, passwords
from cloud.accounts.passwords import Passwords
from cloud.app import create_app
from cloud.services import Services
from cloud.settings import Settings
from cloud.sockets import SocketProtocol
from cloud.storage import accounts as account_queries
from cloud.storage import ids
from cloud.storage.secrets import Secret
from cloud.storage.store import Tx
from cloud.storage.tenant import TenantStore, TenantTx
from tests.cloud.serving import Server, listening
from tests.templates import migrated_sqlite

OWNER = "owner@example.com"
PASSWORD = "a long enough password"
JSON = dict[str, Any]


class Client:
    """HTTP as one person, by bearer token, or as nobody."""

    def __init__(self, base: str, token: str = "") -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.token = token
        self.http = aiohttp.ClientSession(base, headers=headers, cookie_jar=aiohttp.DummyCookieJar())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        """Status and decoded answer."""
        if body is not None:
            options["json"] = body
        async with self.http.request(method, path, **options) as answer:
            data = await answer.read()
            if answer.content_type == "application/json" and data:
                return answer.status, msgspec.json.decode(data)
            return answer.status, data

    async def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The answer of a call that must succeed."""
        status, answer = await self.call(method, path, body, **options)
        assert 200 <= status < 300, f"{method} {path}: {status} {answer}"
        return answer

    async def refused(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, str]:
        """Status and error code of a call that must fail, in the one shape of errors."""
        status, answer = await self.call(method, path, body, **options)
        assert status >= 400, f"{method} {path}: {status} {answer}"
        assert set(answer) == {"error"}
        assert set(answer["error"]) == {"code", "message", "details"}
        assert answer["error"]["message"]
        return status, answer["error"]["code"]

    async def upload(self, content: bytes, name: str = "bracket.gcode.3mf") -> tuple[int, Any]:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("file", io.BytesIO(content), filename=name, content_type="application/octet-stream")
        return await self.call("POST", "/api/files/upload", data=form)


class Cloud:
    """A running application with its owner."""

    def __init__(self, base: str, services: Services, owner: Client) -> None:
        self.base = base
        self.services = services
        self.owner = owner
        self._clients: list[Client] = [owner]

    def anonymous(self) -> Client:
        return self._kept(Client(self.base))

    async def person(self, role: Role, tenant_id: str | None = None) -> Client:
        """Somebody with this role: in the owner's tenant, or in another."""
        email = f"{ids.new('usr')}@example.com"
        hashed = await Passwords(CHEAP_KIB).hash(Secret(PASSWORD))
        tenant = tenant_id or await self.tenant_id()

        async def unit(tx: Tx) -> None:
            scoped = TenantTx(tx, tenant)
            await account_queries.create_user(scoped, email=email, name=role, password_hash=hashed, role=role)

        await self.services.store.write(unit)
        return await self.login(email)

    async def stranger(self) -> Client:
        """The owner of another tenant."""
        tenant = await self.services.store.write(lambda tx: account_queries.create_tenant(tx, "Another farm"))
        return await self.person("owner", tenant)

    async def login(self, email: str = OWNER) -> Client:
        anonymous = self.anonymous()
        answer = await anonymous.ok("POST", "/api/auth/login", {"email": email, "password": PASSWORD})
        return self._kept(Client(self.base, answer["access_token"]))

    async def tenant_id(self) -> str:
        principal = await self.services.accounts.sessions.authenticate(self.owner.token)
        assert principal is not None
        return principal.tenant_id

    async def tenant(self) -> TenantStore:
        return TenantStore(self.services.store, await self.tenant_id())

    async def hub(self, name: str = "Hub") -> str:
        made: JSON = await self.owner.ok("POST", "/api/hubs/", {"name": name})
        return str(made["id"])

    async def printer(self, serial: str = "01P00A000000001", **changes: Any) -> JSON:
        """Add a printer, with a hub when there is none yet."""
        if not (await self.owner.ok("GET", "/api/hubs/"))["items"]:
            await self.hub()
        body = {"name": "P1S", "ip_address": "192.168.1.20", "serial_number": serial, "access_code": "87654321"}
        made: JSON = await self.owner.ok("POST", "/api/printers/", {**body, **changes})
        return made

    async def close(self) -> None:
        for client in self._clients:
            await client.http.close()

    def _kept(self, client: Client) -> Client:
        self._clients.append(client)
        return client


CHEAP_KIB = 64
"""For hashing a password. What the product takes touches 46 MB for 75 ms, three times with each cloud that starts."""


def settings_for(folder: Path, **changes: Any) -> Settings:
    values = {"data_dir": folder / "data", "demo_email": OWNER, "demo_password": Secret(PASSWORD), **changes}
    return Settings(**values).checked()


@asynccontextmanager
async def running_cloud(folder: Path, **changes: Any) -> AsyncIterator[Cloud]:
    """Serve the application on a free port of the loopback interface."""
    with listening() as listener, mock.patch.object(passwords, "MEMORY_KIB", CHEAP_KIB):
        port = listener.getsockname()[1]
        settings = settings_for(folder, port=port, **changes)
        file = settings.data_dir / "printfarm.db"
        if not settings.database_url and not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(migrated_sqlite())
        app = create_app(settings)
        config = uvicorn.Config(
            app, ws=SocketProtocol, lifespan="on", log_config=None, access_log=False, timeout_graceful_shutdown=2
        )
        server = Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            async with asyncio.timeout(20):
                while not server.started:
                    assert not serving.done(), "the application did not start"
                    await asyncio.sleep(0.005)
            base, token = f"http://127.0.0.1:{port}", ""
            if changes.get("demo_email", OWNER):
                async with Client(base) as nobody:
                    login = await nobody.ok("POST", "/api/auth/login", {"email": OWNER, "password": PASSWORD})
                token = login["access_token"]
            cloud = Cloud(base, app.state.services, Client(base, token))
            try:
                yield cloud
            finally:
                await cloud.close()
        finally:
            server.should_exit = True
            await serving
