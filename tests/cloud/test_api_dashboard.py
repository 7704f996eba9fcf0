"""The dashboard's files: kept for ever when their name holds their hash, and one page for every other address."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.cloud.api_kit import Cloud, running_cloud

PAGE = "<!doctype html><title>PrintFarm</title>"
PAIRING = "<!doctype html><title>Add a hub</title>"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / ".vite").mkdir()
    (folder / "index.html").write_text(PAGE)
    (folder / "pair.html").write_text(PAIRING)
    (folder / "icon.svg").write_text("<svg/>")
    (folder / "assets" / "app-abc123.js").write_text("plain")
    (folder / "assets" / "app-abc123.js.br").write_bytes(b"packed")
    (folder / ".vite" / "manifest.json").write_text("{}")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
async def cloud(tmp_path: Path, dist: Path) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, dashboard_dir=dist) as cloud:
        yield cloud


async def get(cloud: Cloud, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    async with (
        aiohttp.ClientSession(cloud.base, auto_decompress=False) as http,
        http.get(path, headers={"accept-encoding": "identity", **headers}) as answer,
    ):
        return (
            answer.status,
            (await answer.read()).decode(),
            {name.lower(): value for name, value in answer.headers.items()},
        )


@pytest.mark.parametrize("path", ["/", "/printers", "/printers/prn_abc", "/setup", "/index.html"])
async def test_every_address_of_the_dashboard_is_its_page(cloud: Cloud, path: str) -> None:
    status, text, headers = await get(cloud, path)
    assert (status, text) == (200, PAGE)
    assert headers["cache-control"] == "no-cache"


async def test_the_pairing_page_lets_nothing_else_in(cloud: Cloud) -> None:
    status, text, headers = await get(cloud, "/p")
    assert (status, text) == (200, PAIRING)
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "data:" not in policy
    assert headers["referrer-policy"] == "no-referrer"
    assert (await get(cloud, "/pair.html"))[2]["content-security-policy"] == policy


async def test_hashed_files_are_kept_for_ever_and_sent_packed(cloud: Cloud) -> None:
    path = "/assets/app-abc123.js"
    status, text, headers = await get(cloud, path)
    assert (status, text) == (200, "plain")
    assert "immutable" in headers["cache-control"]
    assert headers["content-type"].startswith("text/javascript")
    status, text, headers = await get(cloud, path, **{"accept-encoding": "gzip, br"})
    assert (status, text) == (200, "packed")
    assert (headers["content-encoding"], headers["vary"]) == ("br", "accept-encoding")


@pytest.mark.parametrize(
    "path",
    ["/missing.js", "/assets/../../secret.txt", "/..%2fsecret.txt", "/.vite/manifest.json", "/api/x", "/hub/v2/link"],
)
async def test_nothing_else_is_served(cloud: Cloud, path: str) -> None:
    host, port = cloud.base.removeprefix("http://").split(":")
    async with aiohttp.ClientSession() as http:
        url = URL(f"http://{host}:{port}{path}", encoded=True)
        async with http.get(url) as answer:
            assert answer.status == 404
            assert (await answer.json())["error"]["code"] == "not_found"


async def test_without_a_build_the_page_says_so(tmp_path: Path) -> None:
    async with running_cloud(tmp_path, dashboard_dir=tmp_path / "nowhere") as cloud:
        assert await cloud.anonymous().refused("GET", "/") == (404, "no_dashboard")
