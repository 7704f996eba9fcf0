"""The table of printer models."""

import pytest

from cloud.catalog.models import MODELS, by_code, by_name, by_serial, compatible


def test_codes_are_unique() -> None:
    assert len({model.code for model in MODELS}) == len(MODELS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.code))
def test_every_model_is_found_by_each_of_its_keys(model: object) -> None:
    from cloud.catalog.models import PrinterModel

    assert isinstance(model, PrinterModel)
    assert by_code(model.code) is model
    for name in (model.name, f"Bambu Lab {model.name}", f" bambu lab {model.name.upper()} "):
        found = by_name(name)
        assert found is not None
        assert found.name == model.name
    serial = by_serial(model.serial_prefix + "0A0000000001")
    assert serial is not None
    assert serial.name == model.name


@pytest.mark.parametrize(("name", "code"), [("X1C", "BL-P001"), ("3DPrinter-X1-Carbon", "BL-P001"), ("A1 mini", "N1")])
def test_names_in_use(name: str, code: str) -> None:
    found = by_name(name)
    assert found is not None
    assert found.code == code


def test_what_is_unknown_is_none() -> None:
    assert by_code("") is None
    assert by_name("") is None
    assert by_name("Ender 3") is None
    assert by_serial("ZZZ") is None


@pytest.mark.parametrize("file_model", ["BL-P001", "BL-P002", "C11", "C12", "C13"])
@pytest.mark.parametrize("printer_model", ["BL-P001", "BL-P002", "C11", "C12", "C13"])
def test_the_256_mm_corexy_machines_share_files(file_model: str, printer_model: str) -> None:
    assert compatible(file_model, printer_model)


@pytest.mark.parametrize(
    ("file_model", "printer_model", "fits"),
    [
        ("N2S", "C12", False),  # A1 files wreck a P1S and the other way round
        ("C12", "N2S", False),
        ("C12", "N7", False),
        ("N1", "N2S", False),
        ("O1E", "O2D", True),
        ("O1D", "O1E", False),
        ("Z99", "Z99", True),
        ("Z99", "C12", False),
        ("", "", False),
    ],
)
def test_who_prints_whose_files(file_model: str, printer_model: str, fits: bool) -> None:
    assert compatible(file_model, printer_model) is fits


def test_facts_that_the_dispatcher_lives_by() -> None:
    p1s, a1, h2d = by_code("C12"), by_code("N2S"), by_code("O1D")
    assert p1s is not None
    assert a1 is not None
    assert h2d is not None
    assert (p1s.url_form, p1s.needs_session_reuse, p1s.has_jpeg_camera) == ("file_sdcard", True, True)
    assert (a1.url_form, a1.needs_session_reuse, a1.has_jpeg_camera) == ("file_sdcard", False, True)
    assert (h2d.url_form, h2d.needs_session_reuse, h2d.has_jpeg_camera) == ("ftp", True, False)
    assert (p1s.nozzles, h2d.nozzles, h2d.build_volume) == (1, 2, (350, 320, 325))
