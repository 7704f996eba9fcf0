"""What hubs report becomes live views, published as they change, and facts in the database."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from cloud.printing.fleet import Fleet
from cloud.printing.live import live_subject
from cloud.printing.words import error_sentence, failure_sentence
from cloud.storage import clock
from cloud.storage import hubs as hub_queries
from cloud.storage import printers as printer_queries
from cloud.storage.audit import ENTRIES
from cloud.storage.rows import Listing
from cloud.storage.secrets import KeyRing, Vault
from cloud.storage.tables import hub_events
from tests.cloud.printing_kit import Farm, fast, running_farm

__all__ = ["fast"]

pytestmark = pytest.mark.usefixtures("fast")

BEGAN = {
    "from": "idle", "to": "running", "task": "", "task_id": "", "file": "", "error": 0, "percent": 0, "layer": 0,
}  # fmt: skip
"""The data of an event: somebody began to print at the machine."""


@pytest.fixture
async def farm(database: str) -> AsyncIterator[Farm]:
    async with running_farm(database) as made:
        yield made


class Browser:
    """Applies what is published, as a browser would, to a snapshot taken at some moment."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self.printers = farm.room.live.snapshot(farm.tenant_id)
        self.jobs = farm.room.live.jobs(farm.tenant_id)
        self.messages: list[dict[str, Any]] = []
        self._subscription = farm.bus.subscribe(live_subject(farm.tenant_id), self._take)

    def _take(self, _subject: str, data: bytes) -> None:
        message = msgspec.json.decode(data)
        self.messages.append(message)
        for name, held in (("printers", self.printers), ("jobs", self.jobs)):
            for key, changes in message.get(name, {}).items():
                if changes is None:
                    held.pop(key, None)
                else:
                    held.setdefault(key, {}).update(changes)

    def same(self) -> bool:
        """What was put together from changes is what a fresh snapshot says."""
        live = self._farm.room.live
        return self._without_null(self.printers) == self._without_null(
            live.snapshot(self._farm.tenant_id)
        ) and self.jobs == live.jobs(self._farm.tenant_id)

    @staticmethod
    def _without_null(views: dict[str, Any]) -> dict[str, Any]:
        return {key: {n: v for n, v in view.items() if v is not None} for key, view in views.items()}


async def test_changes_put_together_are_always_the_whole(farm: Farm) -> None:
    browser = Browser(farm)
    printer = farm.printers[0]
    job_id = await farm.queue()
    await farm.reaches(job_id, "printing")
    printer.say(percent=50, remaining=100, layer=50, nozzle=210.5)
    printer.say(nozzle=None)
    await farm.until(lambda: farm.hubs[0].delivered)
    await farm.hubs[0].disconnect()
    farm.hubs[0].connect()
    printer.finish()
    await farm.reaches(job_id, "completed")
    await farm.until(browser.same)
    await farm.clear(printer)
    await farm.room.jobs.delete(farm.tenant, job_id)
    await farm.until(browser.same)


