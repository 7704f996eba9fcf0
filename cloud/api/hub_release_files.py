"""/hub/v1/releases: where hubs, and only hubs, fetch releases of their firmware. Each shows its own key."""

from collections.abc import Mapping
from typing import Any, Final

import structlog
from starlette.responses import FileResponse, Response

from cloud.accounts import hub_keys
from cloud.api.errors import ApiError, not_found
from cloud.api.kit import PUBLIC, Call, Endpoint
from cloud.storage import hubs as hub_queries
from cloud.storage import releases as queries
from cloud.storage.files_folder import BlobStore
from cloud.storage.secrets import Secret
from cloud.storage.store import Store

log = structlog.get_logger(__name__)

_TEXT: Final[Mapping[str, Mapping[str, Any]]] = {"text/plain": {"type": "string"}}
_BYTES: Final[Mapping[str, Mapping[str, Any]]] = {"application/octet-stream": {"type": "string", "format": "binary"}}


class HubReleaseFilesApi:
    """Endpoints of hubs: no person, and no API key, gets in here."""

    def __init__(self, store: Store, blobs: BlobStore) -> None:
        self._store = store
        self._blobs = blobs

    def endpoints(self) -> list[Endpoint]:
        base = "/hub/v1/releases/{version}/{target}"
        common: dict[str, Any] = {"role": PUBLIC, "errors": (401, 404, 503)}
        return [
            Endpoint("GET", f"{base}/manifest", self.manifest, answers=_TEXT, **common),
            Endpoint("GET", f"{base}/files/{{sha256}}", self.file, answers=_BYTES, **common),
        ]

    async def manifest(self, call: Call, version: str, target: str) -> Response:
        """The signed list of a release's files for one kind of board: signature, line feed, JSON."""
        await self._admit(call)
        found = await self._store.read(lambda tx: queries.manifest(tx, version, target))
        if found is None:
            raise not_found("release")
        return Response(found, media_type="text/plain")

    async def file(self, call: Call, version: str, target: str, sha256: str) -> Response:
        """One file of a release, by its SHA-256."""
        await self._admit(call)
        if not await self._store.read(lambda tx: queries.has_file(tx, version, sha256)):
            raise not_found("file")
        if not self._blobs.exists(sha256):
            log.error("release.file_gone", version=version, sha256=sha256)
            raise ApiError(503, "unavailable", "The file is not in the store.")
        return FileResponse(self._blobs.path(sha256), media_type="application/octet-stream")

    async def _admit(self, call: Call) -> None:
        scheme, _, word = call.request.headers.get("authorization", "").partition(" ")
        key = Secret(word.strip())
        hub_id = hub_keys.hub_of(key) if scheme.lower() == "bearer" else None
        hub = None if hub_id is None else await self._store.read(lambda tx: hub_queries.find(tx, hub_id))
        if hub is None or not hub.accepts(hub_keys.hashed(key)):
            raise ApiError(401, "unauthorized", "No hub has this key.", headers={"www-authenticate": "Bearer"})
