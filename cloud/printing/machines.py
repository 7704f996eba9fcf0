"""A live printer as the pure matching sees it."""

from cloud.printing.live import LivePrinter
from cloud.printing.matching import Machine


def machine(one: LivePrinter, *, held: bool) -> Machine:
    """What is known of a printer at this moment. `held`: another job has it."""
    return Machine(
        id=one.meta["id"],
        name=one.meta["name"],
        model=one.meta["model"],
        nozzle_size=one.meta["nozzle_size"],
        is_active=one.meta["is_active"],
        connect=one.meta["connect"],
        cleared=one.meta["cleared"],
        in_maintenance=one.meta["in_maintenance"],
        maintenance_reason=one.meta["maintenance_reason"] or "",
        disabled=one.meta["disabled_at"] is not None,
        disabled_reason=one.meta["disabled_reason"] or "",
        held=held,
        hub_online=one.hub_online,
        fresh=one.fresh,
        status=one.status,
    )
