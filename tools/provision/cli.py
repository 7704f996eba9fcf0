"""The command line: what is asked, in which order, and what is said."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from getpass import getpass
from typing import Any, Final

import aiohttp

from shared_protocol import pairing
from tools.farm.client import ApiError, Client
from tools.provision.air import open_channel
from tools.provision.pair import Channel, PairError, exit_code, pair
from tools.provision.serial_line import SerialChannel

SAID: Final = {
    "joining": "The hub joins the network …",
    "reaching": "It looks for the cloud …",
    "claiming": "It claims its place …",
    "done": "Done.",
}

Ask = Callable[[str], str]


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        prog="python -m tools.provision",
        description="Pair a hub: give it a network and make it yours.",
        epilog="Secrets are asked for, or taken from PRINTFARM_LABEL, PRINTFARM_KEY (an API key), "
        "PRINTFARM_PASSWORD and PRINTFARM_PSK.",
    )
    made.add_argument(
        "--label", help="the 26 characters of the hub's label, or the address in its code; asked for if absent"
    )
    made.add_argument("--cloud", help="the cloud's address; not needed when the label is an address")
    made.add_argument("--email", help="sign in with this address and a password instead of an API key")
    made.add_argument("--ssid", required=True, help="the network's name")
    made.add_argument("--name", help="what to call the hub")
    made.add_argument("--replaces", metavar="HUB", help="the id of the hub whose place it takes")
    way = made.add_mutually_exclusive_group()
    way.add_argument("--ble", action="store_true", help="over Bluetooth (as without an option)")
    way.add_argument("--serial", metavar="PORT", help="over a cable: /dev/ttyACM0, COM3")
    return made


def read_label(text: str) -> tuple[bytes, str]:
    """The secret of a label and the cloud's address in it, or "". Raises ValueError."""
    address, hash_sign, secret = text.strip().partition("#")
    if not hash_sign:
        return pairing.secret_of(text.strip()), ""
    return pairing.secret_of(secret), address.rstrip("/").removesuffix("/p")


async def _signed_in(client: Client, email: str | None, ask: Ask) -> None:
    if email:
        await client.login(email, os.environ.get("PRINTFARM_PASSWORD") or ask(f"Password of {email}: "))
    else:
        client.token = os.environ.get("PRINTFARM_KEY") or ask("API key: ")


async def _leave(cloud: str, device: str, options: argparse.Namespace, ask: Ask) -> dict[str, Any]:
    """The cloud's leave to pair this device: {"id", "token", "cloud"}. Raises PairError."""
    asked = {"device_id": device}
    for name in ("name", "replaces"):
        if getattr(options, name):
            asked[name] = getattr(options, name)
    try:
        async with Client(cloud) as client:
            await _signed_in(client, options.email, ask)
            leave: dict[str, Any] = await client.create("/api/pairings/", asked)
            return leave
    except ApiError as error:
        raise PairError("already_owned" if error.code == "already_owned" else "not_allowed", error.message) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise PairError("no_cloud", str(error)) from None


@contextlib.asynccontextmanager
async def _channel(options: argparse.Namespace, device: str) -> AsyncIterator[Channel]:
    if options.serial:
        try:
            async with SerialChannel.open(options.serial) as channel:
                yield channel
        except ConnectionError as error:
            raise PairError("no_way", str(error)) from None
    else:
        async with open_channel(device) as channel:
            yield channel


async def run(options: argparse.Namespace, secret: bytes, cloud: str, ask: Ask) -> str:
    """Pair; the new hub's id. Raises PairError."""
    device = pairing.device_of(pairing.proof_of(secret))
    psk = os.environ.get("PRINTFARM_PSK")
    if psk is None:
        psk = ask(f"Password of the network {options.ssid} (empty when it has none): ")
    leave = await _leave(cloud, device, options, ask)
    content = {"ssid": options.ssid, "psk": psk, "url": leave["cloud"], "t": leave["token"]}
    async with _channel(options, device) as channel:
        told = await pair(channel, secret, content, lambda state: print(SAID.get(state, state), flush=True))
    hub: str = told["hub"]
    return hub


def main(arguments: Sequence[str] | None = None, ask: Ask = getpass) -> int:
    """Exit status: 0 paired, 2 wrong use, else `pair.exit_code`."""
    made = parser()
    options = made.parse_args(arguments)
    try:
        # Everybody on this machine sees arguments; who minds leaves the label out.
        label = options.label or os.environ.get("PRINTFARM_LABEL") or ask("The hub's label: ")
        secret, cloud = read_label(label)
    except ValueError as error:
        made.error(f"--label: {error}")
    cloud = options.cloud or cloud
    if not cloud.startswith(("https://", "http://")):
        made.error("--cloud is needed, as https://…, when the label is not an address")
    try:
        hub = asyncio.run(run(options, secret, cloud, ask))
    except PairError as error:
        print(error, file=sys.stderr)
        return exit_code(error.code)
    print(f"The hub {pairing.shown(pairing.device_of(pairing.proof_of(secret)))} is yours: {hub}.")
    return 0
