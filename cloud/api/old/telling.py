"""What answers about one printer have in common in the old system's shapes."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from cloud.printing.live import LivePrinter
from cloud.printing.views import View
from cloud.storage import clock

Heat = Annotated[float, Meta(ge=0, le=350)]
FileName = Annotated[str, Meta(min_length=1, max_length=255)]


class HeatIn(Struct, frozen=True, forbid_unknown_fields=True):
    temperature: Heat
    wait: bool = False
    """Not heeded: nobody waits for heat."""


class OldOut(Struct, frozen=True, kw_only=True):
    success: bool = True
    message: str
    timestamp: str
    printer_id: str
    """The printer's number, as text."""


class Degrees(Struct, frozen=True, kw_only=True):
    current: float
    target: float
    is_heating: bool


class Temperatures(Struct, frozen=True, kw_only=True):
    nozzle: Degrees
    bed: Degrees
    chamber: Degrees


class Progress(Struct, frozen=True, kw_only=True):
    percentage: int
    elapsed_time: int | None
    """Seconds; nobody measures it while the print runs."""
    remaining_time: int | None
    current_layer: int | None
    total_layers: int | None


def told(one: LivePrinter, message: str) -> dict[str, Any]:
    """What every old answer about a printer begins with."""
    return {"message": message, "timestamp": clock.now(), "printer_id": str(one.meta["printer_id"])}


def temperatures(status: View) -> Temperatures:
    """What a status says of heat."""
    return Temperatures(**{name: _degrees(status, name) for name in ("nozzle", "bed", "chamber")})


def _degrees(status: View, name: str) -> Degrees:
    current, target = status.get(name, 0.0), status.get(f"{name}_target", 0.0)
    return Degrees(current=current, target=target, is_heating=target > current)
