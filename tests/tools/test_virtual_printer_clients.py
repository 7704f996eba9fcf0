"""Clients we did not write take the virtual printer for a real one.

Their ports are fixed, so the printers get the standard ports on addresses of their own; without the right to bind
port 990 these tests are skipped.
"""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tools.sample_file import SampleSpec, build_sample
from tools.virtual_printer.harness import RunningPrinter, VirtualFarm, may_use_standard_ports
from tools.virtual_printer.spec import AmsSpec, PrinterSpec, TraySpec

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not may_use_standard_ports(), reason="may not bind port 990: third-party clients not checked"),
]

PROGRAMS = Path(__file__).parent / "third_party"
MODELS = ("P1S", "X1C", "A1 mini", "H2D")
LIMIT = 90.0


def needs(module: str) -> pytest.MarkDecorator:
    """Skip, loudly, when a client is not installed (they are in the `dev` extra)."""
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"{module} is not installed: that client is not checked")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def farm() -> AsyncIterator[VirtualFarm]:
    quick: dict[str, Any] = {"speed": 20, "report_interval": 0.3, "cancel_error_seconds": 0.3}
    ams = [AmsSpec([TraySpec(), TraySpec("PETG"), None, None])]
    external = TraySpec(type="PLA")
    specs = [PrinterSpec(model=model, ams=list(ams), external=external, **quick) for model in MODELS]
    async with VirtualFarm.start(specs, standard_ports=True) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", params=MODELS)
async def printer(request: pytest.FixtureRequest, farm: VirtualFarm) -> RunningPrinter:
    found = next(item for item in farm.printers if item.model == request.param)
    await found.control.do("reset")
    return found


@pytest.fixture
def print_file(printer: RunningPrinter, tmp_path: Path) -> Path:
    path = tmp_path / "third.gcode.3mf"
    path.write_bytes(build_sample(SampleSpec(model=printer.code, seconds=3600)))
    return path


async def call(*command: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run a program; its exit status, output and errors."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    try:
        async with asyncio.timeout(LIMIT):
            output, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        output, errors = await process.communicate()
        pytest.fail(f"{command[:3]} did not end:\n{output.decode()}\n{errors.decode()}")
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def run_program(name: str, *arguments: str) -> dict[str, Any]:
    """One of the programs in third_party/; what it printed last, as JSON."""
    status, output, errors = await call(sys.executable, str(PROGRAMS / name), *arguments)
    assert status == 0, errors
    seen = json.loads(output.splitlines()[-1])
    assert isinstance(seen, dict)
    return seen


@needs("bambulabs_api")
async def test_bambulabs_api(printer: RunningPrinter, print_file: Path) -> None:
    camera = "camera" if "camera" in printer.ports else "none"
    seen = await run_program(
        "use_bambulabs_api.py", printer.address, printer.access_code, printer.serial, str(print_file), camera
    )
    assert seen["states"] == ["IDLE", "RUNNING", "PAUSE", "RUNNING", "FAILED"]
    assert seen["upload"].startswith("226")
    assert seen["deleted"].startswith("250")
    assert "third.gcode.3mf" in seen["listing"]
    assert seen["name"] == "third"
    if camera == "camera":
        picture = base64.b64decode(seen["frame"])
        assert picture.startswith(b"\xff\xd8\xff\xe0")
        assert picture.endswith(b"\xff\xd9")
    state = await printer.control.state()
    assert state["lights"]["chamber_light"] == "off"
    assert "/third.gcode.3mf" not in await printer.control.files()
    assert await printer.control.starts_per_file() == {"/third.gcode.3mf": 1}


@needs("bpm")
async def test_bambu_printer_manager(printer: RunningPrinter, print_file: Path, tmp_path: Path) -> None:
    program = ("use_bpm.py", printer.address, printer.access_code, printer.serial, str(print_file), str(tmp_path))
    try:
        seen = await run_program(*program)
    except AssertionError:
        # Now and then its reader is stuck from its first connection on, with its commands unsent; then it is asked
        # again. Whatever reached the printer is no such case.
        assert await printer.control.commands("project_file") == []
        seen = await run_program(*program)
    assert seen["states"] == ["IDLE", "RUNNING", "PAUSE", "RUNNING", "FAILED"]
    assert seen["model"] == printer.model.replace(" ", "_").upper()
    assert "third.gcode.3mf" in seen["listing"]
    assert seen["units"] == 1
    stored = (await printer.control.files())["/third.gcode.3mf"]
    assert stored.size == print_file.stat().st_size
    assert await printer.control.starts_per_file() == {"/third.gcode.3mf": 1}


class Plate:
    """platecli, configured to pin the printer's certificate."""

    def __init__(self, printer: RunningPrinter, folder: Path, fingerprint: str) -> None:
        configuration = folder / "bambu" / "config.json"
        configuration.parent.mkdir()
        settings = {
            "printer_ip": printer.address,
            "serial": printer.serial,
            "access_code": printer.access_code,
            "cert_fingerprint": fingerprint,
            "model": printer.model,
        }
        configuration.write_text(json.dumps(settings))
        configuration.chmod(0o600)
        self._environment = {"XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}

    async def __call__(self, *arguments: str) -> tuple[int, str]:
        program = "import sys; from bambu_cli.bambu import main; sys.exit(main())"
        status, output, errors = await call(
            sys.executable, "-c", program, "--json", *arguments, environment=self._environment
        )
        return status, output + errors


@needs("bambu_cli")
@pytest.mark.parametrize("printer", ["P1S", "X1C"], indirect=True)
async def test_platecli_with_a_pinned_certificate(printer: RunningPrinter, print_file: Path, tmp_path: Path) -> None:
    plate = Plate(printer, tmp_path, (await printer.control.state())["fingerprint"])

    async def good(*arguments: str) -> str:
        status, output = await plate(*arguments)
        assert status == 0, f"plate {arguments}: {output}"
        return output

    assert "IDLE" in await good("status")
    await good("upload", str(print_file))
    assert "third.gcode.3mf" in await good("files")
    await good("print", "third.gcode.3mf", "--confirm")
    await printer.control.wait(gcode_state="RUNNING")
    await good("pause", "--confirm")
    await printer.control.wait(gcode_state="PAUSE")
    await good("resume", "--confirm")
    await printer.control.wait(gcode_state="RUNNING")
    await good("light", "off")
    assert (await printer.control.state())["lights"]["chamber_light"] == "off"
    if "camera" in printer.ports:
        picture = tmp_path / "camera.jpg"
        await good("snapshot", "--output", str(picture))
        assert picture.read_bytes().startswith(b"\xff\xd8")
    await good("stop", "--confirm")
    await printer.control.wait(gcode_state="FAILED", print_error=0)
    assert await printer.control.starts_per_file() == {"/model/third.gcode.3mf": 1}
    stored = (await printer.control.files())["/model/third.gcode.3mf"]
    assert stored.size == print_file.stat().st_size


@needs("bambu_cli")
async def test_platecli_refuses_another_certificate(farm: VirtualFarm, tmp_path: Path) -> None:
    plate = Plate(farm.printers[0], tmp_path, "ab" * 32)
    status, output = await plate("status")
    assert status != 0
    assert "fingerprint" in output.lower() or "certificate" in output.lower()
