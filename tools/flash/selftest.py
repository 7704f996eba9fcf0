"""The board's own test of itself, `firmware/hub/selftest.py`, asked for and judged."""

from __future__ import annotations

from tools.flash.device import Device, DeviceError, Refused
from tools.flash.failures import FlashError, Stage

_RUN = (
    "import sys\nif '' not in sys.path:\n    sys.path.insert(0, '')\nfrom hub.selftest import run\nprint(repr(run()))"
)


def check(board: Device) -> list[str]:
    """What was checked and found good, a line each. FlashError names what failed."""
    try:
        lines = board.run(_RUN).splitlines()
    except Refused as error:
        raise FlashError(
            Stage.SELF_TEST,
            f"the application does not load ({error.kind}); run again, with --rewrite if that does not help",
        ) from error
    except DeviceError as error:
        raise FlashError(Stage.SELF_TEST, f"the board fell silent ({error}); run the same command again") from error
    found = [line.removeprefix("selftest: ") for line in lines if line.startswith("selftest: ")]
    failed = [line for line in found if "failed" in line]
    if failed or not found:
        raise FlashError(Stage.SELF_TEST, f"the board is not well: {'; '.join(failed) or 'it said nothing'}")
    return found
