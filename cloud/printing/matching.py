"""Whether a job can go to a printer now, with which spools, and if not, why: in words. Pure: no I/O.

Decisions (reference/product.md §6.3, reference/bambu.md §7.1, §8.3):
- a file for another model group is refused; a file that names no model only goes to a printer named by the user;
- another nozzle diameter is refused; an unknown one, on either side, is a warning;
- a printer that was not heard of since its hub connected is not judged by old values;
- the plate gate, Developer Mode, storage and spools are looked at again right before the start command.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from cloud.catalog.models import by_code, compatible
from cloud.printing.filaments import ColorPolicy, Missing, Needed, SpoolMap, check, choose
from cloud.printing.views import View
from cloud.printing.words import LOCKED, POWER_LOSS
from shared_protocol.status import READY

NOZZLE_TOLERANCE: Final = 0.05
"""mm"""


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """The job can start on this printer now."""

    mapping: list[int]
    use_ams: bool
    warnings: list[str]
    inexact: int
    """Filaments whose colour is not exactly the wanted one."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """The job cannot start there now. `sentence` goes on after the printer's name and a colon, without a full stop."""

    code: str
    sentence: str


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """The job will never fit there. `sentence` stands alone."""

    code: str
    sentence: str


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What a job needs of a printer."""

    filaments: list[Needed]
    model_id: str | None
    nozzle: float | None
    color_policy: ColorPolicy
    ams_mapping: list[int] | None
    target: str | None


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a printer at this moment."""

    id: str
    name: str
    model: str
    nozzle_size: float | None
    is_active: bool
    connect: bool
    cleared: bool
    in_maintenance: bool = False
    maintenance_reason: str = ""
    disabled: bool = False
    disabled_reason: str = ""
    held: bool
    """A job holds it."""
    hub_online: bool
    fresh: bool
    status: View


