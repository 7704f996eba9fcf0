"""One-time links by mail: invitations, forgotten passwords, signing up. The mail server is a small real one."""

import asyncio
import email
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from cloud.integrations import mail as mail_module
from cloud.integrations.mail import SmtpServer
from cloud.storage import clock
from cloud.storage.secrets import Secret
from cloud.storage.store import Tx
from cloud.storage.tables import links
from tests.cloud.api_kit import OWNER, PASSWORD, Cloud, running_cloud


class MailServer:
    """Speaks enough SMTP to be sent to, and keeps what it got."""

    def __init__(self) -> None:
        self.port = 0
        self.refusals = 0
        self.nobody: dict[bytes, bytes] = {}
        """Part of an address -> what is always answered to it."""
        self._mails: asyncio.Queue[Message] = asyncio.Queue()

    async def next(self) -> Message:
        return await asyncio.wait_for(self._mails.get(), 10)

    @property
    def waiting(self) -> int:
        return self._mails.qsize()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n")
        body, in_data = bytearray(), False
        while line := await reader.readline():
            if in_data:
                if line == b".\r\n":
                    in_data = False
                    self._mails.put_nowait(email.message_from_bytes(bytes(body)))
                    writer.write(b"250 kept\r\n")
                else:
                    body += line
                continue
            verb = line.split()[0].upper()
            refusal = next((say for part, say in self.nobody.items() if verb == b"RCPT" and part in line), None)
            if refusal is not None:
                writer.write(refusal + b"\r\n")
            elif verb == b"RCPT" and self.refusals:
                self.refusals -= 1
                writer.write(b"451 not now\r\n")
            elif verb == b"DATA":
                body, in_data = bytearray(), True
                writer.write(b"354 go on\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 mail.test\r\n")
        writer.close()


@asynccontextmanager
async def mail_server() -> AsyncIterator[MailServer]:
    server = MailServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()


@pytest.fixture
async def mails() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
async def cloud(tmp_path: Path, mails: MailServer) -> AsyncIterator[Cloud]:
    url = Secret(f"smtp://127.0.0.1:{mails.port}?tls=never")
    async with running_cloud(tmp_path, smtp_url=url, signup="open", mail_from="Farm <farm@example.com>") as cloud:
        yield cloud


def link_in(mail: Message, page: str) -> str:
    """The token of the link that leads to this page."""
    body = mail.get_payload(decode=True)
    text = body.decode() if isinstance(body, bytes) else ""
    found = re.search(rf"http://127\.0\.0\.1:\d+/{page}#(\S+)", text)
    assert found, text
    return found[1]


async def age_links(cloud: Cloud) -> None:
    async def unit(tx: Tx) -> None:
        await tx.run(update(links).values(expires_at=clock.after(-1)))

    await cloud.services.store.write(unit)


async def test_somebody_invited_by_mail_becomes_a_member(cloud: Cloud, mails: MailServer) -> None:
    made = await cloud.owner.ok("POST", "/api/invitations/", {"email": "Olga@Example.com", "role": "operator"})
    assert made["link"] is None
    mail = await mails.next()
    assert (mail["To"], mail["From"]) == ("olga@example.com", "Farm <farm@example.com>")
    token = link_in(mail, "invite")
    nobody = cloud.anonymous()
    seen = await nobody.ok("POST", "/api/auth/invitation", {"token": token})
    assert seen == {"farm": "My farm", "email": "olga@example.com", "name": "", "role": "operator", "makes_farm": False}
    body = {"token": token, "name": "Olga", "password": PASSWORD}
    assert await nobody.refused("POST", "/api/auth/accept", {**body, "password": "short"}) == (422, "weak_password")
    login = await nobody.ok("POST", "/api/auth/accept", body)
    assert (login["user"]["role"], login["user"]["name"]) == ("operator", "Olga")
    assert (await cloud.owner.ok("GET", "/api/users/"))["total"] == 2
    assert await nobody.refused("POST", "/api/auth/accept", body) == (403, "link_used")
    (listed,) = (await cloud.owner.ok("GET", "/api/invitations/"))["items"]
    assert listed["used_at"]


