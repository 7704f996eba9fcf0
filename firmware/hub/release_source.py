"""Whence releases come: the cloud, over HTTPS, with the hub's key."""

from hub.release import UpdateError
from lib.http import Answer, HttpError, request
from lib.wire import resolve

_BASE = "/hub/v1/releases/"
_PIECE = 2048


class ReleaseSource:
    """Of the hub's own cloud; `link` is the CloudLink, which knows address, key and authorities."""

    def __init__(self, link) -> None:  # type: ignore[no-untyped-def]
        self._link = link
        self._piece = memoryview(bytearray(_PIECE))

    async def manifest(self, version: str, target: str, limit: int) -> bytes:
        """The signed manifest. Raises UpdateError, OSError, EOFError."""
        answer = await self._get("%s/%s/manifest" % (version, target))
        try:
            return await answer.body(limit)
        except HttpError as error:
            raise UpdateError("unavailable", str(error))
        finally:
            answer.close()

    async def file(self, version: str, target: str, sha: str, size: int, take) -> None:  # type: ignore[no-untyped-def]
        """Give the bytes of one file to `take`, an async function. Raises UpdateError, OSError, EOFError."""
        answer = await self._get("%s/%s/files/%s" % (version, target, sha))
        try:
            while True:
                got = await answer.read_into(self._piece)
                if not got:
                    return
                await take(self._piece[:got])
        except HttpError as error:
            raise UpdateError("unavailable", str(error))
        finally:
            answer.close()

    async def _get(self, path: str) -> Answer:
        identity = self._link.config.identity
        context = self._link.tls_context() if identity.tls else None
        headers = (("Authorization", self._link.bearer()),)
        host = "%s:%d" % (identity.host, identity.port)
        address = resolve(identity.host, identity.port)
        try:
            answer = await request(address, "GET", host, _BASE + path, context=context, headers=headers)
        except HttpError as error:
            raise UpdateError("unavailable", "the cloud answers wrongly: %s" % error)
        if answer.status == 200:
            return answer
        answer.close()
        code = "unavailable" if answer.status >= 500 or answer.status == 429 else "no_release"
        raise UpdateError(code, "the cloud says %d to the release" % answer.status)
