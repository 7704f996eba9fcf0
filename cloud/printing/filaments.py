"""Which loaded spool feeds which filament of a plate. Pure: no I/O, the same answer for the same question.

Rules and their sources: reference/product.md §6.3 and reference/bambu.md §3.4. A type always has to match; a colour has
to match within a tolerance unless the job says that only the type counts; no spool serves two filaments.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from shared_protocol.status import EXTERNAL_TRAY

ColorPolicy = Literal["match", "type"]
Tray = Mapping[str, Any]

TOLERANCE: Final = 40
"""Per channel of 0..255: closer is a similar colour, as printers' and slicers' names for one spool differ a little."""
UNUSED: Final = -1
"""Mapping value of a filament the plate does not use, and of the external spool."""
_SPOOL_GRAMS: Final = 1000
_FAMILIES: Final = {
    "PA6-CF": "PA-CF",
    "PAHT-CF": "PA-CF",
    "PA12-CF": "PA-CF",
    "PA6-GF": "PA-GF",
    "PLA BASIC": "PLA",
    "PLA MATTE": "PLA",
    "PETG HF": "PETG",
    "PETG BASIC": "PETG",
}
_NAMED: Final = {
    (255, 255, 255): "white",
    (0, 0, 0): "black",
    (128, 128, 128): "grey",
    (255, 0, 0): "red",
    (0, 128, 0): "green",
    (0, 0, 255): "blue",
    (255, 255, 0): "yellow",
    (255, 128, 0): "orange",
    (128, 0, 128): "purple",
    (255, 105, 180): "pink",
    (139, 69, 19): "brown",
    (0, 255, 255): "cyan",
}


class Needed(msgspec.Struct, frozen=True, kw_only=True):
    """A filament a plate uses, as stored with the job."""

    slot: int
    """1-based; the index in the mapping is slot - 1."""
    type: str
    color: str | None = None
    grams: float | None = None
    profile: str = ""


class SpoolMap(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping that may be sent: see `project_file` in the wire reference."""

    mapping: list[int]
    use_ams: bool
    warnings: list[str]
    inexact: int
    """How many filaments got a similar or another colour: fewer is the better printer."""


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """No mapping: `needs` says in words what is not loaded."""

    code: Literal["filament", "filament_unknown", "mapping"]
    sentence: str


def family(name: str) -> str:
    """The name two spools share when they may stand in for each other."""
    wanted = " ".join(name.upper().split())
    return _FAMILIES.get(wanted, wanted)


def in_words(filament: Needed) -> str:
    """`white PETG`, `#2850E0 PLA`, `PLA`."""
    kind = filament.type or "filament"
    rgb = _rgb(filament.color)
    if rgb is None:
        return kind
    near = min(_NAMED, key=lambda one: _distance(one, rgb))
    return f"{_NAMED[near] if _distance(near, rgb) <= TOLERANCE else filament.color} {kind}"


def choose(needed: Sequence[Needed], trays: Sequence[Tray], policy: ColorPolicy) -> SpoolMap | Missing:
    """The best mapping of a plate's filaments to the spools a printer holds now."""
    unknown = [one for one in needed if not one.type]
    if unknown or not needed:
        which = f"filament {unknown[0].slot}" if unknown else "its filaments"
        return Missing(
            code="filament_unknown",
            sentence=f"the file does not say what {which} is: choose a printer and its spools for this job",
        )
    # Spools of the AMS and the external one are never mixed in one print: printers disagree about what -1 then means.
    result = _assign(needed, [one for one in trays if one["id"] < EXTERNAL_TRAY], policy)
    if isinstance(result, SpoolMap) or len(needed) > 1:
        return result
    external = _assign(needed, [one for one in trays if one["id"] >= EXTERNAL_TRAY], policy)
    return external if isinstance(external, SpoolMap) else result


def check(needed: Sequence[Needed], trays: Sequence[Tray], mapping: Sequence[int]) -> SpoolMap | Missing:
    """A mapping somebody chose by hand: the colour is their affair, an empty slot or another material is not."""
    by_id = {one["id"]: one for one in trays}
    wanted = {one.slot: mapping[one.slot - 1] if one.slot <= len(mapping) else None for one in needed}
    used = [tray for tray in wanted.values() if tray is not None and tray != UNUSED]
    if None in wanted.values() or len(set(used)) != len(used):
        return Missing(code="mapping", sentence="the chosen spools must name one spool for each filament, none twice")
    if used and len(used) < len(wanted):
        return Missing(code="mapping", sentence="the external spool cannot be combined with the AMS in one print")
    warnings = []
    for one in needed:
        tray_id = wanted[one.slot]
        tray = _external(trays) if tray_id == UNUSED else by_id.get(tray_id or 0)
        if tray_id != UNUSED and (tray is None or not tray["loaded"]):
            return Missing(
                code="mapping", sentence=f"{tray_name(tray_id or 0)} is empty, {in_words(one)} was chosen there"
            )
        if tray and tray["type"] and one.type and family(tray["type"]) != family(one.type):
            place = tray_name(tray["id"])
            return Missing(code="mapping", sentence=f"{place} holds {tray['type']}, the plate needs {in_words(one)}")
        if tray and _rank(one, tray, "match") is None:
            warnings.append(f"{in_words(one)} is printed with what {tray_name(tray['id'])} holds, as chosen")
    top = max((one.slot for one in needed), default=0)
    full = [UNUSED] * max(top, 1)
    for slot, tray_id in wanted.items():
        full[slot - 1] = UNUSED if tray_id is None else tray_id
    return SpoolMap(mapping=full, use_ams=bool(used), warnings=warnings, inexact=len(warnings))


