"""What the service writes to people, and who carries it: integrations/mail.py."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from cloud.storage.secrets import Secret


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """One message. Its text may hold a link that lets its reader in."""

    to: str
    purpose: str
    """For the log: "invitation"."""
    subject: str
    text: Secret


class Postman(Protocol):
    """Carries mail, after a while, or says that it cannot."""

    @property
    def works(self) -> bool:
        """Mail leaves this installation. When it does not, links are told to whoever may pass them on."""
        ...

    def later(self, work: Callable[[], Awaitable[Mail | None]]) -> None:
        """Make and send a mail soon; the caller does not wait, so that nobody can tell whether there was one."""
        ...


def invitation(to: str, farm: str, inviter: str, url: str, days: int) -> Mail:
    text = (
        f"{inviter} invites you to the print farm {farm!r}.\n\nOpen this link to choose a password:\n{url}\n\n"
        f"It is good for {days} days and can be used once. If you do not know what this is about, ignore it.\n"
    )
    return Mail(to=to, purpose="invitation", subject=f"Invitation to {farm}", text=Secret(text))


def reset(to: str, url: str) -> Mail:
    text = (
        f"Somebody asked for a new password for {to}.\n\nOpen this link to choose one:\n{url}\n\n"
        "It is good for an hour and can be used once. If it was not you, ignore this: nothing has changed.\n"
    )
    return Mail(to=to, purpose="password", subject="A new password", text=Secret(text))


def signup(to: str, farm: str, url: str) -> Mail:
    text = (
        f"Welcome! Open this link to set up the print farm {farm!r}:\n{url}\n\n"
        "It is good for a day and can be used once. If it was not you, ignore this.\n"
    )
    return Mail(to=to, purpose="signup", subject=f"Set up {farm}", text=Secret(text))


def known_already(to: str, address: str) -> Mail:
    text = f"Somebody tried to sign up with this address, which has an account already.\nLog in here: {address}/login\n"
    return Mail(to=to, purpose="signup", subject="You have an account already", text=Secret(text))


def hub_taken(to: str, farm: str, hub: str, device: str, moment: str) -> Mail:
    text = (
        f"The hub {hub!r} ({device}) of your print farm {farm!r} was reset by its button and paired anew, by somebody "
        f"else, at {moment} (UTC).\n\nIt does not belong to your farm any more: its key is dead, and whoever has it "
        "now sees nothing of yours. Its printers are still in your farm, without a connection.\n\nIf you sold it or "
        "gave it away, that is as it should be. If not, somebody at your place held its button for ten seconds: look "
        "for it, reset it again and pair it with your farm.\n"
    )
    return Mail(to=to, purpose="hub", subject=f"Your hub {hub} was taken over", text=Secret(text))
