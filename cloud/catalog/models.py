"""The printer models: codes, names, serial prefixes, and which files fit which machine.

Source: reference/bambu.md §7.1 (codes, volumes, cameras, temperatures, groups), §3.5 (url forms), §4.3 (TLS session
reuse on the FTPS data connection) and §4.4 (where to put files).
"""

from typing import Final, Literal

import msgspec

UrlForm = Literal["file_sdcard", "ftp"]


class PrinterModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model as the printer announces it (DevModel) and the slicer writes it (printer_model_id)."""

    code: str
    name: str
    """Without the maker: "P1S"; slicers write "Bambu Lab P1S"."""
    serial_prefix: str
    """A hint only: sources disagree within the H2 family; get_version decides."""
    family: str
    slicing_group: str
    """Models of one group print each other's files."""
    has_jpeg_camera: bool
    """JPEG frames over TLS port 6000; otherwise RTSPS on 322."""
    build_volume: tuple[int, int, int]
    """Width, depth, height in mm."""
    url_form: UrlForm
    """How `project_file` names an uploaded file: file:///sdcard/<path> or ftp:///<path>."""
    needs_session_reuse: bool
    """The FTPS data connection must resume the control connection's TLS session."""
    upload_dir: str
    """Folder on the FTPS volume that takes uploads, with its slash; made with MKD when missing."""
    max_nozzle: int
    """Hottest the nozzle may be told to be, in °C."""
    max_bed: int
    max_chamber: int = 0
    """0 = no heater there."""
    air_path: bool = False
    """Its air goes in a circle or out, as it is told: in a circle when the chamber is heated."""
    nozzles: int = 1


def _legacy(
    code: str,
    name: str,
    prefix: str,
    family: str,
    *,
    group: str | None = None,
    jpeg: bool = False,
    volume: tuple[int, int, int] = (256, 256, 256),
    session_reuse: bool = True,
    nozzle: int = 300,
    bed: int = 100,
    chamber: int = 0,
) -> PrinterModel:
    """X1, P1 and first A1 machines: a microSD card, addressed as file:///sdcard/."""
    return PrinterModel(
        code=code,
        name=name,
        serial_prefix=prefix,
        family=family,
        slicing_group=group or code,
        has_jpeg_camera=jpeg,
        build_volume=volume,
        url_form="file_sdcard",
        needs_session_reuse=session_reuse,
        upload_dir="/cache/",
        max_nozzle=nozzle,
        max_bed=bed,
        max_chamber=chamber,
    )


def _newer(
    code: str,
    name: str,
    prefix: str,
    family: str,
    *,
    volume: tuple[int, int, int],
    group: str | None = None,
    jpeg: bool = False,
    nozzles: int = 1,
    nozzle: int = 350,
    bed: int = 120,
    chamber: int = 0,
) -> PrinterModel:
    """Machines since 2025: a USB stick whose FTPS root is addressed as ftp:///."""
    return PrinterModel(
        code=code,
        name=name,
        serial_prefix=prefix,
        family=family,
        slicing_group=group or code,
        has_jpeg_camera=jpeg,
        build_volume=volume,
        url_form="ftp",
        needs_session_reuse=True,
        upload_dir="/",
        max_nozzle=nozzle,
        max_bed=bed,
        max_chamber=chamber,
        air_path=chamber > 0,
        nozzles=nozzles,
    )


COREXY256: Final = "CoreXY256"
_H2D_VOLUME: Final = (350, 320, 325)
_H2_VOLUME: Final = (325, 320, 325)

MODELS: Final[tuple[PrinterModel, ...]] = (
    _legacy("BL-P001", "X1 Carbon", "00M", "X1", group=COREXY256, bed=120),
    _legacy("BL-P002", "X1", "00W", "X1", group=COREXY256, bed=120),
    _legacy("C13", "X1E", "03W", "X1", group=COREXY256, nozzle=320, bed=120, chamber=60),
    _legacy("C11", "P1P", "01S", "P1", group=COREXY256, jpeg=True),
    _legacy("C12", "P1S", "01P", "P1", group=COREXY256, jpeg=True),
    _legacy(
        "N1",
        "A1 mini",
        "030",
        "A1",
        jpeg=True,
        volume=(180, 180, 180),
        session_reuse=False,
        bed=80,
    ),
    _legacy("N2S", "A1", "039", "A1", jpeg=True, session_reuse=False),
    _newer("N9", "A2L", "26A19", "A2", volume=(330, 320, 325), jpeg=True, nozzle=300, bed=100),
    _newer("N7", "P2S", "22E", "P2", volume=(256, 256, 256), nozzle=300, bed=110),
    _newer("N6", "X2D", "20P", "X2", volume=(256, 256, 260), nozzles=2, nozzle=300),
    _newer("O1D", "H2D", "094", "H2", volume=_H2D_VOLUME, chamber=65, nozzles=2),
    _newer("O1E", "H2D Pro", "239", "H2", volume=_H2D_VOLUME, group="H2DPro", chamber=65, nozzles=2),
    _newer("O2D", "H2D Pro", "239", "H2", volume=_H2D_VOLUME, group="H2DPro", chamber=65, nozzles=2),
    _newer("O1C", "H2C", "31B", "H2", volume=_H2_VOLUME, group="H2C", chamber=65, nozzles=2),
    _newer("O1C2", "H2C", "31B", "H2", volume=_H2_VOLUME, group="H2C", chamber=65, nozzles=2),
    _newer("O1S", "H2S", "093", "H2", volume=_H2_VOLUME, chamber=65),
)

_MAKER: Final = "bambu lab "
_ALIASES: Final = {"3dprinter-x1-carbon": "BL-P001", "x1c": "BL-P001"}
_BY_CODE: Final = {model.code: model for model in MODELS}
# Two codes may share a name (revisions of one machine): the first is the common one.
_BY_NAME: Final = {model.name.casefold(): model for model in reversed(MODELS)} | {
    alias: _BY_CODE[code] for alias, code in _ALIASES.items()
}
_BY_PREFIX: Final = sorted(MODELS, key=lambda model: -len(model.serial_prefix))


def by_code(code: str) -> PrinterModel | None:
    """The model with this exact code, such as "C12"."""
    return _BY_CODE.get(code)


def by_name(name: str) -> PrinterModel | None:
    """The model of this name, with or without "Bambu Lab", in any case."""
    return _BY_NAME.get(name.strip().casefold().removeprefix(_MAKER).strip())


def by_serial(serial: str) -> PrinterModel | None:
    """The model whose serial prefix begins this serial number: a hint, not a proof."""
    wanted = serial.strip().upper()
    for model in _BY_PREFIX:
        if wanted.startswith(model.serial_prefix):
            return model
    return None


def compatible(file_model: str, printer_model: str) -> bool:
    """Whether a file sliced for one model code may be printed on another.

    Unknown codes fit only themselves. Nozzle diameter must be compared separately.
    """
    if file_model == printer_model:
        return bool(file_model)
    theirs, ours = by_code(file_model), by_code(printer_model)
    return theirs is not None and ours is not None and theirs.slicing_group == ours.slicing_group
