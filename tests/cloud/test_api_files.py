"""Files in and out: streamed, checked, kept once, and never left half."""

import asyncio
import csv
import hashlib
import io
import os
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from cloud.api.uploads import safe_name
from cloud.catalog.figures import file_figures
from cloud.catalog.sliced import Filament, Plate, PrintObject, SlicedFile
from cloud.storage import files as file_queries
from cloud.storage.files_folder import BlobStore
from cloud.storage.tables import print_jobs
from cloud.storage.tenant import TenantTx
from tests.cloud.api_kit import Cloud, running_cloud
from tools.sample_file import PRESETS, build_sample

SAMPLE = build_sample(PRESETS["bracket_p1s"])
LIMIT = 3 * 2**20


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database, upload_limit_bytes=LIMIT) as cloud:
        yield cloud


def kept(cloud: Cloud) -> list[Path]:
    root = cloud.services.settings.data_dir / "blobs"
    return [path for path in root.rglob("*") if path.is_file()]


async def test_a_sliced_file_is_read_and_comes_back_byte_for_byte(cloud: Cloud) -> None:
    status, file = await cloud.owner.upload(SAMPLE, "My bracket.gcode.3mf")
    assert status == 201
    assert (file["name"], file["size"]) == ("My bracket.gcode.3mf", len(SAMPLE))
    assert file["sha256"] == hashlib.sha256(SAMPLE).hexdigest()
    assert (file["printer_model_id"], file["model_name"]) == ("C12", "P1S")
    (plate,) = file["plates"]
    assert (plate["index"], plate["layers"]) == (1, 88)
    assert [(f["slot"], f["type"], f["color"]) for f in plate["filaments"]] == [(1, "PLA", "#1F8B4C")]
    assert await cloud.owner.ok("GET", f"/api/files/{file['id']}") == file
    assert await cloud.owner.ok("GET", "/api/files") == {"items": [file], "total": 1}
    assert await cloud.owner.ok("GET", f"/api/files/{file['id']}/download") == SAMPLE


async def test_a_download_names_the_file_safely_and_takes_ranges(cloud: Cloud) -> None:
    _, file = await cloud.owner.upload(SAMPLE, 'Träger "a".gcode.3mf')
    async with cloud.owner.http.get(f"/api/files/{file['id']}/download", headers={"range": "bytes=10-19"}) as answer:
        assert (answer.status, await answer.read()) == (206, SAMPLE[10:20])
        assert answer.headers["content-disposition"].startswith("attachment; filename*=utf-8''Tr%C3%A4ger")
        assert '"' not in answer.headers["content-disposition"].partition("filename")[2]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"] == "application/octet-stream"
    async with cloud.owner.http.get(
        f"/api/files/{file['id']}/download", headers={"range": f"bytes={len(SAMPLE)}-"}
    ) as answer:
        assert answer.status == 416


async def test_thumbnails_are_pictures_that_browsers_may_keep(cloud: Cloud) -> None:
    _, file = await cloud.owner.upload(SAMPLE)
    address = file["plates"][0]["thumbnail"]
    async with cloud.owner.http.get(address, params={"size": "small"}) as answer:
        assert (answer.status, answer.content_type) == (200, "image/png")
        assert (await answer.read()).startswith(b"\x89PNG")
        assert "immutable" in answer.headers["cache-control"]
        tag = answer.headers["etag"]
    async with cloud.owner.http.get(address, params={"size": "small"}, headers={"if-none-match": tag}) as answer:
        assert answer.status == 304
    assert await cloud.owner.refused("GET", f"/api/files/{file['id']}/plates/7/thumbnail") == (404, "not_found")


async def test_the_same_bytes_are_kept_once(cloud: Cloud) -> None:
    _, first = await cloud.owner.upload(SAMPLE, "a.gcode.3mf")
    _, again = await cloud.owner.upload(SAMPLE, "a.gcode.3mf")
    _, other = await cloud.owner.upload(SAMPLE, "b.gcode.3mf")
    assert again == first
    assert other["id"] != first["id"]
    assert len(kept(cloud)) == 1
    await cloud.owner.call("DELETE", f"/api/files/{first['id']}")
    assert await cloud.owner.ok("GET", f"/api/files/{other['id']}/download") == SAMPLE
    await cloud.owner.call("DELETE", f"/api/files/{other['id']}")
    assert kept(cloud) == []
    assert await cloud.owner.refused("GET", f"/api/files/{first['id']}/download") == (404, "not_found")


