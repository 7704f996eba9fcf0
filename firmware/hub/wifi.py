"""Wi-Fi: several known networks, tried for ever, and what is wrong in one word.

`radio` is the board's: `connected()`, `leave()`, `async scan()` -> [(ssid, rssi, secured)] and
`async join(network)` -> "" with an address, else "no_network", "wrong_password" or "no_address".
A network is the protocol's NETWORK: ssid, password, and address, gateway and dns where it has fixed ones.
"""

import asyncio
import random

from hub.log import log

LEAST_MS = 1_000
MOST_MS = 30_000

PATIENCE = 20
"""Rounds without any network, ten minutes or more; then the board starts over, which cures a radio that hangs."""

SENTENCES = {
    "no_network": "not in range",
    "wrong_password": "does not accept the password",
    "no_address": "gives no address",
}


class Wifi:
    """The networks of one board. `drops` counts the times a network was lost; `states` has, by name, what became of
    the last attempt: "joined" or a code of SENTENCES.
    """

    def __init__(self, radio) -> None:  # type: ignore[no-untyped-def]
        self._radio = radio
        self._joined = False
        self.drops = 0
        self.states: "dict[str, str]" = {}

    async def ensure(self, networks: "list[dict]", give_up) -> None:  # type: ignore[type-arg, no-untyped-def]
        """Return when the board is in one of the networks. Those in range are tried first, in the order given.

        `give_up()` is called after PATIENCE rounds without one; waiting goes on should it return.
        """
        if self._radio.connected():
            return
        if self._joined:
            self._joined = False
            self.drops += 1
            log("wifi", "the network is lost")
        wait, rounds = LEAST_MS, 0
        states = self.states = {}
        while True:
            for network in await self._in_order(networks):
                code = await self._radio.join(network)
                if not code:
                    self._joined = True
                    states[network["ssid"]] = "joined"
                    return
                if states.get(network["ssid"]) != code:
                    states[network["ssid"]] = code
                    log("wifi", "%s %s" % (network["ssid"], SENTENCES[code]))
            rounds += 1
            if rounds % PATIENCE == 0:
                give_up()
            if networks:
                self._radio.leave()
            # Hubs that lost the same access point do not come back all at once.
            await asyncio.sleep_ms(wait // 2 + random.randrange(wait))
            wait = min(2 * wait, MOST_MS)

    async def _in_order(self, networks: "list[dict]") -> "list[dict]":  # type: ignore[type-arg]
        """Hidden networks are in no scan, so what is not seen is tried too, last."""
        if len(networks) < 2:
            return networks
        seen = {ssid for ssid, _rssi, _secured in await self._radio.scan()}
        return [one for one in networks if one["ssid"] in seen] + [one for one in networks if one["ssid"] not in seen]


def split_address(text: str) -> "tuple[str, str]":
    """Address and mask of `192.168.1.7/24`; ValueError for anything else."""
    address, slash, length = text.partition("/")
    if not slash or not length.isdigit() or not 1 <= int(length) <= 30:
        raise ValueError("a fixed address looks like 192.168.1.7/24")
    mask = (0xFFFFFFFF << (32 - int(length))) & 0xFFFFFFFF
    return address, ".".join([str(mask >> shift & 255) for shift in (24, 16, 8, 0)])
