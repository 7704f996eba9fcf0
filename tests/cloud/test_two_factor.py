"""The second step of a login: set up, asked for, used once each, and what helps when the phone is gone."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyotp
import pytest
from sqlalchemy import select, update

from cloud.storage.secrets import Secret
from cloud.storage.store import Tx
from cloud.storage.tables import users
from tests.cloud.api_kit import OWNER, PASSWORD, Cloud, running_cloud
from tests.cloud.test_links import link_in, mail_server

LOGIN = {"email": OWNER, "password": PASSWORD}


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


class Phone:
    """An authenticator app. Codes count once: the test forgets that, where it would wait for the next one."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.secret = ""
        self.codes: list[str] = []

    async def set_up(self) -> None:
        made = await self.cloud.owner.ok("POST", "/api/two-factor/setup", {"current_password": PASSWORD})
        self.secret = made["secret"]
        assert made["otpauth_uri"].startswith("otpauth://totp/PrintFarm:")
        assert made["qr_svg"].startswith("<svg")
        answer = await self.cloud.owner.ok("POST", "/api/two-factor/confirm", {"code": await self.fresh()})
        self.codes = answer["recovery_codes"]

    async def fresh(self) -> str:
        """Today's code, as if none had been used before."""

        async def unit(tx: Tx) -> None:
            await tx.run(update(users).values(totp_last_step=None))

        await self.cloud.services.store.write(unit)
        return self.now()

    def now(self, steps: int = 0) -> str:
        return str(pyotp.TOTP(self.secret).at(int(time.time()) + 30 * steps))


@pytest.fixture
async def phone(cloud: Cloud) -> Phone:
    phone = Phone(cloud)
    await phone.set_up()
    return phone


async def login(cloud: Cloud, code: str | None = None) -> tuple[int, Any]:
    body = LOGIN if code is None else {**LOGIN, "code": code}
    return await cloud.anonymous().call("POST", "/api/auth/login", body)


async def test_a_login_takes_a_code_and_each_code_once(cloud: Cloud, phone: Phone) -> None:
    status, body = await login(cloud)
    assert (status, body["error"]["code"]) == (401, "code_required")
    assert body["error"]["details"] == {"methods": ["totp", "recovery"]}
    code = await phone.fresh()
    assert (await login(cloud, code))[0] == 200
    status, body = await login(cloud, code)
    assert (status, body["error"]["code"]) == (401, "bad_code")
    assert await cloud.owner.ok("GET", "/api/two-factor/") == {"enabled": True, "recovery_codes_left": 10}


async def test_a_wrong_password_does_not_tell_that_there_is_a_second_step(cloud: Cloud, phone: Phone) -> None:
    body = {**LOGIN, "password": "something else", "code": await phone.fresh()}
    assert await cloud.anonymous().refused("POST", "/api/auth/login", body) == (401, "bad_credentials")


async def test_a_phones_clock_may_be_half_a_minute_off_and_no_more(cloud: Cloud, phone: Phone) -> None:
    await phone.fresh()
    assert (await login(cloud, phone.now(-3)))[0] == 401
    assert (await login(cloud, phone.now(3)))[0] == 401
    assert (await login(cloud, phone.now(1)))[0] == 200


async def test_guessing_codes_is_slowed_down(cloud: Cloud, phone: Phone) -> None:
    statuses = [(await login(cloud, f"{n:06}"))[0] for n in range(6)]
    assert statuses[-1] == 429
    assert (await login(cloud, await phone.fresh()))[0] == 429


async def test_an_office_behind_one_address_logs_in_as_often_as_it_likes(cloud: Cloud, phone: Phone) -> None:
    for _ in range(25):
        assert (await login(cloud))[0] == 401
        assert (await login(cloud, await phone.fresh()))[0] == 200


async def test_asking_for_the_code_again_and_again_is_slowed_down_all_the_same(cloud: Cloud, phone: Phone) -> None:
    assert [(await login(cloud))[0] for _ in range(6)][-1] == 429