async def test_uploads_and_deletions_of_the_same_bytes_at_once_never_lose_any(cloud: Cloud) -> None:
    async def turn(number: int) -> None:
        _, file = await cloud.owner.upload(SAMPLE, f"{number}.gcode.3mf")
        if number % 2:
            await cloud.owner.ok("DELETE", f"/api/files/{file['id']}")

    await asyncio.gather(*(turn(number) for number in range(6)))
    listed = await cloud.owner.ok("GET", "/api/files/")
    assert listed["total"] == 3
    for file in listed["items"]:
        assert await cloud.owner.ok("GET", f"/api/files/{file['id']}/download") == SAMPLE


def unsliced() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("3D/3dmodel.model", "<model/>")
    return packed.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"not a zip", SAMPLE[:-100], unsliced()], ids=["empty", "text", "cut", "model"]
)
async def test_what_cannot_be_printed_is_refused_with_a_sentence_and_not_kept(cloud: Cloud, content: bytes) -> None:
    status, answer = await cloud.owner.upload(content)
    assert status == 422
    assert answer["error"]["message"].endswith(".")
    assert kept(cloud) == []
    assert (await cloud.owner.ok("GET", "/api/files/"))["total"] == 0


async def chunks(count: int, size: int) -> AsyncIterator[bytes]:
    yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.3mf"\r\n\r\n'
    for _ in range(count):
        yield os.urandom(size)
    yield b"\r\n--b--\r\n"


MULTIPART = {"content-type": "multipart/form-data; boundary=b"}


async def test_a_file_that_is_too_large_is_refused_whether_it_says_so_or_not(cloud: Cloud) -> None:
    status, answer = await cloud.owner.upload(b"x" * (LIMIT + 100_000))
    assert (status, answer["error"]["code"]) == (413, "too_large")
    assert "3 MiB" in answer["error"]["message"]
    body = chunks(LIMIT // 65536 + 2, 65536)  # chunked: no length announced
    status, code = await cloud.owner.refused("POST", "/api/files/upload", data=body, headers=MULTIPART)
    assert (status, code) == (413, "too_large")
    assert kept(cloud) == []


async def test_a_full_disk_is_told_before_and_while_it_fills(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BlobStore, "free_bytes", lambda _self: 1000)
    status, answer = await cloud.owner.upload(SAMPLE)
    assert (status, answer["error"]["code"]) == (507, "no_space")
    monkeypatch.undo()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    status, answer = await cloud.owner.upload(SAMPLE)
    monkeypatch.undo()
    assert (status, answer["error"]["code"]) == (507, "no_space")
    assert kept(cloud) == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"--b\r\nnonsense", 400, "invalid_form"),
        (b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\ncut off', 400, "invalid_form"),
        (b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--b--\r\n', 422, "invalid"),
        (b'--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\ntext\r\n--b--\r\n', 422, "invalid"),
        (b"--b\r\n" + b"X: " + b"y" * 10_000 + b"\r\n\r\n", 400, "invalid_form"),
        (b"", 400, "invalid_form"),
    ],
)  # fmt: skip
async def test_broken_forms_are_refused(cloud: Cloud, body: bytes, status: int, code: str) -> None:
    found = await cloud.owner.refused("POST", "/api/files/upload", data=body, headers=MULTIPART)
    assert found == (status, code)
    assert kept(cloud) == []


async def test_only_forms_are_taken(cloud: Cloud) -> None:
    assert await cloud.owner.refused("POST", "/api/files/upload", {"file": "x"}) == (415, "unsupported_media_type")


async def test_two_files_in_one_form_are_refused(cloud: Cloud) -> None:
    form = aiohttp.FormData()
    for _ in range(2):
        form.add_field("file", SAMPLE, filename="a.3mf")
    assert await cloud.owner.refused("POST", "/api/files/upload", data=form) == (422, "invalid")
    assert kept(cloud) == []


async def test_a_client_that_goes_away_leaves_nothing(cloud: Cloud) -> None:
    host, port = cloud.base.removeprefix("http://").split(":")
    _reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /api/files/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {cloud.owner.token}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file"; filename="x.3mf"\r\n\r\n'
    )
    writer.write(head.encode() + b"x" * 100_000)
    await writer.drain()
    async with asyncio.timeout(10):
        while not kept(cloud):
            await asyncio.sleep(0.01)
        writer.close()
        while kept(cloud):
            await asyncio.sleep(0.01)


