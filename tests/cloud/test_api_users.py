"""The people of a farm: who sees whom, who may change whom, and the last owner, who stays."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.api_kit import Client, Cloud, running_cloud


@pytest.fixture
async def cloud(tmp_path: Path, database: str) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, database_url=database) as cloud:
        yield cloud


async def id_of(client: Client) -> str:
    return str((await client.ok("GET", "/api/auth/me"))["id"])


async def test_everybody_sees_who_is_there_and_only_owners_see_more(cloud: Cloud) -> None:
    viewer = await cloud.person("viewer")
    seen: dict[str, Any] = {one["id"]: one for one in (await viewer.ok("GET", "/api/users/"))["items"]}
    owner, me = await id_of(cloud.owner), await id_of(viewer)
    assert set(seen) == {owner, me}
    assert (seen[owner]["name"], seen[owner]["email"], seen[owner]["last_login_at"]) == ("Owner", None, None)
    assert seen[me]["email"]
    full = (await cloud.owner.ok("GET", "/api/users/?role=viewer"))["items"]
    assert [one["email"] for one in full] == [seen[me]["email"]]
    assert full[0]["last_login_at"]
    assert "password" not in str(full)


async def test_what_is_told_to_owners_only_cannot_be_found_out_by_searching_or_sorting(cloud: Cloud) -> None:
    viewer = await cloud.person("viewer")
    assert (await viewer.ok("GET", "/api/users/?search=%40example"))["total"] == 0
    assert (await cloud.owner.ok("GET", "/api/users/?search=%40example"))["total"] == 2
    for sort in ("email", "-last_login_at"):
        assert await viewer.refused("GET", f"/api/users/?sort={sort}") == (422, "invalid")
        await cloud.owner.ok("GET", f"/api/users/?sort={sort}")


async def test_another_role_holds_at_once(cloud: Cloud) -> None:
    person = await cloud.person("operator")
    one = f"/api/users/{await id_of(person)}"
    await cloud.owner.ok("PATCH", one, {"role": "viewer"})
    assert await person.refused("GET", "/api/printers/") == (401, "unauthenticated")
    assert (await cloud.owner.ok("GET", one))["role"] == "viewer"


async def test_somebody_switched_off_is_out_and_cannot_come_back(cloud: Cloud) -> None:
    person = await cloud.person("operator")
    key = await id_of(person)
    email = (await person.ok("GET", "/api/auth/me"))["email"]
    await cloud.owner.ok("PATCH", f"/api/users/{key}", {"is_active": False})
    assert await person.refused("GET", "/api/printers/") == (401, "unauthenticated")
    body = {"email": email, "password": "a long enough password"}
    assert await cloud.anonymous().refused("POST", "/api/auth/login", body) == (401, "bad_credentials")
    await cloud.owner.ok("PATCH", f"/api/users/{key}", {"is_active": True})
    await cloud.anonymous().ok("POST", "/api/auth/login", body)


async def test_an_owner_ends_somebodys_logins(cloud: Cloud) -> None:
    person = await cloud.person("viewer")
    path = f"/api/users/{await id_of(person)}/sessions"
    assert (await cloud.owner.ok("GET", path))["total"] == 1
    await cloud.owner.ok("DELETE", path)
    assert await person.refused("GET", "/api/auth/me") == (401, "unauthenticated")
    assert (await cloud.owner.ok("GET", path))["total"] == 0


async def test_a_farm_keeps_its_last_owner(cloud: Cloud) -> None:
    one = f"/api/users/{await id_of(cloud.owner)}"
    for change in ({"role": "operator"}, {"is_active": False}):
        assert await cloud.owner.refused("PATCH", one, change) == (409, "last_owner")
    assert await cloud.owner.refused("DELETE", one) == (409, "last_owner")
    await cloud.owner.ok("PATCH", one, {"name": "Olga"})
    assert (await cloud.owner.ok("GET", "/api/auth/me"))["name"] == "Olga"


async def test_of_two_owners_who_demote_each_other_at_once_one_stays(cloud: Cloud) -> None:
    other = await cloud.person("owner")
    mine, theirs = await id_of(cloud.owner), await id_of(other)
    answers = await asyncio.gather(
        cloud.owner.call("PATCH", f"/api/users/{theirs}", {"role": "viewer"}),
        other.call("PATCH", f"/api/users/{mine}", {"role": "viewer"}),
    )
    assert sorted(status for status, _ in answers) in ([200, 401], [200, 403], [200, 409])


async def test_somebody_removed_is_gone_and_what_he_did_stays(cloud: Cloud) -> None:
    person = await cloud.person("operator")
    key = await id_of(person)
    await person.ok("POST", "/api/color-presets/", {"color_name": "Red", "hex_code": "#ff0000", "filament_type": "PLA"})
    await cloud.owner.ok("DELETE", f"/api/users/{key}")
    assert await person.refused("GET", "/api/auth/me") == (401, "unauthenticated")
    assert await cloud.owner.refused("GET", f"/api/users/{key}") == (404, "not_found")
    told = await cloud.owner.ok("GET", f"/api/audit-log/?actor={key}&action=color_presets_create")
    assert [one["actor_name"] for one in told["items"]] == ["operator"]


async def test_the_audit_log_is_searched_filtered_and_exported_by_owners_only(cloud: Cloud) -> None:
    await cloud.hub("Left wing")
    path = "/api/audit-log/"
    assert (await cloud.owner.ok("GET", f"{path}?action=hubs_create"))["items"][0]["details"] == {"name": "Left wing"}
    assert (await cloud.owner.ok("GET", f"{path}?at_from=2999-01-01T00:00:00Z"))["total"] == 0
    assert (await cloud.owner.ok("GET", f"{path}?object_type=hubs"))["total"] == 1
    async with cloud.owner.http.get(f"{path}export.csv?object_type=hubs") as answer:
        assert "hubs_create" in await answer.text()
    operator = await cloud.person("operator")
    assert await operator.refused("GET", path) == (403, "forbidden")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await cloud.owner.refused(method, path))[0] == 405


async def test_the_farms_settings_are_kept_and_checked(cloud: Cloud) -> None:
    farm = await cloud.owner.ok("GET", "/api/settings/")
    assert farm["name"] == "My farm"
    changed = {**farm["settings"], "time_zone": "Europe/Berlin", "failures_before_disable": 5}
    headers = {"if-match": f'"v{farm["version"]}"'}
    body = {"name": "Hall 2", "settings": changed}
    assert (await cloud.owner.ok("PATCH", "/api/settings/", body, headers=headers))["settings"] == changed
    assert await cloud.owner.refused("PATCH", "/api/settings/", body, headers=headers) == (412, "stale")
    wrong = {"settings": {"working_hours": [{"day": "mon", "start": "25:00", "end": "26:00"}]}}
    assert await cloud.owner.refused("PATCH", "/api/settings/", wrong) == (422, "invalid")
    viewer = await cloud.person("viewer")
    assert (await viewer.ok("GET", "/api/settings/"))["name"] == "Hall 2"
    assert await viewer.refused("PATCH", "/api/settings/", body) == (403, "forbidden")
