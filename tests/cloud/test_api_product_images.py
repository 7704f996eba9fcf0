"""Pictures of products: known by their content, kept once, and gone when nobody shows them."""

import asyncio
import io
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cloud.catalog.pictures import recognise
from cloud.errors import DomainError
from tests.cloud.api_kit import Client, Cloud, running_cloud


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


def png(width: int = 2, height: int = 3, color: int = 0) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(b"".join(b"\0" + bytes([color]) * min(width, 8) for _ in range(min(height, 8))))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """As far as the frame header, after an EXIF segment and padding."""
    exif = b"\xff\xe1" + struct.pack(">H", 300) + b"\xff\xc0" * 149
    frame = b"\xff\xff\xc2" + struct.pack(">HBHHB", 8 + 3, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + exif + frame + b"\xff\xd9"


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBP" + kind + struct.pack("<I", len(body)) + body


WEBP = {
    "lossy": webp(b"VP8 ", b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", 640, 480) + b"\0" * 8),
    "lossless": webp(b"VP8L", b"\x2f" + struct.pack("<I", 639 | 479 << 14) + b"\0" * 8),
    "extended": webp(b"VP8X", b"\x10\0\0\0" + (639).to_bytes(3, "little") + (479).to_bytes(3, "little") + b"\0" * 8),
}


async def product(cloud: Cloud, name: str = "Bracket", **values: Any) -> str:
    made = await cloud.owner.ok("POST", "/api/products/", {"name": name, **values})
    return f"/api/products/{made['id']}"


async def send(client: Client, path: str, content: bytes, name: str = "photo.png") -> tuple[int, Any]:
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(content), filename=name, content_type="text/html")
    return await client.call("POST", f"{path}/image", data=form)


def kept(cloud: Cloud) -> list[Path]:
    return [path for path in (cloud.services.settings.data_dir / "blobs").rglob("*") if path.is_file()]


async def test_a_picture_is_shown_under_an_address_that_changes_with_it(cloud: Cloud) -> None:
    path = await product(cloud, image_url="https://example.com/a.png")
    assert (await cloud.owner.ok("GET", path))["image_url"] == "https://example.com/a.png"
    status, told = await send(cloud.owner, path, png(), "picture.html")
    assert (status, told["has_image"], told["version"]) == (200, True, 2)
    async with cloud.owner.http.get(told["image_url"]) as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "image/png", png())
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        tag = answer.headers["etag"]
    async with cloud.owner.http.get(f"{path}/image", headers={"if-none-match": tag}) as answer:
        assert (answer.status, answer.headers["cache-control"]) == (304, "private, no-cache")
    _, again = await send(cloud.owner, path, png(color=7))
    assert again["image_url"] != told["image_url"]
    assert len(kept(cloud)) == 1
    await cloud.owner.ok("DELETE", f"{path}/image")
    assert await cloud.owner.refused("GET", f"{path}/image") == (404, "not_found")
    assert (await cloud.owner.ok("GET", path))["image_url"] == "https://example.com/a.png"
    assert kept(cloud) == []
    await cloud.owner.ok("DELETE", f"{path}/image")


async def test_the_same_picture_stays_while_one_product_of_whatever_farm_shows_it(cloud: Cloud) -> None:
    paths = [await product(cloud, name) for name in ("Bracket", "Clamp")]
    stranger = await cloud.stranger()
    theirs = f"/api/products/{(await stranger.ok('POST', '/api/products/', {'name': 'Vase'}))['id']}"
    for client, path in ((cloud.owner, paths[0]), (cloud.owner, paths[1]), (stranger, theirs)):
        assert (await send(client, path, png()))[0] == 200
    assert len(kept(cloud)) == 1
    await cloud.owner.ok("DELETE", paths[0])
    await cloud.owner.ok("POST", "/api/products/bulk", {"action": "delete", "ids": [paths[1].rsplit("/", 1)[-1]]})
    assert (await stranger.call("GET", f"{theirs}/image"))[1] == png()
    await stranger.ok("DELETE", f"{theirs}/image")
    assert kept(cloud) == []


async def test_pictures_that_come_and_go_at_once_are_never_lost(cloud: Cloud) -> None:
    paths = [await product(cloud, f"Product {n}") for n in range(6)]

    async def turn(number: int, path: str) -> None:
        assert (await send(cloud.owner, path, png()))[0] == 200
        if number % 2:
            await cloud.owner.ok("DELETE", f"{path}/image")

    await asyncio.gather(*(turn(*one) for one in enumerate(paths)))
    for path in paths[::2]:
        assert (await cloud.owner.call("GET", f"{path}/image"))[1] == png()


async def test_the_same_picture_again_keeps_it(cloud: Cloud) -> None:
    path = await product(cloud)
    for _ in range(2):
        assert (await send(cloud.owner, path, png()))[0] == 200
    assert (await cloud.owner.call("GET", f"{path}/image"))[1] == png()


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "not_a_picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "not_a_picture"),
        (b"GIF89a" + b"\0" * 60, 422, "not_a_picture"),
        (png()[:20], 422, "not_a_picture"),
        (png(0, 3), 422, "not_a_picture"),
        (png(60_000, 3), 422, "picture_too_large"),
        (png(9_000, 9_000), 422, "picture_too_large"),
        (png() + b"\0" * 10 * 2**20, 413, "too_large"),
    ],
    ids=["empty", "svg", "gif", "cut", "flat", "wide", "heavy", "long"],
)
async def test_what_is_no_picture_is_refused_and_not_kept(cloud: Cloud, content: bytes, status: int, code: str) -> None:
    path = await product(cloud)
    found, answer = await send(cloud.owner, path, content)
    assert (found, answer["error"]["code"]) == (status, code)
    assert kept(cloud) == []


async def test_a_picture_for_no_product_is_not_kept(cloud: Cloud) -> None:
    status, answer = await send(cloud.owner, "/api/products/prd_none", png())
    assert (status, answer["error"]["code"]) == (404, "not_found")
    assert kept(cloud) == []


async def test_a_viewer_sees_pictures_and_a_stranger_none(cloud: Cloud) -> None:
    path = await product(cloud)
    await send(cloud.owner, path, png())
    viewer = await cloud.person("viewer")
    assert (await viewer.call("GET", f"{path}/image"))[0] == 200
    assert (await send(viewer, path, png()))[0] == 403
    assert await (await cloud.stranger()).refused("GET", f"{path}/image") == (404, "not_found")


@pytest.mark.parametrize("kind", WEBP)
def test_the_three_kinds_of_webp_tell_their_size(kind: str) -> None:
    found = recognise(WEBP[kind])
    assert (found.type, found.width, found.height) == ("image/webp", 640, 480)


def test_a_jpeg_tells_its_size_behind_its_other_segments() -> None:
    found = recognise(jpeg(4000, 3000))
    assert (found.type, found.width, found.height) == ("image/jpeg", 4000, 3000)


@pytest.mark.parametrize("content", [jpeg(4, 3), png(), *WEBP.values()])
def test_a_picture_cut_anywhere_in_its_header_is_none(content: bytes) -> None:
    for length in range(24 if content.startswith(b"\x89PNG") else 30):
        with pytest.raises(DomainError):
            recognise(content[:length])