async def test_a_repeated_delta_publishes_nothing_but_the_moment(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.say(nozzle=200.0)
    await asyncio.sleep(0.05)
    browser = Browser(farm)
    printer.say(nozzle=200.0)
    await farm.until(lambda: browser.messages)
    assert [list(message["printers"][printer.id]) for message in browser.messages] == [["seen_at"]]


async def test_a_full_status_forgets_what_it_does_not_name(farm: Farm) -> None:
    printer = farm.printers[0]
    printer.say(chamber=35.0)
    del printer.status["chamber"]
    farm.hubs[0].tell(printer, printer.status, full=True)
    view = farm.room.live.view(printer.id)
    assert view is not None and "chamber" not in view


async def test_a_printers_card_shows_its_job(farm: Farm) -> None:
    job_id = await farm.queue()
    await farm.reaches(job_id, "printing")
    farm.printers[0].say(percent=12, remaining=77, layer=3)
    await asyncio.sleep(0)
    view = farm.room.live.view(farm.printers[0].id)
    assert view is not None
    card = view["job"]
    assert (card["id"], card["progress"], card["remaining"], card["layer"], card["layers"]) == (job_id, 12, 77, 3, 100)
    assert card["thumbnail"].endswith("/plates/8/thumbnail")


async def test_the_certificate_is_pinned_on_first_sight_only(farm: Farm) -> None:
    printer = farm.printers[0]

    async def pinned() -> str:
        row = await farm.tenant.read(lambda tx: printer_queries.get(tx, printer.id))
        assert row is not None
        return row.cert_sha256

    printer.say(cert="aa" * 32)
    async with asyncio.timeout(5):
        while not await pinned():
            await asyncio.sleep(0.01)
    printer.say(cert="bb" * 32)
    await asyncio.sleep(0.1)
    assert await pinned() == "aa" * 32


async def test_a_printer_whose_pin_was_dropped_is_pinned_anew_by_the_same_certificate(farm: Farm) -> None:
    """Its serial number had been mistyped, and was put right: the machine shows what it showed before."""
    printer = farm.printers[0]

    async def pinned(wanted: str) -> None:
        async with asyncio.timeout(5):
            while True:
                row = await farm.tenant.read(lambda tx: printer_queries.get(tx, printer.id))
                assert row is not None
                if row.cert_sha256 == wanted:
                    return
                await asyncio.sleep(0.01)

    printer.say(cert="aa" * 32)
    await pinned("aa" * 32)
    fleet = Fleet(Vault(KeyRing({"test": b"k" * 32})), farm.room.live, farm.bus)
    await fleet.update(farm.tenant, printer.id, {"serial_number": "SERIAL1B"})
    await pinned("")
    farm.hubs[0].tell(printer, printer.status, full=True)  # the hub has connected to it anew
    await pinned("aa" * 32)


async def test_status_of_an_unknown_printer_is_harmless(farm: Farm) -> None:
    farm.room.observer.status("prn_gone", True, {"state": "running"})
    hub = farm.hubs[0]
    await farm.room.observer.event(hub_id=hub.id, boot=hub.boot, n=900, name="state", printer_id="prn_gone", data=BEGAN)


async def test_an_event_set_aside_is_kept_does_nothing_and_is_told_to_people_once(farm: Farm) -> None:
    hub, printer = farm.hubs[0], farm.printers[0]
    event: dict[str, Any] = {"hub_id": hub.id, "boot": "abcdefgh", "n": 3, "name": "state", "printer_id": printer.id}
    for _ in range(2):
        await farm.room.observer.set_aside("ValueError", **event, data=BEGAN)
    await farm.room.observer.event(**event, data=BEGAN)  # the hub did not hear the ack: still nothing happens
    assert farm.cleared(printer)
    entries, _ = await farm.tenant.read(lambda tx: ENTRIES.page(tx, Listing(filters={"object_id": printer.id})))
    assert [(one["action"], one["actor"], one["details"]) for one in entries] == [
        (
            "hubs_event_set_aside",
            hub.id,
            {"event": "state", "boot": "abcdefgh", "n": 3, "problem": "ValueError", "data": BEGAN},
        )
    ]
    assert await farm.store.read(lambda tx: hub_queries.acked(tx, hub.id, "abcdefgh")) == 3


async def test_a_hub_speaks_only_of_its_own_printers(farm: Farm) -> None:
    printer = farm.printers[0]
    farm.room.observer.hub_online("hub_other", farm.tenant_id, [])
    from cloud.storage import hubs

    await farm.tenant.write(lambda tx: hubs.create(tx, hub_id="hub_other", name="Other", key_hash="y"))
    await farm.room.observer.event(
        hub_id="hub_other", boot="abcdefgh", n=1, name="state", printer_id=printer.id, data=BEGAN
    )
    assert farm.cleared(printer)


async def test_a_removed_printer_vanishes_from_the_views(farm: Farm) -> None:
    browser = Browser(farm)
    farm.room.live.remove_printer(farm.printers[0].id)
    await farm.until(lambda: not browser.printers)


async def test_a_snapshot_comes_through_the_hub(farm: Farm) -> None:
    assert await farm.room.controls.snapshot(farm.tenant, farm.printers[0].id) == b"\xff\xd8\xff\xd9"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (0x0500C010, "could not read the file from its storage. (code 0500_C010)"),
        (0x07018011, "AMS slot ran out"),
        (0x05024007, "Developer Mode"),
        (0x12345678, "reports an error. (code 1234_5678)"),
    ],
)
def test_print_errors_in_words(error: int, words: str) -> None:
    assert words in error_sentence(error)


def test_unknown_failures_fall_back_to_what_was_said() -> None:
    assert failure_sentence("strange", "It said so.") == "It said so."
    assert failure_sentence("strange") == "The printer could not do it (strange)."


# ---- years of events


async def test_old_events_are_let_go_when_their_repeats_cannot_come_any_more(farm: Farm) -> None:
    hub = farm.hubs[0].id

    async def told(n: int, name: str = "boot") -> bool:
        store = hub_queries.store_event
        return await farm.tenant.write(
            lambda tx: store(tx, hub_id=hub, boot=f"boot{n:04}", n=1, name=name, printer_id="", data={})
        )

    async def age(n: int, days: int) -> None:
        was = update(hub_events).where(hub_events.c.boot == f"boot{n:04}")
        await farm.store.write(lambda tx: tx.run(was.values(received_at=clock.after(-days * 86400))))

    async def kept() -> list[str]:
        rows = await farm.store.read(lambda tx: tx.all(select(hub_events.c.boot).order_by(hub_events.c.boot)))
        return [row["boot"] for row in rows]

    for n, name in enumerate(("boot", "crash", "boot")):
        assert await told(n, name)
        await age(n, days=91)
    assert await told(3)
    assert await kept() == ["boot0000", "boot0001", "boot0002", "boot0003"], "it has just come back: it may repeat"
    assert not await told(2)
    await age(3, days=2)
    assert await told(4)
    assert await kept() == ["boot0001", "boot0003", "boot0004"], "a crash stays until newer ones replace it"