class _Printer(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def nozzle_size(self) -> float | None: ...


def demand(row: Mapping[str, Any]) -> Demand:
    """What the job in this row needs."""
    mapping = row["ams_mapping"]
    return Demand(
        filaments=msgspec.json.decode(row["filaments"], type=list[Needed]),
        model_id=row["model_id"],
        nozzle=row["nozzle"],
        color_policy=row["color_policy"],
        ams_mapping=None if mapping is None else msgspec.json.decode(mapping, type=list[int]),
        target=row["target_printer_id"],
    )


def never_fits(model_id: str | None, nozzle: float | None, printer: _Printer) -> Wrong | None:
    """Why a file can never be printed on a printer, judged by what does not change by itself; None when it may."""
    if model_id is not None and not compatible(model_id, printer.model):
        sliced = by_code(model_id)
        name = sliced.name if sliced else model_id
        ours = by_code(printer.model)
        sentence = f"The file was sliced for the {name}; {printer.name} is a {ours.name if ours else printer.model}."
        return Wrong(code="wrong_model", sentence=sentence)
    if _differs(nozzle, printer.nozzle_size):
        sentence = f"The file needs a {nozzle} mm nozzle; {printer.name} has {printer.nozzle_size} mm."
        return Wrong(code="wrong_nozzle", sentence=sentence)
    return None


def fit(job: Demand, printer: Machine) -> Fit | Waiting:
    """Whether the job may be given to the printer now."""
    waiting = _unfit(job, printer) or _out_of_service(printer) or _unreachable(printer) or _unready(printer)
    if waiting is None and printer.held:
        waiting = Waiting(code="busy", sentence="another job has it")
    return waiting or spools(job, printer)


def startable(job: Demand, printer: Machine) -> Fit | Waiting:
    """The same question for the job that holds the printer, right before its start command.

    A printer taken out of service meanwhile still prints it: people mean that no other job follows.
    """
    return _unfit(job, printer) or _unreachable(printer) or _unready(printer) or spools(job, printer)


def spools(job: Demand, printer: Machine) -> Fit | Waiting:
    """Only the filaments: the mapping to send, or what is not loaded."""
    trays: Sequence[Mapping[str, Any]] = printer.status.get("trays", [])
    if job.ams_mapping is not None:
        result: SpoolMap | Missing = check(job.filaments, trays, job.ams_mapping)
    else:
        result = choose(job.filaments, trays, job.color_policy)
    if isinstance(result, Missing):
        where = " – not loaded" if result.code == "filament" else ""
        return Waiting(code=result.code, sentence=result.sentence + where)
    warnings = list(result.warnings)
    if job.nozzle is None or _nozzle(printer) is None:
        warnings.append("the nozzle could not be compared with the file's")
    if job.model_id is None:
        warnings.append("the file does not say which printer model it is for")
    return Fit(mapping=result.mapping, use_ams=result.use_ams, warnings=warnings, inexact=result.inexact)


def reason(candidates: Sequence[tuple[str, Waiting]]) -> str:
    """One sentence for a job that waits, from what each printer it might go to said."""
    if not candidates:
        return "No printer of the farm fits this job."
    lacking = {waiting.code for _, waiting in candidates}
    if len(candidates) > 1 and lacking <= {"model", "nozzle"}:
        return "No printer of the farm fits this job."
    # What can be helped comes first; a printer of another kind is no news when there are others.
    told = [one for one in candidates if one[1].code not in ("model", "nozzle")] or list(candidates)
    grouped: dict[str, list[str]] = {}
    for name, waiting in told:
        grouped.setdefault(waiting.sentence, []).append(name)
    parts = [f"{_listed(names)}: {sentence}" for sentence, names in grouped.items()]
    return "; ".join(parts[:4]) + ("; …" if len(parts) > 4 else ".")


def _unfit(job: Demand, printer: Machine) -> Waiting | None:
    if job.target is not None and job.target != printer.id:
        return Waiting(code="model", sentence="is not the chosen printer")
    if job.model_id is None and job.target is None:
        return Waiting(code="model", sentence="the file does not say which printer model it is for")
    reported = printer.status.get("model")
    # What a printer says of itself outweighs what was typed in, as long as it is a model that is known.
    model = reported if reported and by_code(reported) else printer.model
    if job.model_id is not None and not compatible(job.model_id, model):
        return Waiting(code="model", sentence="the file is for another printer model")
    if _differs(job.nozzle, _nozzle(printer)):
        return Waiting(code="nozzle", sentence=f"needs a {job.nozzle} mm nozzle – it has {_nozzle(printer)} mm")
    return None


_LINKS: Final = {
    "auth_failed": "refuses the access code",
    "wrong_serial": "another printer answers at its address",
    "cert_changed": "shows another certificate than before",
    "connecting": "is being connected",
    "off": "is disconnected",
}


def _out_of_service(printer: Machine) -> Waiting | None:
    if printer.in_maintenance:
        return Waiting(code="maintenance", sentence=_told("is in maintenance", printer.maintenance_reason))
    if printer.disabled:
        return Waiting(code="disabled", sentence=_told("is disabled", printer.disabled_reason))
    return None


def _told(sentence: str, why: str) -> str:
    return f"{sentence}: {why.removesuffix('.')}" if why else sentence


def _unreachable(printer: Machine) -> Waiting | None:
    if not printer.is_active or not printer.connect:
        return Waiting(code="off", sentence="is switched off here")
    if not printer.hub_online:
        return Waiting(code="hub_offline", sentence="its hub is offline")
    link = printer.status.get("link")
    if not printer.fresh:
        return Waiting(code="offline", sentence="is being connected")
    if link != "online":
        return Waiting(code=str(link or "offline"), sentence=_LINKS.get(str(link), "is offline"))
    return None


def _unready(printer: Machine) -> Waiting | None:
    status = printer.status
    if status.get("control") == "locked":
        return Waiting(code="locked", sentence=LOCKED.removesuffix("."))
    state = status.get("state", "unknown")
    if state not in READY:
        word = "is paused" if state == "pause" else "is printing" if state in ("running", "prepare") else "is not ready"
        return Waiting(code="busy", sentence=word)
    if status.get("error") == POWER_LOSS:
        return Waiting(code="error", sentence="has a print that power loss cut off: resume or end it at its screen")
    if not printer.cleared:
        return Waiting(code="not_cleared", sentence="its plate has to be cleared")
    return _storage(status)


def _storage(status: View) -> Waiting | None:
    storage = status.get("storage", "unknown")
    if storage in ("ok", "unknown"):
        return None
    words = {"none": "has no card or stick", "readonly": "its card is write-protected"}
    return Waiting(code="storage", sentence=words.get(storage, "its storage is at fault"))


def _nozzle(printer: Machine) -> float | None:
    reported = printer.status.get("nozzle_diameter")
    return float(reported) if reported else printer.nozzle_size


def _differs(wanted: float | None, has: float | None) -> bool:
    return bool(wanted and has) and abs(float(wanted or 0) - float(has or 0)) > NOZZLE_TOLERANCE


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
