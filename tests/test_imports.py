"""Who may import whom (DESIGN): firmware and cloud know shared_protocol only; in the cloud no layer looks up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

ALLOWED = {
    "shared_protocol": {"shared_protocol"},
    "firmware": {"firmware", "hub", "lib", "shared_protocol"},
    "cloud": {"cloud", "shared_protocol"},
    "tools": {"tools", "cloud", "shared_protocol"},
}
OURS = {"shared_protocol", "firmware", "cloud", "tools", "tests"}

# Rooms of the cloud by height; a room imports rooms of its own height or below.
HEIGHT = {
    "api": 3,
    "live": 3,
    "hubs": 3,
    "integrations": 3,
    "printing": 2,
    "catalog": 2,
    "production": 2,
    "accounts": 2,
    "storage": 1,
    "bus": 1,
    "settings": 1,
}
# The composition root and its entry points stand above all rooms; settings and logs below them.
FREE = {"app", "services", "serve", "rekey", "releasing", "__main__", "__init__"}

ONLY_IN = {"databases": {"cloud/storage/store.py", "cloud/storage/sqlite.py"}}


def sources(folder: str) -> Iterator[Path]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        if "node_modules" not in path.parts:
            yield path


def imported(path: Path) -> Iterator[str]:
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield ".".join([*base, *([node.module] if node.module else [])])


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_rooms_of_the_house(folder: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(folder)
        for name in imported(path)
        if name.split(".")[0] in OURS and name.split(".")[0] not in ALLOWED[folder]
    ]
    assert not wrong, "\n".join(wrong)


def test_layers_of_the_cloud() -> None:
    wrong = []
    for path in sources("cloud"):
        room = path.relative_to(ROOT / "cloud").parts[0].removesuffix(".py")
        if room in FREE:
            continue
        for name in imported(path):
            parts = name.split(".")
            if parts[0] != "cloud" or len(parts) < 2:
                continue
            if HEIGHT.get(parts[1], 0) > HEIGHT.get(room, 0) or parts[1] in FREE - {"__init__"}:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_walls_around_single_libraries() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("cloud")
        for name in imported(path)
        for library, homes in ONLY_IN.items()
        if name.split(".")[0] == library and str(path.relative_to(ROOT)) not in homes
    ]
    assert not wrong, "\n".join(wrong)


def test_only_storage_speaks_sql() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("cloud")
        for name in imported(path)
        if name.split(".")[0] in {"sqlalchemy", "sqlite3", "aiosqlite", "asyncpg", "alembic"}
        and path.relative_to(ROOT / "cloud").parts[0] != "storage"
    ]
    assert not wrong, "\n".join(wrong)
