"""What differs between printer models: codes, ways of reporting, FTPS habits, modules.

Facts and their sources: the project's wire reference for Bambu printers, sections 1.3, 1.4, 2, 4.3, 5 and 7.
"""

from __future__ import annotations

from dataclasses import dataclass

COMMAND_SECURITY_BIT = 0x20000000
"""Bit 29 of the `fun` field: set while unsigned `print.*` commands are refused."""


@dataclass(frozen=True)
class Model:
    """One printer model as it shows itself on the network.

    `reporting` is "full" (everything each second, indented) or "diff" (everything on demand, then changed keys);
    `fun` is the hex string of full reports without the command-security bit, empty where the family has no such field.
    """

    name: str
    code: str
    product_name: str
    serial_prefix: str
    firmware: str
    reporting: str
    max_clients: int
    idle_stage: int
    gcode_file_is_path: bool
    jpeg_camera: bool
    banner: str
    ap_module: tuple[str, str]
    """Name and hardware version of the application processor's module."""
    ams_kind: str = "ams"
    requires_session_reuse: bool = True
    data_tls_works: bool = True
    answers_close_notify: bool = False
    nlst_full_paths: bool = False
    chamber_sensor: bool = False
    new_protocol: bool = False
    """Sends `device`, `vir_slot`, `cfg`, `aux`, `stat` and friends."""
    fun: str = ""
    partial_reports: bool = False
    """Between its full reports it also sends partial ones when something changes."""
    dual_nozzle: bool = False
    extra_lights: tuple[str, ...] = ()
    locks_storage: bool = False
    """FTPS refuses writing and shows nothing while Developer Mode is off (P2S, 2026)."""
    group: str = ""
    """Models of one group print each other's files; empty: only its own."""
    module_style: str = "product_name"


_VSFTPD = "(vsFTPd 3.0.5)"
_PLAIN = "Welcome to Bambu Lab printer"

_ALL = (
    Model(
        name="P1P",
        code="C11",
        product_name="Bambu Lab P1P",
        serial_prefix="01S",
        firmware="01.08.02.00",
        reporting="diff",
        max_clients=4,
        idle_stage=255,
        gcode_file_is_path=False,
        jpeg_camera=True,
        banner=_PLAIN,
        ap_module=("esp32", "AP04"),
        group="256-corexy",
        module_style="project_name",
    ),
    Model(
        name="P1S",
        code="C12",
        product_name="Bambu Lab P1S",
        serial_prefix="01P",
        firmware="01.08.02.00",
        reporting="diff",
        max_clients=4,
        idle_stage=255,
        gcode_file_is_path=False,
        jpeg_camera=True,
        banner=_PLAIN,
        ap_module=("esp32", "AP04"),
        group="256-corexy",
    ),
    Model(
        name="A1",
        code="N2S",
        product_name="Bambu Lab A1",
        serial_prefix="039",
        firmware="01.05.00.00",
        reporting="diff",
        max_clients=4,
        idle_stage=0,
        gcode_file_is_path=False,
        jpeg_camera=True,
        banner=_PLAIN,
        ap_module=("esp32", "AP05"),
        ams_kind="ams_lite",
        requires_session_reuse=False,
        module_style="project_name",
    ),
    Model(
        name="A1 mini",
        code="N1",
        product_name="Bambu Lab A1 mini",
        serial_prefix="030",
        firmware="01.05.00.00",
        reporting="diff",
        max_clients=4,
        idle_stage=0,
        gcode_file_is_path=False,
        jpeg_camera=True,
        banner=_PLAIN,
        ap_module=("esp32", "AP07"),
        ams_kind="ams_lite",
        requires_session_reuse=False,
        module_style="project_name",
    ),
    Model(
        name="X1C",
        code="BL-P001",
        product_name="Bambu Lab X1-Carbon",
        serial_prefix="00M",
        firmware="01.09.00.01",
        reporting="full",
        max_clients=8,
        idle_stage=-1,
        gcode_file_is_path=True,
        jpeg_camera=False,
        banner=_VSFTPD,
        ap_module=("ap", "AP05"),
        answers_close_notify=True,
        nlst_full_paths=True,
        chamber_sensor=True,
        new_protocol=True,
        fun="11830F9CFB",
        extra_lights=("work_light",),
        group="256-corexy",
    ),
    Model(
        name="P2S",
        code="N7",
        product_name="Bambu Lab P2S",
        serial_prefix="22E",
        firmware="01.02.00.00",
        reporting="full",
        max_clients=8,
        idle_stage=-1,
        gcode_file_is_path=True,
        jpeg_camera=False,
        banner=_VSFTPD,
        ap_module=("ap", "AP06"),
        ams_kind="ams_2_pro",
        answers_close_notify=True,
        nlst_full_paths=True,
        chamber_sensor=True,
        new_protocol=True,
        fun="3EC18FFF9CFF",
        partial_reports=True,
        locks_storage=True,
    ),
    Model(
        name="H2D",
        code="O1D",
        product_name="Bambu Lab H2D",
        serial_prefix="094",
        firmware="01.02.00.00",
        reporting="full",
        max_clients=8,
        idle_stage=-1,
        gcode_file_is_path=True,
        jpeg_camera=False,
        banner=_VSFTPD,
        ap_module=("ap", "AP05"),
        answers_close_notify=True,
        nlst_full_paths=True,
        chamber_sensor=True,
        new_protocol=True,
        fun="418FFF9CFF",
        partial_reports=True,
        dual_nozzle=True,
        extra_lights=("chamber_light2", "work_light"),
    ),
)

MODELS: dict[str, Model] = {model.name: model for model in _ALL}
_BY_CODE = {model.code: model for model in _ALL}


def find_model(name: str) -> Model:
    """The model called `name` (case and separators do not matter) or having that code.

    Raises ValueError with the known names when there is none.
    """
    wanted = _squeeze(name)
    for model in _ALL:
        if wanted in (_squeeze(model.name), _squeeze(model.code)):
            return model
    raise ValueError(f"unknown printer model {name!r}; known: {', '.join(MODELS)}")


def file_fits(model: Model, code: str) -> bool:
    """Does a file sliced for the model with `code` print on `model`? An empty code fits everywhere."""
    if not code or code == model.code:
        return True
    other = _BY_CODE.get(code)
    # BL-P002 (X1) and C13 (X1E) belong to the group although we do not imitate them.
    group = other.group if other else "256-corexy" if code in ("BL-P002", "C13") else ""
    return bool(group) and group == model.group


def _squeeze(text: str) -> str:
    return "".join(text.lower().replace("-", " ").replace("_", " ").split())