def tray_name(tray: int) -> str:
    """`A1`..`D4` for AMS slots, `AMS HT 1`, `external spool`: what is written on the machines."""
    if tray >= EXTERNAL_TRAY:
        return "the external spool"
    if tray >= 128:
        return f"AMS HT {tray - 127}"
    return f"slot {chr(ord('A') + tray // 4)}{tray % 4 + 1}"


def _assign(needed: Sequence[Needed], trays: Sequence[Tray], policy: ColorPolicy) -> SpoolMap | Missing:
    options: dict[int, list[int]] = {}
    ranks: dict[tuple[int, int], int] = {}
    by_id = {one["id"]: one for one in trays}
    for one in needed:
        ranked = [(rank, tray) for tray in trays if (rank := _rank(one, tray, policy)) is not None]
        ranked.sort(key=lambda pair: (pair[0], *_thrift(one, pair[1])))
        options[one.slot] = [tray["id"] for _, tray in ranked]
        ranks.update({(one.slot, tray["id"]): rank for rank, tray in ranked})
    # The filament with the best offer chooses first; each may only take what leaves the others a solution.
    order = sorted(options, key=lambda slot: (ranks.get((slot, next(iter(options[slot]), -1)), 9), slot))
    if lacking := _unmatched(order, options):
        names = ", ".join(dict.fromkeys(in_words(one) for one in needed if one.slot in lacking))
        return Missing(code="filament", sentence=f"needs {names}")
    chosen: dict[int, int] = {}
    for slot in order:
        for tray in options[slot]:
            rest = {
                other: [t for t in options[other] if t != tray]
                for other in order
                if other not in chosen and other != slot
            }
            if not _unmatched(list(rest), rest):
                chosen[slot] = tray
                break
        options = {other: [t for t in trays_ if t != chosen[slot]] for other, trays_ in options.items()}
    return _result(needed, chosen, by_id, ranks)


def _result(
    needed: Sequence[Needed], chosen: Mapping[int, int], by_id: Mapping[int, Tray], ranks: Mapping[tuple[int, int], int]
) -> SpoolMap:
    mapping = [UNUSED] * max(chosen)
    warnings, inexact = [], 0
    for one in needed:
        tray = by_id[chosen[one.slot]]
        place = tray_name(tray["id"])
        if tray["id"] < EXTERNAL_TRAY:
            mapping[one.slot - 1] = tray["id"]
        if ranks[one.slot, tray["id"]] >= _SIMILAR:
            inexact += 1
            warnings.append(f"{in_words(one)} is printed with {tray['color'] or 'unknown colour'} from {place}")
        if not _suffices(one, tray):
            warnings.append(f"{place} may not hold the {one.grams:.0f} g of {in_words(one)} that are needed")
    return SpoolMap(mapping=mapping, use_ams=any(t != UNUSED for t in mapping), warnings=warnings, inexact=inexact)


_EXACT_PROFILE: Final = 0
_EXACT: Final = 1
_SIMILAR: Final = 2
_TYPE_ONLY: Final = 3


def _rank(one: Needed, tray: Tray, policy: ColorPolicy) -> int | None:
    """How well a spool serves, lower is better; None when it must not."""
    if not tray["loaded"] or not tray["type"] or family(tray["type"]) != family(one.type):
        return None
    wanted, held = _rgb(one.color), _rgb(tray["color"])
    if wanted is not None and wanted == held:
        return _EXACT_PROFILE if one.profile and one.profile == tray.get("profile") else _EXACT
    if wanted is None or (held is not None and _distance(wanted, held) <= TOLERANCE):
        return _SIMILAR
    return _TYPE_ONLY if policy == "type" else None


def _thrift(one: Needed, tray: Tray) -> tuple[bool, int, int]:
    """Among equals: the emptiest spool that still suffices, then the first slot."""
    remain = int(tray.get("remain", -1))
    return not _suffices(one, tray), remain if remain >= 0 else 101, int(tray["id"])


def _suffices(one: Needed, tray: Tray) -> bool:
    remain = int(tray.get("remain", -1))
    return remain < 0 or one.grams is None or remain * _SPOOL_GRAMS / 100 >= one.grams


def _unmatched(slots: Sequence[int], options: Mapping[int, Sequence[int]]) -> list[int]:
    """The filaments that stay without a spool in a largest assignment (augmenting paths)."""
    owner: dict[int, int] = {}

    def place(slot: int, tried: set[int]) -> bool:
        for tray in options[slot]:
            if tray not in tried:
                tried.add(tray)
                if tray not in owner or place(owner[tray], tried):
                    owner[tray] = slot
                    return True
        return False

    return [slot for slot in slots if not place(slot, set())]


def _external(trays: Sequence[Tray]) -> Tray | None:
    return next((one for one in trays if one["id"] >= EXTERNAL_TRAY), None)


def _rgb(color: str | None) -> tuple[int, int, int] | None:
    if not color or len(color) != 7:
        return None
    try:
        value = int(color[1:], 16)
    except ValueError:
        return None
    return value >> 16, value >> 8 & 255, value & 255


def _distance(one: tuple[int, int, int], other: tuple[int, int, int]) -> int:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))
