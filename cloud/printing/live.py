"""What is known right now of every printer and of the jobs people look at: in memory, rebuilt at every start.

The database gives names and settings, hubs give status; each change is published at once on `live.<tenant>` as JSON
{"printers": {id: changes | null}, "jobs": {id: changes | null}}, and "hubs" alike: a changed value of null means
unknown now, a whole entry of null means removed.
"""

from collections import deque
from typing import Any, Final

import msgspec

from cloud.bus import Bus
from cloud.printing.live_hubs import LiveHubs
from cloud.printing.views import Row, View, card_job, job_view
from cloud.storage import clock
from cloud.storage.printers import Printer
from cloud.storage.tables import FINISHED, HOLDING
from shared_protocol import status as protocol_status

RECENT: Final = 100
"""Finished jobs of a tenant that stay in the view beside the open ones."""

_META: Final = (
    "id",
    "printer_id",
    "name",
    "model",
    "hub_id",
    "cleared",
    "connect",
    "is_active",
    "in_maintenance",
    "maintenance_type",
    "maintenance_reason",
    "consecutive_failures",
    "disabled_reason",
    "disabled_at",
    "location",
    "nozzle_size",
    "sort_order",
)

_encoder = msgspec.json.Encoder()


def live_subject(tenant_id: str) -> str:
    """Where changes of a tenant's printers, jobs and hubs are published."""
    return f"live.{tenant_id}"


class LivePrinter:
    """One printer: settings from the database, status from its hub, the job that holds it."""

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id
        self.meta: View = {}
        self.status: View = {}
        self.hub_online = False
        self.fresh = False
        """A full status came since the hub connected: only then does the status speak of the present."""
        self.seen_at: str | None = None
        self.job_id: str | None = None
        self.url_form: str | None = None
        self.pinned = False

    @property
    def online(self) -> bool:
        """The hub is connected, has told everything, and holds a session with the printer."""
        return self.fresh and self.status.get("link") == "online"