async def test_a_file_that_jobs_need_stays(cloud: Cloud) -> None:
    _, file = await cloud.owner.upload(SAMPLE)
    await cloud.printer()
    made = await cloud.owner.ok("POST", "/api/print-jobs/", {"print_file_id": file["id"], "hold": True})
    assert await cloud.owner.refused("DELETE", f"/api/files/{file['id']}") == (409, "in_use")
    await cloud.owner.ok("POST", f"/api/print-jobs/{made['items'][0]['id']}/cancel")
    assert (await cloud.owner.call("DELETE", f"/api/files/{file['id']}"))[0] == 204

    async def unit(tx: TenantTx) -> tuple[object, int]:
        jobs = await tx.all(print_jobs.select())
        return await file_queries.get(tx, file["id"]), len(jobs)

    assert await (await cloud.tenant()).read(unit) == (None, 1)  # the past keeps its row


async def test_leftovers_of_a_crash_are_removed_at_the_start(tmp_path: Path) -> None:
    half = tmp_path / "data" / "blobs" / "tmp" / "half"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"x")
    async with running_cloud(tmp_path) as cloud:
        assert kept(cloud) == []


async def test_files_are_found_by_name_and_paged(cloud: Cloud) -> None:
    for name in ("Alpha.gcode.3mf", "beta_100%.gcode.3mf", "gamma.gcode.3mf"):
        await cloud.owner.upload(SAMPLE, name)
    found = await cloud.owner.ok("GET", "/api/files/?search=100%25")
    assert [file["name"] for file in found["items"]] == ["beta_100%.gcode.3mf"]
    assert (await cloud.owner.ok("GET", "/api/files/?search=ALPHA"))["total"] == 1
    page = await cloud.owner.ok("GET", "/api/files/?limit=2&offset=2")
    assert (len(page["items"]), page["total"]) == (1, 3)
    renamed = await cloud.owner.ok("PATCH", f"/api/files/{page['items'][0]['id']}", {"name": "../new.gcode.3mf"})
    assert renamed["name"] == "new.gcode.3mf"


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("bracket.gcode.3mf", "bracket.gcode.3mf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\part.3mf", "part.3mf"),
        ("a\u202efm3.exe\x00.3mf", "afm3.exe.3mf"),
        (" .. ", "unnamed"),
        ("", "unnamed"),
        ('a"b<c>.3mf', "a_b_c_.3mf"),
        ("ü" * 200 + ".GCODE.3MF", "ü" * 85 + ".GCODE.3MF"),
    ],
)
def test_file_names_are_made_safe(given: str, safe: str) -> None:
    assert safe_name(given) == safe
    assert len(safe_name(given).encode()) <= 180


async def test_a_file_tells_one_figure_for_all_its_plates(cloud: Cloud) -> None:
    _, file = await cloud.owner.upload(SAMPLE)
    (plate,) = file["plates"]
    assert {
        "print_time_seconds": plate["seconds"],
        "filament_weight_grams": plate["grams"],
        "filament_type": "PLA",
        "nozzle_diameter": plate["nozzle_diameters"][0],
        "layer_count": plate["layers"],
        "object_count": len(plate["objects"]),
        "curr_bed_type": plate["bed_type"],
        "default_print_profile": "0.20mm Standard @BBL",
        "number_of_units": 1,
        "product_id": None,
        "has_content": True,
        "version": 1,
    }.items() <= file.items()
    assert file["filament_length_meters"] > 0


def test_figures_of_many_plates_are_added_up() -> None:
    def plate(index: int, seconds: int | None, grams: float | None, kind: str) -> Plate:
        filament = Filament(slot=1, type=kind, color=None, grams=grams, meters=1.25, profile="")
        return Plate(
            index=index, seconds=seconds, grams=grams, layers=index * 10, model_id=None, nozzle_diameters=[0.4],
            bed_type="hot_plate", filaments=[filament], objects=[PrintObject(id=1, name="a")], skippable=False,
            gcode_bytes=1, gcode_md5="", thumbnail=None, thumbnail_small=None, slicer_warnings=[],
        )  # fmt: skip

    plates = [plate(1, 60, 1.1, "PETG"), plate(2, None, None, "PLA"), plate(3, 2**31 - 1, 2.2, "PLA")]
    figures = file_figures(
        SlicedFile(
            slicer="",
            slicer_version="",
            model_id=None,
            model_name=None,
            default_print_profile="",
            plates=plates,
            flags=[],
        )
    )
    assert figures == {
        "print_time_seconds": 2**31 - 1,
        "filament_weight_grams": 3.3,
        "filament_length_meters": 3.75,
        "filament_type": "PETG",
        "nozzle_diameter": 0.4,
        "layer_count": 10,
        "object_count": 3,
        "curr_bed_type": "hot_plate",
        "default_print_profile": None,
    }


