"""The claim: the device shows the cloud its proof and the token from the phone, and becomes a hub with a key."""

import json
from binascii import hexlify

from hub.address import is_loopback, split_url
from hub.config import Identity
from hub.flash import write_whole
from lib.http import HttpError, request
from lib.wire import UntrustedError, resolve

from shared_protocol import pairing

LIMIT_MS = 20_000
PATH = "/hub/v1/claim"

_STRANGER = "not correctly signed"
"""What Mbed TLS says of a chain that ends at no authority of ours, whatever the time is."""

_NOT_TRUSTED = (
    "The cloud's certificate is from no authority this hub trusts. If it is your own, flash the hub again with --ca."
)


class ClaimError(Exception):
    """`code` is one of pairing.CODES; `message` the cloud's sentence, or ""."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message


async def claim(setup, content: "dict", telling) -> "dict":  # type: ignore[type-arg, no-untyped-def]
    """The cloud's answer {"hub", "key", "name", "cloud"} to a box's `content`. Raises ClaimError.

    `setup` knows `board`, `config`, `secret` and `firmware`; `telling(state)` hears "reaching" and "claiming". Asking
    again with the same token is safe until the hub has connected: an answer that was lost on its way costs nothing.
    """
    secure, host, port, path = _split(content["url"])
    telling("reaching")
    try:
        address = resolve(host, port)
    except OSError:
        raise ClaimError("no_internet")
    asked = {
        "proof": hexlify(pairing.proof_of(setup.secret)).decode(),
        "token": content["t"],
        "firmware": setup.firmware,
        "board": setup.board.name,
        "target": setup.board.target,
        "reset_epoch": setup.board.recall("epoch", 0),
    }
    try:
        context = setup.config.trust() if secure else None
    except UntrustedError as error:
        # Not the clock's fault, and nothing that trying again would mend.
        raise ClaimError("cloud_refused", "The hub cannot trust any cloud: %s. Flash it again." % error)
    for attempt in (1, 2):
        try:
            telling("claiming")
            answer = await request(
                address, "POST", "%s:%d" % (host, port), path, context=context, json=asked, limit_ms=LIMIT_MS
            )
            break
        except UntrustedError as error:
            if _STRANGER in str(error):
                raise ClaimError("cloud_refused", _NOT_TRUSTED)
            if attempt == 2:
                raise ClaimError("clock", str(error).strip())
            setup.board.doubt_time()
        except (OSError, EOFError, HttpError) as error:
            raise ClaimError("cloud_unreachable", str(error))
    try:
        return _judge(answer.status, await answer.json())
    except (OSError, EOFError, HttpError) as error:
        raise ClaimError("cloud_unreachable", str(error))
    finally:
        answer.close()


def _split(url: str) -> "tuple[bool, str, int, str]":
    if not url.startswith("http"):
        raise ClaimError("cloud_refused", "The cloud's address must begin with https://.")
    try:
        secure, host, port, path = split_url("ws" + url[4:])
    except ValueError:
        raise ClaimError("cloud_refused", "The cloud's address is not valid.")
    if not secure and not is_loopback(host):
        # In clear the key would be readable by anyone on the way.
        raise ClaimError("cloud_refused", "The cloud's address must begin with https://.")
    return secure, host, port, (path[:-1] if path.endswith("/") else path) + PATH


def _judge(status: int, document: object) -> "dict":  # type: ignore[type-arg]
    if status == 200 and isinstance(document, dict):
        try:
            Identity(document)
        except ValueError as error:
            raise ClaimError("cloud_refused", str(error))
        return document
    refusal = document.get("error") if isinstance(document, dict) else None
    if not isinstance(refusal, dict):
        raise ClaimError("cloud_refused", "HTTP %d" % status)
    code, message = str(refusal.get("code", "")), str(refusal.get("message", ""))[:200]
    raise ClaimError(code if code in ("token_invalid", "already_owned") else "cloud_refused", message)


def store(folder: str, network: "dict", answer: "dict") -> None:  # type: ignore[type-arg]
    """Remember the network and then who the hub is: with an identity, and only with one, it is paired.

    Raises OSError when the flash takes nothing.
    """
    write_whole(folder + "/networks.json", json.dumps({"networks": [network]}).encode())
    known = {name: answer[name] for name in ("hub", "key", "cloud")}
    write_whole(folder + "/identity.json", json.dumps(known).encode())
