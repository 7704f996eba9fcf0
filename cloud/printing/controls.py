"""Commands from a person to a printer: light, speed, pause and the like, and a look through its camera."""

import base64
import binascii
from collections.abc import Collection, Mapping
from typing import Any, Final

from cloud.errors import DomainError, not_found
from cloud.printing.asks import Answer, CommandAsk, SnapshotAsk
from cloud.printing.hub_client import HubClient
from cloud.printing.live import LivePrinter, LivePrinters
from cloud.printing.words import failure_sentence
from cloud.storage import ids
from cloud.storage.tenant import TenantStore

_TTL_MS: Final = 10_000
_SNAPSHOT_SECONDS: Final = 40.0
UNSURE: Final = frozenset({"no_answer", "interrupted"})
"""Answers of a command that may have been carried out."""
_LOOK: Final = "It may have happened: look at the printer."
_STATUS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("hub_offline", "offline", "auth_failed", "unknown_printer", "expired"), 503),
    **dict.fromkeys(("refused", "unreachable", "reset", "no_socket"), 503),
    **dict.fromkeys(("no_answer", "interrupted", "timeout"), 504),
    **dict.fromkeys(("unknown_command", "broken", "incomplete", "no_frame"), 502),
    "invalid": 422,
    "no_camera": 404,
}

PAUSABLE: Final = ("running", "prepare", "slicing")
STOPPABLE: Final = ("running", "prepare", "slicing", "pause")


class Controls:
    """Sends commands; a refusal is a DomainError with the reason in words."""

    def __init__(self, live: LivePrinters, hubs: HubClient) -> None:
        self._live = live
        self._hubs = hubs

    def printer(self, tenant: TenantStore, printer_id: str) -> LivePrinter:
        """The tenant's printer. Raises DomainError(not_found)."""
        one = self._live.printer(printer_id)
        if one is None or one.tenant_id != tenant.tenant_id:
            raise not_found("printer")
        return one

    def printers(self, tenant: TenantStore) -> list[LivePrinter]:
        """The tenant's printers, in the user's order."""
        return self._live.of_tenant(tenant.tenant_id)

    async def try_command(
        self,
        printer_id: str,
        name: str,
        args: Mapping[str, Any] | None = None,
        *,
        expect: Collection[str] = (),
        command_id: str = "",
    ) -> Answer:
        """Carry a command out and say what became of it; never raises for what a printer does.

        A command of an id that the hub has had before is not carried out again: its first answer comes back.
        """
        one = self._live.printer(printer_id)
        ask = CommandAsk(
            printer_id=printer_id,
            id=command_id or ids.new("cmd"),
            name=name,
            args=dict(args or {}),
            ttl_ms=_TTL_MS,
            expect=list(expect) or None,
        )
        return await self._hubs.command(one.meta["hub_id"] if one else None, ask)

    async def command(
        self,
        tenant: TenantStore,
        printer_id: str,
        name: str,
        args: Mapping[str, Any] | None = None,
        *,
        expect: Collection[str] = (),
        command_id: str = "",
        otherwise: str = "",
    ) -> Answer:
        """Carry a command out; returns when the printer acknowledged it, or shows the effect. Raises DomainError.

        The hub looks at the state right before it sends the command; `otherwise` says why no other than the
        `expect`ed ones will do.
        """
        self.printer(tenant, printer_id)
        answer = await self.try_command(printer_id, name, args, expect=expect, command_id=command_id)
        if not answer.ok:
            raise refused(answer, otherwise)
        return answer

    async def snapshot(self, tenant: TenantStore, printer_id: str) -> bytes:
        """One fresh camera frame, JPEG. Raises DomainError."""
        one = self.printer(tenant, printer_id)
        answer = await self._hubs.ask(one.meta["hub_id"], SnapshotAsk(printer_id=printer_id), _SNAPSHOT_SECONDS)
        if not answer.ok:
            raise refused(answer)
        try:
            return base64.b64decode(answer.data["jpeg"], validate=True)
        except (KeyError, TypeError, binascii.Error) as error:
            raise DomainError("no_frame", 502, failure_sentence("no_frame")) from error


def refused(answer: Answer, wrong_state: str = "") -> DomainError:
    """The error that a failed answer becomes for whoever asked."""
    sentence = failure_sentence(answer.code, answer.message)
    if answer.code in UNSURE:
        sentence = f"{sentence} {_LOOK}"
    elif answer.code == "wrong_state" and wrong_state:
        sentence = wrong_state
    return DomainError(answer.code, _STATUS.get(answer.code, 409), sentence)
