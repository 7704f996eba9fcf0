"""The printers of this hub: makes the cloud's document run, without touching a printer that it did not change."""

import asyncio

from hub.log import log, log_crash
from hub.printer_link import PrinterLink

MYPY = False  # true to the type checker alone
if MYPY:
    from hub.cloud_link import CloudLink


class Fleet:
    """`links` (printer id -> PrinterLink) is what the other parts share. `cloud` is set by the composition root."""

    def __init__(self, board, config, outbox, life) -> None:  # type: ignore[no-untyped-def]
        self._board = board
        self._life = life
        self._config = config
        self._outbox = outbox
        self._entries: "dict[str, dict]" = {}  # type: ignore[type-arg]
        self._gate = asyncio.Lock()  # one TLS handshake at a time: each takes the chip's whole attention
        self._turns: "dict[str, asyncio.Lock]" = {}
        self.links: "dict[str, PrinterLink]" = {}
        self.cloud: "CloudLink | None" = None

    def start(self) -> None:
        """Run the printers remembered on flash."""
        self._run(self._config.printers)

    def apply(self, document: "dict") -> None:  # type: ignore[type-arg]
        """Store and run the cloud's document. When the flash takes nothing it still runs, until the next boot."""
        try:
            self._config.store_printers(document)
        except OSError as error:
            log("config", "revision %d is not stored: %r" % (document["revision"], error))
        self._run(document["printers"])
        log("hub", "configuration %d: %d printers" % (document["revision"], len(self.links)))

    def _run(self, printers: "list[dict]") -> None:  # type: ignore[type-arg]
        if len(printers) > self._board.max_printers:
            log("hub", "%d printers configured, only %d run" % (len(printers), self._board.max_printers))
            printers = printers[: self._board.max_printers]
        wanted = {entry["id"]: self._pinned(entry) for entry in printers}
        for ident in list(self.links):
            if wanted.get(ident) != self._entries[ident]:
                self._replace(ident, wanted.get(ident))
        for ident, entry in wanted.items():
            if ident not in self.links:
                self._replace(ident, entry)

    def _pinned(self, entry: "dict") -> "dict":  # type: ignore[type-arg]
        copy = dict(entry)
        copy["cert"] = self._config.pin_of(entry)
        return copy

    def _replace(self, ident: str, entry: "dict | None") -> None:  # type: ignore[type-arg]
        old = self.links.pop(ident, None)
        self._entries.pop(ident, None)
        new = None
        if entry is not None:
            new = PrinterLink(dict(entry), self._on_change, self._on_transition, self._gate, self._board.uptime_ms)
            new.life = self._life
            self.links[ident] = new
            self._entries[ident] = entry
        asyncio.create_task(self._exchange(ident, old, new))
        if self.cloud:
            self.cloud.printer_replaced(ident)

    async def _exchange(self, ident: str, old, new) -> None:  # type: ignore[no-untyped-def]
        """Never two sessions with one printer: the new one starts when all before it are gone."""
        turn = self._turns.get(ident)
        if turn is None:
            turn = self._turns[ident] = asyncio.Lock()
        async with turn:
            try:
                if old is not None:
                    await old.stop()
            except Exception as error:
                log_crash("printer " + ident, error)
            if new is not None and self.links.get(ident) is new:
                await new.start()
            elif ident not in self.links:
                self._turns.pop(ident, None)

    def _ident(self, link: PrinterLink) -> "str | None":
        """The id under which a link runs; None for the last words of one that was replaced."""
        for ident, known in self.links.items():
            if known is link:
                return ident
        return None

    def _on_change(self, link: PrinterLink, urgent: bool) -> None:
        ident = self._ident(link)
        if ident is None:
            return
        if link.status.get("link") == "online" and link.status.get("cert"):
            self._pin(self._entries[ident], link.status["cert"])
        self.cloud.status_changed(ident, urgent)

    def _pin(self, entry: "dict", cert: str) -> None:  # type: ignore[type-arg]
        """Trust on first use: what a printer showed when it accepted our code is what it must show from now on."""
        if entry["cert"] == cert:
            return
        # The entry learns it too: the cloud, told the same by the status, will send it, and that is no change.
        entry["cert"] = cert
        try:
            self._config.pin(entry["serial"], cert)
        except OSError as error:
            log("config", "a pin is not stored: %r" % error)

    def _on_transition(self, link: PrinterLink, data: "dict") -> None:  # type: ignore[type-arg]
        ident = self._ident(link)
        if ident is not None:
            self._outbox.add("state", ident, self._board.uptime_ms(), data)
            self.cloud.event_added()
