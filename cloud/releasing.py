"""What whoever runs the installation does about releases of hubs: `python -m cloud add-release` and `rollout`."""

from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cloud.hubs.releases import ReleaseFileError, publish, read_release, version_of
from cloud.hubs.rollout import outcomes
from cloud.settings import Settings
from cloud.storage import clock, migrations
from cloud.storage import releases as queries
from cloud.storage.files_folder import BlobError, BlobStore
from cloud.storage.store import Store
from shared_protocol.version import SUBPROTOCOLS

COMMANDS = ("add-release", "rollout")


class ReleasingError(RuntimeError):
    """It was not done; the message is for a person."""


def declare(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """The arguments of these commands."""
    add = commands.add_parser("add-release", help="publish a release of the hubs' firmware, made by tools.release")
    add.add_argument("file", type=Path)
    add.add_argument("--channel", choices=("stable", "beta"), default="stable")
    add.add_argument("--percentage", type=int, default=10, help="of all hubs, to begin with; 10 when left out")
    add.add_argument("--notes", default="", help="what is new, for people")
    rollout = commands.add_parser("rollout", help="show how releases go, or change one")
    rollout.add_argument("release", nargs="?", help="version; left out: show all")
    rollout.add_argument("--channel", choices=("stable", "beta"))
    rollout.add_argument("--percentage", type=int)
    rollout.add_argument("--halt", metavar="WHY", help="offer it to no more hubs")
    rollout.add_argument("--resume", action="store_true", help="offer it again")
    rollout.add_argument("--minimum", action="store_true", help="the oldest firmware that may speak the protocol")


async def run(settings: Settings, given: Namespace) -> str:
    """Do one of COMMANDS, beside a server that runs or without one; what to print. Raises ReleasingError."""
    percentage = given.percentage
    if percentage is not None and not 0 <= percentage <= 100:
        raise ReleasingError("A percentage is 0 to 100.")
    await migrations.migrate(settings.database)
    store = await Store.open(settings.database)
    try:
        work: Callable[[Store, Namespace], Awaitable[str]] = _change if given.command == "rollout" else _adder(settings)
        return await work(store, given)
    except (ReleaseFileError, BlobError, OSError) as error:
        raise ReleasingError(f"{given.file}: {error}") from None
    finally:
        await store.close()


def _adder(settings: Settings) -> Callable[[Store, Namespace], Awaitable[str]]:
    async def add(store: Store, given: Namespace) -> str:
        release = read_release(given.file)
        blobs = BlobStore(settings.data_dir / "blobs")
        blobs.make_folders()
        await publish(
            store, blobs, release, channel=given.channel, percentage=given.percentage, notes=given.notes[:2000]
        )
        targets = ", ".join(sorted(release.manifests))
        return f"{release.version} for {targets}: offered on {given.channel} to {given.percentage} % of the hubs."

    return add


async def _change(store: Store, given: Namespace) -> str:
    if given.release is None:
        return await _shown(store)
    if given.minimum:
        if not version_of(given.release):
            raise ReleasingError(f"{given.release} is no version.")
        await store.write(lambda tx: queries.set_minimum(tx, SUBPROTOCOLS[0], given.release))
        return f"Hubs older than {given.release} are updated before their turn."
    values: dict[str, Any] = {
        name: value
        for name, value in (("channel", given.channel), ("percentage", given.percentage))
        if value is not None
    }
    if given.halt:
        values |= {"halted_at": clock.now(), "halted_why": given.halt[:300]}
    elif given.resume:
        values |= {"halted_at": None, "halted_why": "", "forgiven": await _failed(store, given.release)}
    if values and not await store.write(lambda tx: queries.change(tx, given.release, **values)):
        raise ReleasingError(f"There is no release {given.release}.")
    return await _shown(store)


async def _failed(store: Store, version: str) -> int:
    found = (await outcomes(store)).get(version)
    return found.failed if found else 0


async def _shown(store: Store) -> str:
    counted = await outcomes(store)
    lines = []
    for release in await store.read(queries.everything):
        brought = [f"MicroPython {version} for {target}" for target, version in release.images.items()]
        line = f"{release.version:12} {release.channel:7} {release.percentage:3} %  {' '.join(release.targets)}"
        line += f"  with {', '.join(brought)}" if brought else ""
        if (outcome := counted.get(release.version)) is not None:
            line += f"  {outcome.good} good, {outcome.failed} failed, {outcome.under_way} under way"
        lines.append(line + (f"  STOPPED: {release.halted_why}" if release.halted_at else ""))
    return "\n".join(lines) or "No release was published yet."
