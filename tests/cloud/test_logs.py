"""What the process logs, in both forms: never the values of variables."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
import structlog
from cloud import logs

logs.configure(sys.argv[1], "info")


def connect(access_code: str) -> None:
    raise OSError("no route")


try:
    connect("".join(["1a2b", "3c4d"]))
except OSError:
    structlog.get_logger("test").exception("it.broke", access_code="1a2b" + "3c4d")
"""


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_trace_holds_no_values_of_variables(form: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, form],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "it.broke" in done.stderr
    assert "no route" in done.stderr
    assert "1a2b3c4d" not in done.stderr


HEADERS = """
import logging
from cloud import logs

logs.configure("json", "debug")
logging.getLogger("uvicorn.error").debug("< authorization: Bearer pfh_hub_1_1a2b3c4d")
logging.getLogger("uvicorn.error").info("connection open")
"""


def test_not_even_at_debug_are_headers_of_handshakes_shown() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HEADERS],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "connection open" in done.stderr
    assert "1a2b3c4d" not in done.stderr
