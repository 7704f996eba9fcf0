"""Whole farms for the tests: real cloud, real hub firmware, virtual printers. One farm a module, one loop a module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conftest import Databases
from tools.farm import farm as farms
from tools.farm.farm import Farm
from tools.virtual_printer.spec import PrinterSpec


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def farm(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, databases: Databases
) -> AsyncIterator[Farm]:
    """The farm of this module: its printers are the module's PRINTERS, its hubs the module's HUBS (1).

    Its data are in SQLite, or where the module's DATABASE says: "postgresql".
    """
    specs: Sequence[PrinterSpec] = request.module.PRINTERS
    hubs: int = getattr(request.module, "HUBS", 1)
    folder: Path = tmp_path_factory.mktemp("farm")
    on_postgresql = getattr(request.module, "DATABASE", "sqlite") == "postgresql"
    settings = {"DATABASE_URL": databases.empty()} if on_postgresql else None
    async with farms.start(folder, specs, hubs=hubs, settings=settings) as running:
        yield running
