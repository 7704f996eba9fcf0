"""A cloud and a hub for each test that wants them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.firmware.fake_cloud import KEY, FakeCloud, fake_cloud
from tools.hub import HubProcess


@pytest.fixture
async def cloud() -> AsyncIterator[FakeCloud]:
    """A cloud that accepts hubs."""
    async with fake_cloud() as made:
        yield made


@pytest.fixture
async def hub(cloud: FakeCloud, tmp_path: Path) -> AsyncIterator[HubProcess]:
    """A hub that was just switched on and looks for `cloud`; its log must hold no fault and no secret."""
    async with HubProcess(tmp_path / "data", "hub1", KEY, cloud.url) as made:
        yield made
    check_log(made)


def check_log(hub: HubProcess) -> None:
    """No fault of ours, no secret, and nothing that looks like a traceback."""
    text = "\n".join(hub.lines)
    assert "Traceback" not in text, text
    assert "verysecret" not in text and "12345678" not in text, text