async def test_files_are_filtered_sorted_and_exported(cloud: Cloud) -> None:
    product = await cloud.owner.ok("POST", "/api/products/", {"name": "Bracket"})
    for name in ("a.gcode.3mf", "b.gcode.3mf"):
        _, file = await cloud.owner.upload(SAMPLE, name)
    await cloud.owner.ok("PATCH", f"/api/files/{file['id']}", {"product_id": product["id"]})

    async def names(query: str) -> list[str]:
        return [file["name"] for file in (await cloud.owner.ok("GET", "/api/files/" + query))["items"]]

    assert await names("?sort=-name") == ["b.gcode.3mf", "a.gcode.3mf"]
    assert await names(f"?product_id={product['id']}") == ["b.gcode.3mf"]
    assert await names("?printer_model_id=C12&filament_type=PLA&sort=name") == ["a.gcode.3mf", "b.gcode.3mf"]
    assert await names("?filament_type=PETG") == []
    assert await names("?created_at_from=2026-01-01T00:00:00Z&created_at_to=2026-01-02T00:00:00Z") == []
    async with cloud.owner.http.get("/api/files/export.csv?sort=name") as answer:
        lines = list(csv.DictReader(io.StringIO(await answer.text())))
    assert [line["name"] for line in lines] == ["a.gcode.3mf", "b.gcode.3mf"]


async def test_a_file_is_changed_knowingly(cloud: Cloud) -> None:
    _, file = await cloud.owner.upload(SAMPLE)
    one = f"/api/files/{file['id']}"
    changes = {"number_of_units": 6, "curr_bed_type": "cool_plate", "default_print_profile": None}
    changed = await cloud.owner.ok("PATCH", one, changes, headers={"if-match": '"v1"'})
    assert {name: changed[name] for name in changes} == changes
    for method, body in (("PATCH", {"name": "x.gcode.3mf"}), ("DELETE", None)):
        assert await cloud.owner.refused(method, one, body, headers={"if-match": '"v1"'}) == (412, "stale")
    assert await cloud.owner.refused("PATCH", one, {"product_id": "prd_none"}) == (422, "unknown_reference")
    assert await cloud.owner.refused("PATCH", one, {"number_of_units": 0}) == (422, "invalid")
    await cloud.owner.ok("DELETE", one, headers={"if-match": '"v2"'})


async def test_many_files_are_deleted_each_for_itself_with_their_bytes(cloud: Cloud) -> None:
    await cloud.printer()
    files = [(await cloud.owner.upload(SAMPLE, f"{n}.gcode.3mf"))[1]["id"] for n in range(3)]
    job = (await cloud.owner.ok("POST", "/api/print-jobs/", {"print_file_id": files[1], "hold": True}))["items"][0]
    body = {"action": "delete", "ids": [*files, "fil_none"]}
    answer = await cloud.owner.ok("POST", "/api/files/bulk", body)
    assert [result.get("code", "") for result in answer["results"]] == ["", "in_use", "", "not_found"]
    assert len(kept(cloud)) == 1
    await cloud.owner.ok("DELETE", f"/api/print-jobs/{job['id']}")
    await cloud.owner.ok("POST", "/api/files/bulk", {"action": "delete", "ids": [files[1]]})
    assert kept(cloud) == []


async def test_the_bytes_of_two_farms_are_let_go_of_by_the_last(cloud: Cloud) -> None:
    stranger = await cloud.stranger()
    _, mine = await cloud.owner.upload(SAMPLE)
    _, theirs = await stranger.upload(SAMPLE)
    await cloud.owner.ok("DELETE", f"/api/files/{mine['id']}")
    assert await stranger.ok("GET", f"/api/files/{theirs['id']}/download") == SAMPLE
    await stranger.ok("DELETE", f"/api/files/{theirs['id']}")
    assert kept(cloud) == []


async def test_a_file_that_lost_its_bytes_says_so_and_gets_them_back(cloud: Cloud) -> None:
    _, file = await cloud.owner.upload(SAMPLE)
    lost = {"sha256": "", "plates": [], "flags": []}
    await (await cloud.tenant()).write(lambda tx: file_queries.FILES.change(tx, file["id"], lost))
    one = f"/api/files/{file['id']}"
    assert (await cloud.owner.ok("GET", one))["has_content"] is False
    status, answer = await cloud.owner.call("GET", f"{one}/download")
    assert (status, answer["error"]["code"]) == (409, "bytes_missing")
    assert answer["error"]["message"] == "The file's bytes are missing: upload it again."
    assert await cloud.owner.refused("GET", f"{one}/plates/1/thumbnail") == (404, "not_found")
    _, again = await cloud.owner.upload(SAMPLE)
    assert (again["id"], again["has_content"], len(again["plates"])) == (file["id"], True, 1)
    assert await cloud.owner.ok("GET", f"{one}/download") == SAMPLE
