"""Install the hub on a board, give it its identity, test it, print its label.

    python -m tools.flash --host https://farm.example --label labels

Run it again whenever something went wrong: it goes on where it stopped. Exit codes: tools/flash/README.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tools.flash import settings
from tools.flash.command import Job, flash
from tools.flash.device import PROMPT_S
from tools.flash.failures import FlashError, Stage
from tools.flash.layout import Wish
from tools.flash.micropython import Wanted
from tools.flash.screen import Screen

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "flash"
HOST = "host"
"""The file in the cache with the address of the cloud that was named last."""


def _host(text: str) -> str:
    """The part of an address that stands in the code on the label; argparse tells what is wrong."""
    parts = urlsplit(text if "://" in text else f"https://{text}")
    if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query or "@" in parts.netloc:
        raise argparse.ArgumentTypeError(f"{text!r} is not like https://farm.example")
    return parts.netloc.lower()


def _count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 1000:
        raise argparse.ArgumentTypeError("a number from 1 to 1000")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="flash", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", help="serial port, or socket://ADDRESS:PORT; default: the only board there is")
    parser.add_argument("--host", type=_host, help="https://… of your cloud, for the label; remembered")
    parser.add_argument("--label", type=Path, metavar="DIR", help="write labels there: SVG, PNG, and a PDF sheet")
    parser.add_argument("--count", type=_count, default=1, help="flash so many boards, one after another")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="your own authority, beside the public ones (PEM, DER)")
    parser.add_argument(
        "--firmware", type=Path, metavar="FILE", help="MicroPython image to take instead of downloading"
    )
    parser.add_argument("--variant", help="variant of the image: SPIRAM_OCT (default on ESP32-S3) or '' for none")
    parser.add_argument(
        "--layout",
        type=Wish,
        choices=list(Wish),
        default=Wish.KEEP,
        help="slots: room for a second MicroPython, to update it over the air; single: none; default: as it is",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--keep", action="store_true", help="never write MicroPython, take the one on the board")
    how.add_argument("--rewrite", action="store_true", help="write MicroPython even when the right one is there")
    how.add_argument(
        "--erase", action="store_true", help="erase everything first, identity too: an old label is worthless then"
    )
    parser.add_argument("--build", type=Path, metavar="DIR", help="a compiled application; default: compile this one")
    parser.add_argument(
        "--patience",
        type=float,
        default=PROMPT_S,
        metavar="S",
        help="wait so long for MicroPython's prompt (%(default)s)",
    )
    parser.add_argument("--cache", type=Path, default=CACHE, help=argparse.SUPPRESS)
    return parser


def _remembered(given: str | None, cache: Path) -> str:
    """The cloud's host: the one given, which is remembered, or the one given last."""
    path = cache / HOST
    if given is None:
        return path.read_text().strip() if path.exists() else ""
    cache.mkdir(parents=True, exist_ok=True)
    path.write_text(given + "\n")
    return given


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit code is that of the stage where it stopped."""
    parser = _parser()
    options = parser.parse_args(arguments)
    screen = Screen()
    if options.keep and options.layout is not Wish.KEEP:
        parser.error("--layout writes MicroPython anew, which --keep forbids: leave one of them out")
    try:
        host = _remembered(options.host, options.cache)
        if options.label and not host:
            parser.error("--label needs --host once: the address of your cloud stands on the label")
        job = Job(
            wanted=Wanted(
                cache=options.cache,
                file=options.firmware,
                variant=options.variant,
                keep=options.keep,
                rewrite=options.rewrite,
                erase=options.erase,
                layout=options.layout,
                patience_s=options.patience,
            ),
            port=options.port,
            count=options.count,
            host=host,
            labels=options.label,
            certificates=settings.authorities(options.ca) if options.ca else {},
            build=options.build,
        )
        flash(job, screen)
    except FlashError as error:
        screen.say(f"FAIL  {error}")
        return int(error.stage)
    except KeyboardInterrupt:
        screen.say("FAIL  interrupted; run the same command again, it goes on where it stopped")
        return int(Stage.INTERRUPTED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