async def test_an_invitation_is_accepted_once_however_often_it_is_clicked(cloud: Cloud, mails: MailServer) -> None:
    await cloud.owner.ok("POST", "/api/invitations/", {"email": "olga@example.com", "role": "viewer"})
    body = {"token": link_in(await mails.next(), "invite"), "name": "Olga", "password": PASSWORD}
    nobody = cloud.anonymous()
    answers = await asyncio.gather(*(nobody.call("POST", "/api/auth/accept", body) for _ in range(5)))
    assert sorted(status for status, _ in answers)[:1] == [200]
    assert sum(status == 200 for status, _ in answers) == 1


async def test_an_invitation_is_sent_again_taken_back_and_grows_old(cloud: Cloud, mails: MailServer) -> None:
    made = await cloud.owner.ok("POST", "/api/invitations/", {"email": "olga@example.com", "role": "viewer"})
    first = link_in(await mails.next(), "invite")
    again = {"email": "olga@example.com", "role": "viewer"}
    assert await cloud.owner.refused("POST", "/api/invitations/", again) == (409, "invited_already")
    await cloud.owner.ok("POST", f"/api/invitations/{made['id']}/resend")
    second = link_in(await mails.next(), "invite")
    nobody = cloud.anonymous()
    assert await nobody.refused("POST", "/api/auth/invitation", {"token": first}) == (403, "link_unknown")
    await age_links(cloud)
    assert await nobody.refused("POST", "/api/auth/invitation", {"token": second}) == (403, "link_expired")
    await cloud.owner.ok("POST", f"/api/invitations/{made['id']}/resend")
    third = link_in(await mails.next(), "invite")
    await cloud.owner.ok("DELETE", f"/api/invitations/{made['id']}")
    assert await nobody.refused("POST", "/api/auth/invitation", {"token": third}) == (403, "link_revoked")
    assert await cloud.owner.refused("DELETE", f"/api/invitations/{made['id']}") == (404, "not_found")


async def test_nobody_is_invited_who_is_there_already(cloud: Cloud) -> None:
    body = {"email": OWNER.upper(), "role": "viewer"}
    assert await cloud.owner.refused("POST", "/api/invitations/", body) == (409, "known_address")


async def test_a_forgotten_password_is_replaced_and_every_login_ends(cloud: Cloud, mails: MailServer) -> None:
    nobody = cloud.anonymous()
    assert await nobody.call("POST", "/api/auth/forgot", {"email": OWNER}) == (202, {"ok": True})
    first = link_in(await mails.next(), "reset")
    await nobody.ok("POST", "/api/auth/forgot", {"email": OWNER})
    token = link_in(await mails.next(), "reset")
    new = {"password": "a brand new password"}
    assert await nobody.refused("POST", "/api/auth/reset", {"token": first, **new}) == (403, "link_revoked")
    login = await nobody.ok("POST", "/api/auth/reset", {"token": token, **new})
    assert login["user"]["email"] == OWNER
    assert await cloud.owner.refused("GET", "/api/auth/me") == (401, "unauthenticated")
    assert await nobody.refused("POST", "/api/auth/reset", {"token": token, **new}) == (403, "link_used")
    await nobody.ok("POST", "/api/auth/login", {"email": OWNER, **new})


async def test_forgetting_tells_nobody_who_is_there(cloud: Cloud, mails: MailServer) -> None:
    answer = await cloud.anonymous().call("POST", "/api/auth/forgot", {"email": "nobody@example.com"})
    assert answer == (202, {"ok": True})
    await cloud.anonymous().ok("POST", "/api/auth/forgot", {"email": OWNER})
    assert (await mails.next())["To"] == OWNER
    assert mails.waiting == 0
    codes = [
        (await cloud.anonymous().call("POST", "/api/auth/forgot", {"email": "nobody@example.com"}))[0] for _ in range(6)
    ]
    assert codes[-1] == 429


