"""Replacing the master key: everything sealed is sealed again, and the old key can be thrown away."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from cloud.rekey import rekey
from cloud.storage.secrets import KeyRing, Secret, SecretKeyError, Vault
from cloud.storage.store import Store
from cloud.storage.tables import printers
from tests.cloud.api_kit import running_cloud

OLD, NEW = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))


async def test_after_rekeying_the_new_key_alone_opens_everything(tmp_path: Path, database: str) -> None:
    async with running_cloud(tmp_path, database_url=database, secret_key=Secret(OLD)) as cloud:
        made = await cloud.printer()
        await cloud.owner.ok("POST", "/api/two-factor/setup", {"current_password": "a long enough password"})
        tenant = await cloud.tenant_id()
    store = await Store.open(database)
    try:
        both = Vault(KeyRing.parse(f"{NEW},{OLD}"))
        assert await rekey(store, both) == {"printers": 1, "users": 1}
        assert await rekey(store, both) == {"printers": 0, "users": 0}
        sealed = await store.read(lambda tx: tx.value(select(printers.c.access_code_enc)))
        place = {"tenant": tenant, "table": "printers", "row": made["id"], "column": "access_code_enc"}
        assert Vault(KeyRing.parse(NEW)).open(sealed, **place).reveal() == "87654321"
        with pytest.raises(SecretKeyError):
            Vault(KeyRing.parse(OLD)).open(sealed, **place)
    finally:
        await store.close()


def command(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PRINTFARM_DATA_DIR": str(folder), "PRINTFARM_SECRET_KEY": NEW}
    return subprocess.run(
        [sys.executable, "-m", "cloud", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_says_how_many(tmp_path: Path) -> None:
    done = command(tmp_path, "rekey")
    assert (done.returncode, done.stdout) == (0, "printers: 0 sealed again\nusers: 0 sealed again\n"), done.stderr


def test_a_link_for_a_new_farm_is_printed(tmp_path: Path) -> None:
    done = command(tmp_path, "add-farm", "Hall 2", "olga@example.com")
    assert done.returncode == 0, done.stderr
    assert "/invite#" in done.stdout
