"""Mail by SMTP: queued, so that no request waits for a mail server, and tried again when it is away."""

import asyncio
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
import msgspec
import structlog

from cloud.accounts.mails import Mail
from cloud.storage.secrets import Secret

log = structlog.get_logger(__name__)

WAITING: Final = 1000
TRIES: Final = (0.0, 5.0, 60.0, 600.0)
"""Seconds before each attempt. Other mail goes out in between."""
TIMEOUT: Final = 30.0
_NEVER: Final = 500
"""Answers of a mail server from here on are for good; those below are for now."""

Work = Callable[[], Awaitable[Mail | None]]


class SmtpServer(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail goes out."""

    host: str
    port: int
    tls: bool
    """From the first byte; otherwise STARTTLS whenever the server offers it."""
    insecure: bool
    """Never TLS: for a server on this machine."""
    user: str | None
    password: Secret | None

    @classmethod
    def parse(cls, url: Secret) -> "SmtpServer":
        """`smtp://user:password@host:587` or `smtps://…`; `?tls=never` for a server on this machine.

        Raises ValueError, which repeats nothing of it.
        """
        parts = urlsplit(url.reveal())
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("an SMTP address reads smtp://user:password@host:587 or smtps://user:password@host:465")
        tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if tls else 587),
            tls=tls,
            insecure=parse_qs(parts.query).get("tls") == ["never"],
            user=unquote(parts.username) if parts.username else None,
            password=Secret(unquote(parts.password)) if parts.password else None,
        )


class SmtpPostman:
    """One per process. `start` once, `close` at the end: what waits then is given up, and the log says so."""

    def __init__(self, server: SmtpServer | None, sender: str) -> None:
        self._server = server
        self._sender = sender
        self._waiting: asyncio.Queue[tuple[Work, int]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._resting: set[asyncio.TimerHandle] = set()

    @property
    def works(self) -> bool:
        return self._server is not None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="mail")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for timer in self._resting:
            timer.cancel()
        if self._count:
            log.warning("mail given up: the server stops", waiting=self._count)

    def later(self, work: Work) -> None:
        self._put(work, 0)

    @property
    def _count(self) -> int:
        return self._waiting.qsize() + len(self._resting)

    def _put(self, work: Work, tried: int) -> None:
        if self._count >= WAITING:
            log.error("mail given up: too much is waiting", waiting=WAITING)
        else:
            self._waiting.put_nowait((work, tried))

    async def _run(self) -> None:
        while True:
            work, tried = await self._waiting.get()
            try:
                mail = await work()
                if mail is not None:
                    await self._deliver(mail, tried)
            except Exception:
                log.exception("mail could not be made")

    async def _deliver(self, mail: Mail, tried: int) -> None:
        if self._server is None:
            log.info("mail not sent: no SMTP server is configured", to=mail.to, purpose=mail.purpose)
            return
        try:
            await self._send(self._server, mail)
        except (aiosmtplib.SMTPException, OSError) as error:
            self._not_sent(mail, tried + 1, error)
        else:
            log.info("mail sent", to=mail.to, purpose=mail.purpose)

    def _not_sent(self, mail: Mail, tried: int, error: Exception) -> None:
        """Try again in a while, and let others go first; not for ever."""
        about = {"to": mail.to, "purpose": mail.purpose, "tries": tried, "problem": type(error).__name__}
        if _is_final(error) or tried >= len(TRIES):
            log.error("mail given up", **about)
            return
        log.warning("mail not sent yet", **about)

        async def work() -> Mail:
            return mail

        def again() -> None:
            self._resting.discard(timer)
            self._put(work, tried)

        timer = asyncio.get_running_loop().call_later(TRIES[tried], again)
        self._resting.add(timer)

    async def _send(self, server: SmtpServer, mail: Mail) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, mail.to, mail.subject
        message.set_content(mail.text.reveal())
        await aiosmtplib.send(
            message,
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password.reveal() if server.password else None,
            use_tls=server.tls,
            start_tls=False if server.tls or server.insecure else None,
            timeout=TIMEOUT,
        )


def _is_final(error: Exception) -> bool:
    """The server knows the address, and will never take mail for it."""
    if not isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return False
    return all(refused.code >= _NEVER for refused in error.recipients)
