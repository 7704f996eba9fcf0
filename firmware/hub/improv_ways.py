"""Improv while the hub is set up: over Bluetooth beside the pairing service, and over the cable.

Loaded in setup mode only.
"""

from hub.improv import Improv
from hub.improv_ble import ImprovBle
from hub.improv_serial import ImprovSerial
from hub.log import log

_CLOUD = "cloud.json"
_PAGE = "/p"
_MOST = 200
_IDENTIFY_MS = 10_000


class ImprovWays:
    """Both ways of one `setup` (provisioning.Setup). `ble` is a service for a `Ble`; `serial(console)` gives the other.

    The button authorises networks over the air; over the cable whoever holds it may.
    """

    def __init__(self, setup, name: str) -> None:  # type: ignore[no-untyped-def]
        self._setup = setup
        self._info = ("PrintFarm", setup.firmware, setup.board.target, name)
        self._name = setup.board.recall("hostname", "") or name
        setup.board.rename(self._name)
        self._air = self._machine(locked=True)
        self.ble = ImprovBle(self._air)
        setup.panel.pressed = self._air.authorise
        setup.beats.append(self._air.tick)

    def serial(self, console) -> ImprovSerial:  # type: ignore[no-untyped-def]
        """The machine on the line of a board's `console`."""
        way = ImprovSerial(self._machine(locked=False), console.send, console.interrupted, self._setup.service)
        console.take = way.take
        return way

    def _machine(self, locked: bool) -> Improv:
        machine = Improv(self._info, _Radio(self._setup), self._joined, self._identify, locked)
        machine.hostname = self._name
        machine.renamed = self._setup.board.rename
        return machine

    def _identify(self) -> None:
        self._setup.panel.show("identify", _IDENTIFY_MS)

    def _joined(self, network: "dict") -> str:  # type: ignore[type-arg]
        """Keep a network that works; the address at which the hub is paired."""
        log("setup", "joined a network by Improv")
        config = self._setup.config
        try:
            config.store_networks([network])
        except OSError as error:
            log("setup", "the network is not kept, the flash takes nothing: %r" % error)
        return page_of(config)


class _Radio:
    """The board's radio for one at a time: a box in work goes first."""

    def __init__(self, setup) -> None:  # type: ignore[no-untyped-def]
        self._setup = setup

    async def scan(self) -> "list[tuple[str, int, bool]]":
        return await self._setup.board.radio.scan()  # type: ignore[no-any-return]

    async def join(self, network: "dict") -> str:  # type: ignore[type-arg]
        async with self._setup.turn:
            if self._setup.done.is_set():
                return "paired"
            code = await self._setup.board.radio.join(network)
            if code:
                self._setup.board.radio.leave()
            return code  # type: ignore[no-any-return]


def page_of(config) -> str:  # type: ignore[no-untyped-def]
    """Where people pair this hub, from cloud.json {"url"} that flashing may have put there; "" when it is not told."""
    try:
        document = config.read(_CLOUD)
    except ValueError:
        log("config", "%s is damaged" % _CLOUD)
        return ""
    url = document.get("url") if isinstance(document, dict) else None
    if not isinstance(url, str) or not url.startswith("http") or len(url) > _MOST:
        return ""
    return (url[:-1] if url.endswith("/") else url) + _PAGE
