"""Releases of the hub's application.

    python -m tools.release key [--follow] # make a key pair; its public half goes into the firmware
    python -m tools.release build            # compile, sign, write dist/hub-VERSION.zip

Then `python -m cloud add-release FILE` on the server.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.build_firmware import ROOT, BuildError, package
from tools.release import keys
from tools.release.bundle import TARGETS, Image, ReleaseError, build, image_of
from tools.release.keys import KeyFileError

KEY = Path("~/.config/printfarm/release.pem")


def make_key(path: Path, *, follow: bool) -> None:
    """Make a key and build its public half in, beside the present one with `follow`."""
    former = keys.built_in()
    if former and not follow:
        raise KeyFileError(
            "The firmware has a release key. Hubs that have it take no release of another: with --follow the new key "
            "is built in beside it, and a release signed with the old one carries it to the hubs."
        )
    key = keys.new_key(path)
    keys.build_in([*former[-1:], keys.modulus(key)])
    print(f"private key: {path.expanduser()} (keep it safe, and a copy elsewhere)\npublic key:  {keys.BUILT_IN}")


def images(given: list[str], targets: tuple[str, ...]) -> dict[str, Image]:
    """What `--image TARGET=FILE` names. ReleaseError when it is nothing of the kind."""
    found = {}
    for one in given:
        target, _, file = one.partition("=")
        if target not in targets or not file:
            raise ReleaseError(f"--image {one}: it is like esp32s3=FILE, for one of {', '.join(targets)}.")
        found[target] = image_of(Path(file), target)
    return found


def make_release(
    path: Path, output: Path | None, targets: tuple[str, ...], brought: dict[str, Image], *, downgrade: bool
) -> None:
    """Build and sign; refused when no hub of this firmware would take it."""
    key = keys.load_key(path)
    if keys.modulus(key) not in keys.built_in():
        raise KeyFileError(
            f"{keys.BUILT_IN} does not have this key, so the hubs flashed from here would refuse its releases."
        )
    output = output or ROOT / "dist" / f"hub-{package()['version']}.zip"
    version = build(output, key, targets, downgrade=downgrade, images=brought)
    print(f"{output}: release {version} for {', '.join(targets)}")
    for target, image in brought.items():
        print(f"  {target}: with MicroPython {image.version}, {len(image.content) // 1024} KiB, for {image.machine}")


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--key", type=Path, default=KEY, help=f"file of the private key, {KEY} when left out")
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("key", help="make a key pair")
    made.add_argument("--follow", action="store_true", help="to follow the key that the firmware has")
    built = commands.add_parser("build", help="compile and sign a release")
    built.add_argument("--output", type=Path, help="the release file")
    built.add_argument("--target", action="append", choices=TARGETS, help="only for this kind of board; repeatable")
    built.add_argument(
        "--image", action="append", metavar="TARGET=FILE", default=[], help="a MicroPython for this kind of board"
    )
    built.add_argument("--downgrade", action="store_true", help="sign that it may replace a newer one")
    given = parser.parse_args(arguments)
    try:
        if given.command == "key":
            make_key(given.key, follow=given.follow)
        else:
            targets = tuple(given.target or TARGETS)
            brought = images(given.image, targets)
            make_release(given.key, given.output, targets, brought, downgrade=given.downgrade)
    except (KeyFileError, ReleaseError, BuildError) as error:
        print(f"tools.release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
