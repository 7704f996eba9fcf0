"""What the virtual printers wrote down, as times that can be compared with ours: one machine, one clock."""

from __future__ import annotations

from collections.abc import Sequence

from tools.virtual_printer.client import PrinterControl


async def arrivals(control: PrinterControl, command: str, sent: Sequence[float]) -> list[float]:
    """Seconds from each send (`time.time()`) to the printer's receipt of that command; the journal was empty before.

    Commands to one printer never overtake each other. Raises RuntimeError when one is missing or came twice.
    """
    received = [one["time"] for one in (await control.journal())["commands"] if one["command"] == command]
    if len(received) != len(sent):
        raise RuntimeError(f"{len(sent)} commands {command} were sent and {len(received)} received")
    return [there - here for here, there in zip(sent, received, strict=True)]