class LivePrinters:
    """The views of all printers and jobs on this node. Every method is synchronous and cheap."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._printers: dict[str, LivePrinter] = {}
        self._jobs: dict[str, tuple[str, View]] = {}
        self._finished: dict[str, deque[str]] = {}
        self._holders: dict[str, str] = {}
        self.hubs = LiveHubs(lambda tenant_id, changes: self._publish(tenant_id, hubs=changes))

    # ---- reading

    def snapshot(self, tenant_id: str) -> dict[str, View]:
        """All printers of a tenant: {id: view}."""
        return {key: self._view(one) for key, one in self._printers.items() if one.tenant_id == tenant_id}

    def jobs(self, tenant_id: str) -> dict[str, View]:
        """Open and recently finished jobs of a tenant: {id: view}."""
        return {key: dict(view) for key, (tenant, view) in self._jobs.items() if tenant == tenant_id}

    def hub_views(self, tenant_id: str) -> dict[str, View]:
        """All hubs of a tenant: {id: view}."""
        return self.hubs.of_tenant(tenant_id)

    def view(self, printer_id: str) -> View | None:
        """One printer's view, or None."""
        one = self._printers.get(printer_id)
        return None if one is None else self._view(one)

    def printer(self, printer_id: str) -> LivePrinter | None:
        """The live record itself; to be read, not changed."""
        return self._printers.get(printer_id)

    def job(self, job_id: str | None) -> View | None:
        """One job's view, not to be changed; None when it is not (or no longer) looked after here."""
        known = self._jobs.get(job_id or "")
        return None if known is None else known[1]

    def holding_jobs(self) -> list[tuple[str, View]]:
        """(tenant id, view) of every job that holds a printer; views not to be changed."""
        return [self._jobs[job_id] for job_id in self._holders if job_id in self._jobs]

    def of_tenant(self, tenant_id: str) -> list[LivePrinter]:
        """A tenant's live records in the user's order; to be read, not changed."""
        mine = [one for one in self._printers.values() if one.tenant_id == tenant_id]
        return sorted(mine, key=lambda one: (one.meta["sort_order"], one.meta["printer_id"]))

    def of_hub(self, hub_id: str) -> list[LivePrinter]:
        """A hub's printers; to be read, not changed."""
        return [one for one in self._printers.values() if one.meta["hub_id"] == hub_id]

    def hub_is_online(self, hub_id: str | None) -> bool:
        """Whether a hub is connected."""
        return self.hubs.is_online(hub_id)

    # ---- printers, from the database

    def put_printer(self, printer: Printer) -> None:
        """A printer was added or changed. Call it after the commit."""
        one = self._printers.get(printer.id)
        if one is None:
            one = self._printers[printer.id] = LivePrinter(printer.tenant_id)
        before = self._view(one) if one.meta else {}
        if one.meta and one.meta["hub_id"] != printer.hub_id:
            # What the former hub said of it is no longer kept up.
            one.status, one.fresh = {}, False
        one.meta = {name: getattr(printer, name) for name in _META}
        one.url_form = printer.url_form
        one.pinned = bool(printer.cert_sha256)
        one.hub_online = self.hubs.is_online(printer.hub_id)
        self._publish_printer(one, _changes(before, self._view(one)))

    def remove_printer(self, printer_id: str) -> None:
        """A printer was deleted."""
        one = self._printers.pop(printer_id, None)
        if one is not None:
            self._publish(one.tenant_id, printers={printer_id: None})

    def set_cleared(self, printer_id: str, cleared: bool) -> None:
        """The plate gate was opened or closed."""
        self.change_printer(printer_id, {"cleared": cleared})

    def change_printer(self, printer_id: str, columns: View) -> None:
        """Some of a printer's columns have other values now. Call it after the commit."""
        one = self._printers.get(printer_id)
        if one is not None:
            news = {name: value for name, value in columns.items() if one.meta[name] != value}
            one.meta.update(news)
            self._publish_printer(one, news)

    # ---- status, from the hubs

    def hub_online(self, hub_id: str) -> None:
        """A hub connected; what it says from now on is of the present."""
        self.hubs.connected(hub_id, True)
        for one in self.of_hub(hub_id):
            one.hub_online, one.fresh = True, False
            self._publish_printer(one, {"hub": "online"})

    def hub_offline(self, hub_id: str) -> None:
        """A hub is gone: the last values stay to be looked at, the connection to the printer is unknown."""
        self.hubs.connected(hub_id, False)
        for one in self.of_hub(hub_id):
            one.hub_online, one.fresh = False, False
            one.status.pop("link", None)
            one.status.pop("problem", None)
            self._publish_printer(one, {"hub": "offline", "link": None, "problem": None})

    def status(self, printer_id: str, full: bool, data: View) -> View:
        """Merge a status message; returns what changed. An unknown printer changes nothing."""
        one = self._printers.get(printer_id)
        if one is None:
            return {}
        changes = protocol_status.delta(one.status, data) if full else _news(one.status, data)
        protocol_status.merge(one.status, changes)
        one.fresh = one.fresh or full
        one.seen_at = clock.now()
        self._publish_printer(one, {**changes, "seen_at": one.seen_at})
        return changes

    # ---- jobs

    def put_job(self, row: Row) -> None:
        """A job was added or changed. Call it after the commit; an older version than the known one is ignored."""
        view, tenant_id = job_view(row), str(row["tenant_id"])
        known = self._jobs.get(view["id"])
        if known is not None and known[1]["version"] > view["version"]:
            return
        self._jobs[view["id"]] = (tenant_id, view)
        self._publish(tenant_id, jobs={view["id"]: _changes(known[1] if known else {}, view)})
        self._card(view)
        if view["status"] in FINISHED:
            self._retire(tenant_id, view["id"])

    def job_progress(self, job_id: str, changes: View) -> None:
        """Figures of a running job that change often and are written to the database in batches."""
        known = self._jobs.get(job_id)
        if known is None:
            return
        tenant_id, view = known
        news = {name: value for name, value in changes.items() if view.get(name) != value}
        if news:
            view.update(news)
            self._publish(tenant_id, jobs={job_id: news})
            self._card(view)

    def remove_job(self, job_id: str) -> None:
        """A job was deleted."""
        known = self._jobs.pop(job_id, None)
        if known is not None:
            self._publish(known[0], jobs={job_id: None})

    # ---- inside

    def _retire(self, tenant_id: str, job_id: str) -> None:
        finished = self._finished.setdefault(tenant_id, deque())
        if job_id in finished:
            return
        finished.append(job_id)
        if len(finished) > RECENT:
            self.remove_job(finished.popleft())

    def _card(self, view: View) -> None:
        """Show the job on the card of the printer it holds, and take it off the one it let go."""
        holds = view["printer_id"] if view["status"] in HOLDING else None
        former = self._printers.get(self._holders.pop(view["id"], ""))
        if former is not None and former.job_id == view["id"] and former.meta["id"] != holds:
            former.job_id = None
            self._publish_printer(former, {"job": None})
        holder = self._printers.get(holds or "")
        if holder is not None:
            self._holders[view["id"]] = holder.meta["id"]
            holder.job_id = view["id"]
            self._publish_printer(holder, {"job": card_job(view)})

    def _view(self, one: LivePrinter) -> View:
        job = self._jobs.get(one.job_id or "")
        return {
            **one.status,
            **one.meta,
            "hub": "online" if one.hub_online else "offline",
            "seen_at": one.seen_at,
            "job": card_job(job[1]) if job else None,
        }

    def _publish_printer(self, one: LivePrinter, changes: View) -> None:
        if changes:
            self._publish(one.tenant_id, printers={one.meta["id"]: changes})

    def _publish(self, tenant_id: str, **changes: dict[str, Any]) -> None:
        self._bus.publish(live_subject(tenant_id), _encoder.encode(changes))


def _changes(before: View, after: View) -> View:
    gone: View = {name: None for name in before if name not in after}
    return {name: value for name, value in after.items() if name not in before or before[name] != value} | gone


def _news(known: View, delta: View) -> View:
    """Of a delta, what is really new: a repeated one must not wake every browser."""
    return {
        name: value
        for name, value in delta.items()
        if name in protocol_status.NAMES and (known.get(name) != value or (value is not None and name not in known))
    }