async def test_a_recovery_code_opens_once(cloud: Cloud, phone: Phone) -> None:
    answers = await asyncio.gather(*(login(cloud, phone.codes[0].upper()) for _ in range(3)))
    assert sorted(status for status, _ in answers) == [200, 401, 401]
    assert (await cloud.owner.ok("GET", "/api/two-factor/"))["recovery_codes_left"] == 9
    logged = (await cloud.owner.ok("GET", "/api/audit-log/?action=auth_recovery_code_used"))["items"]
    assert [entry["details"] for entry in logged] == [{"left": 9}]
    renewed = await cloud.owner.ok("POST", "/api/two-factor/recovery-codes", {"code": await phone.fresh()})
    assert (await login(cloud, phone.codes[1]))[0] == 401
    assert (await login(cloud, renewed["recovery_codes"][0]))[0] == 200


async def test_switching_off_takes_password_and_code(cloud: Cloud, phone: Phone) -> None:
    wrong = {"password": "wrong wrong", "code": await phone.fresh()}
    assert await cloud.owner.refused("POST", "/api/two-factor/disable", wrong) == (422, "wrong_password")
    body = {"password": PASSWORD, "code": "000000"}
    assert await cloud.owner.refused("POST", "/api/two-factor/disable", body) == (422, "bad_code")
    await cloud.owner.ok("POST", "/api/two-factor/disable", {**body, "code": await phone.fresh()})
    assert (await login(cloud))[0] == 200
    again = {"code": "000000"}
    assert await cloud.owner.refused("POST", "/api/two-factor/confirm", again) == (409, "not_set_up")


async def test_an_owner_helps_somebody_who_lost_his_phone(cloud: Cloud, phone: Phone) -> None:
    other = await cloud.person("owner")
    me = (await cloud.owner.ok("GET", "/api/auth/me"))["id"]
    await other.ok("POST", f"/api/users/{me}/two-factor/reset")
    assert await cloud.owner.refused("GET", "/api/auth/me") == (401, "unauthenticated")
    assert (await login(cloud))[0] == 200


async def test_what_is_not_confirmed_locks_nobody_out(cloud: Cloud) -> None:
    await cloud.owner.ok("POST", "/api/two-factor/setup", {"current_password": PASSWORD})
    assert (await login(cloud))[0] == 200
    assert await cloud.owner.refused("POST", "/api/two-factor/setup", {"current_password": "wrong wrong"}) == (
        422,
        "wrong_password",
    )


async def test_the_secret_is_sealed_and_told_nowhere_else(cloud: Cloud, phone: Phone) -> None:
    stored = await cloud.services.store.read(lambda tx: tx.value(select(users.c.totp_secret_enc)))
    assert phone.secret not in str(stored)
    log = str(await cloud.owner.ok("GET", "/api/audit-log/"))
    for secret in (phone.secret, *phone.codes):
        assert secret not in log


@asynccontextmanager
async def reset_link(tmp_path: Path) -> AsyncIterator[tuple[Cloud, Phone, str]]:
    """A person with a second step, and the token of the link that sets a new password."""
    async with mail_server() as mails:
        url = Secret(f"smtp://127.0.0.1:{mails.port}?tls=never")
        async with running_cloud(tmp_path, smtp_url=url) as cloud:
            phone = Phone(cloud)
            await phone.set_up()
            await cloud.anonymous().ok("POST", "/api/auth/forgot", {"email": OWNER})
            yield cloud, phone, link_in(await mails.next(), "reset")


async def test_a_forgotten_password_is_replaced_with_the_second_step_only(tmp_path: Path) -> None:
    """Whoever reads somebody's mail has not got his phone."""
    async with reset_link(tmp_path) as (cloud, phone, token):
        nobody, body = cloud.anonymous(), {"token": token, "password": "a brand new password"}
        assert await nobody.refused("POST", "/api/auth/reset", body) == (401, "code_required")
        assert await nobody.refused("POST", "/api/auth/reset", {**body, "code": "000000"}) == (401, "bad_code")
        await cloud.owner.ok("GET", "/api/auth/me")  # nothing has happened
        assert (await login(cloud, await phone.fresh()))[0] == 200
        await nobody.ok("POST", "/api/auth/reset", {**body, "code": await phone.fresh()})
        assert await cloud.owner.refused("GET", "/api/auth/me") == (401, "unauthenticated")


async def test_guessing_codes_with_a_reset_link_is_slowed_down(tmp_path: Path) -> None:
    async with reset_link(tmp_path) as (cloud, _, token):
        guesses = [{"token": token, "password": "a brand new password", "code": f"{n:06}"} for n in range(6)]
        statuses = [(await cloud.anonymous().call("POST", "/api/auth/reset", one))[0] for one in guesses]
        assert (statuses[0], statuses[-1]) == (401, 429)
