"""Printer models as `get_version` tells them. The model's code is what slicers and announcements call it."""

from hub.lenient import items, text

# Names as in `product_name`, in lower case and without the maker, and serial prefixes (a hint until the
# printer has spoken): reference of the protocol, section 7.
_NAMES = {
    "x1 carbon": "BL-P001",
    "x1": "BL-P002",
    "x1e": "C13",
    "p1p": "C11",
    "p1s": "C12",
    "p2s": "N7",
    "a1 mini": "N1",
    "a1": "N2S",
    "a2l": "N9",
    "x2d": "N6",
    "h2d": "O1D",
    "h2d pro": "O1E",
    "h2c": "O1C",
    "h2s": "O1S",
}
_PREFIXES = (
    ("26A19", "N9"),
    ("00M", "BL-P001"),
    ("00W", "BL-P002"),
    ("03W", "C13"),
    ("01S", "C11"),
    ("01P", "C12"),
    ("030", "N1"),
    ("039", "N2S"),
    ("22E", "N7"),
    ("20P", "N6"),
    ("094", "O1D"),
    ("239", "O1E"),
    ("31B", "O1C"),
    ("093", "O1S"),
)
_CODES = tuple(_NAMES.values()) + ("O2D", "O1C2")

_MAKER = "bambu lab "
_AMS_KINDS = (("ams/", "AMS"), ("ams_f1/", "AMS lite"), ("n3f/", "AMS 2 Pro"), ("n3s/", "AMS HT"))

DUAL_NOZZLE = ("N6", "O1D", "O1E", "O2D", "O1C", "O1C2")
LIDAR = ("BL-P001", "BL-P002", "C13")
NO_CHAMBER_SENSOR = ("C11", "C12", "N1", "N2S", "N9")
NO_VIBRATION_CALIBRATION = ("N7",)


def by_serial(serial: str) -> "str | None":
    """The model code that a serial number's prefix suggests."""
    for prefix, code in _PREFIXES:
        if serial.startswith(prefix):
            return code
    return None


def versions(answer: "dict[str, object]") -> "dict[str, object]":
    """What a `get_version` answer says: {"model": code, "firmware": "01.08.02.00", "kinds": {ams_id: name}}.

    Keys it does not say are absent.
    """
    modules = items(answer.get("module"), 64)
    found: "dict[str, object]" = {}
    code = _model(modules)
    if code:
        found["model"] = code
    kinds = {}
    for module in modules:
        name = text(module.get("name"), 32) or ""
        if name == "ota":
            firmware = text(module.get("sw_ver"), 32)
            if firmware:
                found["firmware"] = firmware
        for prefix, kind in _AMS_KINDS:
            number = name[len(prefix) :]
            if name.startswith(prefix) and number.isdigit() and len(number) < 4:
                kinds[int(number)] = kind
    if modules:
        found["kinds"] = kinds
    return found


def _model(modules: "list[dict[str, object]]") -> "str | None":
    for module in modules:
        name = (text(module.get("product_name"), 40) or "").lower().replace("-", " ")
        if name.startswith(_MAKER) and name[len(_MAKER) :] in _NAMES:
            return _NAMES[name[len(_MAKER) :]]
    for module in modules:
        project = text(module.get("project_name"), 16)
        if project in _CODES:
            return project
    for module in modules:
        board = text(module.get("hw_ver"), 16)
        if board == "AP02":
            return "C13"
        if board == "AP05" and module.get("name") == "rv1126":
            return "BL-P001"
    return None
