"""Improv Wi-Fi (improv-wifi.com), the state machine: what every transport of it shares.

For Home Assistant, ESP Web Tools and phones' Improv apps. Its password is sent in clear, so over the air nothing is
taken until somebody has pressed the hub's button; over a cable whoever holds it may. A network joined this way does
not pair the hub, for there is no claim in it: the address it answers leads to the pairing page.
"""

import time

STOPPED, LOCKED, READY, JOINING, JOINED = range(5)
"""States; LOCKED waits for the button."""

NO_ERROR, INVALID, UNKNOWN, NOT_JOINED, NOT_AUTHORISED, BAD_NAME = range(6)

SEND_WIFI, IDENTIFY, INFO, SCAN, HOSTNAME, DEVICE_NAME = range(1, 7)

CAPABILITIES = 0x0F  # identify, device info, scan, hostname

AUTHORISED_MS = 60_000
MAX_RESULT = 255
"""Bytes of the strings in one result, with their lengths: what its own length, one byte, can tell."""


class Improv:
    """`info` are four strings: firmware, version, chip, name. `radio` joins and scans; `joined(network)` is called with
    a network that works and returns the address to go on at, or ""; `identify()` makes the hub blink.

    `changed()` is called when `state` or `error` is another, `renamed(name)` when somebody gave a name for the network.
    """

    def __init__(self, info: "tuple[str, str, str, str]", radio, joined, identify, locked: bool) -> None:  # type: ignore[no-untyped-def]
        self.info = info
        self.changed = lambda: None
        self.renamed = _nothing
        self.error = NO_ERROR
        self.hostname = info[3]
        self.state = LOCKED if locked else READY
        self._locked = locked
        self._until: "int | None" = None
        self._radio = radio
        self._joined = joined
        self._identify = identify

    def authorise(self) -> None:
        """The button was pressed: for a minute networks are taken."""
        self._until = time.ticks_add(time.ticks_ms(), AUTHORISED_MS)
        if self.state == LOCKED:
            self._become(READY)

    def tick(self) -> None:
        """Now and then: the minute may be over."""
        waiting = self._locked and self.state == READY and self._until is not None
        if waiting and time.ticks_diff(self._until, time.ticks_ms()) < 0:  # type: ignore[arg-type]
            self._become(LOCKED)

    def fail(self, error: int) -> None:
        """Something is wrong with what came."""
        self.error = error
        self.changed()

    def _become(self, state: int) -> None:
        self.state = state
        self.changed()

    async def handle(self, command: int, data: bytes) -> "list[str] | None":
        """The strings of the result; None when there is none, and `error` says why or is NO_ERROR."""
        self.tick()
        self.error = NO_ERROR
        if command == INFO:
            return list(self.info)
        if command == IDENTIFY:
            self._identify()
            return None
        if command == SCAN:
            return await self._scan()
        if command not in (SEND_WIFI, HOSTNAME, DEVICE_NAME):
            self.fail(UNKNOWN)
        elif self.state in (STOPPED, LOCKED) and (data or command != DEVICE_NAME):
            self.fail(NOT_AUTHORISED)
        elif command == SEND_WIFI:
            return await self._join(data)
        else:
            return self._name(data)
        return None

    async def networks(self) -> "list[tuple[str, str, bool]]":
        """Name, strength and whether it has a password, of what is in range."""
        return [(ssid, str(rssi), secured) for ssid, rssi, secured in await self._radio.scan()]

    async def _scan(self) -> "list[str]":
        found: "list[str]" = []
        room = MAX_RESULT
        for ssid, rssi, secured in await self.networks():
            three = [ssid, rssi, "WPA2" if secured else "NO"]
            room -= sum([len(text.encode()) + 1 for text in three])
            if room < 0:
                break
            found.extend(three)
        return found

    async def _join(self, data: bytes) -> "list[str] | None":
        texts = strings(data)
        if texts is None or len(texts) != 2 or not 1 <= len(texts[0].encode()) <= 32:
            self.fail(INVALID)
            return None
        if self.state == JOINING:
            self.fail(NOT_JOINED)
            return None
        before = self.state
        self._become(JOINING)
        network = {"ssid": texts[0], "password": texts[1]}
        if await self._radio.join(network):
            self.error = NOT_JOINED
            self._become(before)
            return None
        address = self._joined(network)
        self._become(JOINED)
        return [address] if address else []

    def _name(self, data: bytes) -> "list[str] | None":
        if data:
            # One client puts the length before the name once more, which a name cannot begin with.
            name = data[1:] if data[0] == len(data) - 1 else data
            if not _is_hostname(name):
                self.fail(BAD_NAME)
                return None
            self.hostname = name.decode()
            self.renamed(self.hostname)
        return [self.hostname]


def _nothing(name: str) -> None:
    pass


def _is_hostname(name: bytes) -> bool:
    """RFC 1123: letters, digits and inner hyphens; the chip tells the network at most 32."""
    if not 0 < len(name) <= 32 or name[0] == 45 or name[-1] == 45:
        return False
    return all(48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte == 45 for byte in name)


def checksum(data: "bytes | bytearray") -> int:
    """The low byte of the sum."""
    return sum(data) & 255


def strings(data: bytes) -> "list[str] | None":
    """The strings in a command's data, each behind its length; None when they do not fit together."""
    found = []
    at = 0
    while at < len(data):
        end = at + 1 + data[at]
        if end > len(data):
            return None
        try:
            found.append(bytes(data[at + 1 : end]).decode())
        except UnicodeError:
            return None
        at = end
    return found


def packed(command: int, texts: "list[str]") -> bytes:
    """Command, length, strings, each behind its length; without checksum."""
    body = b"".join([bytes([len(text.encode())]) + text.encode() for text in texts])
    return bytes([command, len(body)]) + body