async def test_signing_up_makes_a_farm_of_ones_own(cloud: Cloud, mails: MailServer) -> None:
    nobody = cloud.anonymous()
    await nobody.ok("POST", "/api/auth/signup", {"email": "new@example.com", "farm_name": "Hall 9"})
    token = link_in(await mails.next(), "invite")
    seen = await nobody.ok("POST", "/api/auth/invitation", {"token": token})
    assert (seen["farm"], seen["role"], seen["makes_farm"]) == ("Hall 9", "owner", True)
    made = await nobody.ok("POST", "/api/auth/accept", {"token": token, "name": "New", "password": PASSWORD})
    assert made["user"]["role"] == "owner"
    assert (await cloud.owner.ok("GET", "/api/users/"))["total"] == 1  # ours sees nothing of it
    await nobody.ok("POST", "/api/auth/signup", {"email": OWNER, "farm_name": "Mine?"})
    assert "account already" in str((await mails.next())["Subject"])


async def test_signing_up_is_closed_unless_it_was_opened(tmp_path: Path) -> None:
    async with running_cloud(tmp_path) as cloud:
        body = {"email": "new@example.com", "farm_name": "Hall 9"}
        assert await cloud.anonymous().refused("POST", "/api/auth/signup", body) == (403, "signup_closed")


async def test_without_a_mail_server_links_are_told_to_who_may_pass_them_on(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with running_cloud(tmp_path) as cloud:
            made = await cloud.owner.ok("POST", "/api/invitations/", {"email": "olga@example.com", "role": "viewer"})
            token = made["link"].partition("/invite#")[2]
            assert token not in str(logs)
            await cloud.anonymous().ok("POST", "/api/auth/accept", {"token": token, "name": "O", "password": PASSWORD})
            assert token not in str((await cloud.owner.ok("GET", "/api/audit-log/"))["items"])


async def test_mail_that_is_refused_is_tried_again(
    cloud: Cloud, mails: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_module, "TRIES", (0.0, 0.01, 0.01))
    mails.refusals = 2
    await cloud.owner.ok("POST", "/api/invitations/", {"email": "olga@example.com", "role": "viewer"})
    assert (await mails.next())["To"] == "olga@example.com"


async def test_one_address_that_takes_no_mail_holds_up_nobody_elses(cloud: Cloud, mails: MailServer) -> None:
    mails.nobody = {b"full@": b"452 mailbox full", b"gone@": b"550 no such person"}
    with capture_logs() as logs:
        for name in ("full", "gone", "olga"):
            await cloud.owner.ok("POST", "/api/invitations/", {"email": f"{name}@example.com", "role": "viewer"})
        assert (await mails.next())["To"] == "olga@example.com"
    told = [(line["event"], line["to"]) for line in logs if "mail " in line["event"]]
    assert ("mail not sent yet", "full@example.com") in told
    assert ("mail given up", "gone@example.com") in told, "it is no use to try that again"


async def test_a_dead_mail_server_holds_nobody_up_and_no_link_gets_into_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_module, "TRIES", (0.0, 0.0))
    with capture_logs() as logs:
        async with running_cloud(tmp_path, smtp_url=Secret("smtp://user:pass-word@127.0.0.1:1?tls=never")) as cloud:
            await cloud.owner.ok("POST", "/api/invitations/", {"email": "olga@example.com", "role": "viewer"})
            async with asyncio.timeout(10):
                while not [line for line in logs if line["event"] == "mail given up"]:
                    await asyncio.sleep(0.01)
    assert "invite#" not in str(logs)
    assert "pass-word" not in str(logs)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://u%40x:p%2Fw@mail.example", ("mail.example", 587, False, False, "u@x", "p/w")),
        ("smtps://mail.example", ("mail.example", 465, True, False, None, None)),
        ("smtp://localhost:2525?tls=never", ("localhost", 2525, False, True, None, None)),
    ],
)
def test_addresses_of_mail_servers(url: str, expected: tuple[Any, ...]) -> None:
    server = SmtpServer.parse(Secret(url))
    password = server.password.reveal() if server.password else None
    assert (server.host, server.port, server.tls, server.insecure, server.user, password) == expected


def test_a_wrong_address_of_a_mail_server_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="reads smtp://") as refused:
        SmtpServer.parse(Secret("http://user:geheim@mail"))
    assert "geheim" not in str(refused.value)
