"""An update over the air, from the cloud's command to the restart into the new release. Loaded when one begins.

The way: manifest, signature, checks, what is unchanged copied, the rest fetched and verified while it is written,
everything read once more, the pointer, restart when nothing is under way. Whatever fails before the pointer changes
nothing that runs; the same command again goes on where it ended. `slots.py` tells how it went on after the restart.
"""

import asyncio
import sys
import time

from hub.log import log, log_crash
from hub.release import MAX_MANIFEST, Installation, UpdateError, check, open_manifest, version_of
from hub.release_key import KEYS
from hub.slots import tell

_QUIET_MS = 3000
"""Nothing was carried and no command ran for so long: a file's upload and the start that follows it lie closer."""

_PATIENCE_MS = 30 * 60 * 1000
"""A hub that is never quiet for so long is busy; the cloud asks again."""

_RETRY_MS = (1000, 5000, 20_000, 60_000)


async def update(app, version: str, running: str, source) -> "dict":  # type: ignore[type-arg, no-untyped-def]
    """The command: refuse at once what cannot be, or begin. Fields of the message `result`; the rest comes as events.

    `app` is the App, `running` the version that runs, `source` whence releases come (release_source.ReleaseSource).
    """
    if app.updating:
        return {"ok": False, "code": "busy", "message": "%s is being installed" % app.updating}
    try:
        version_of(version)
    except ValueError:
        return {"ok": False, "code": "invalid", "message": "%s is no version" % version}
    if version == running:
        return {"ok": False, "code": "wrong_state", "message": "%s runs already" % version}
    if app.slots.pointer["state"] == "testing":
        return {"ok": False, "code": "busy", "message": "%s is still on trial" % running}
    app.updating = version
    asyncio.create_task(Update(app, version, running, source).run())
    return {"ok": True}


class Update:
    """One update, in a task of its own."""

    def __init__(self, app, version: str, running: str, source) -> None:  # type: ignore[no-untyped-def]
        self._app = app
        self._version = version
        self._running = running
        self._source = source
        self._keys = KEYS

    async def run(self) -> None:
        """To its end, which is a restart or an event that says why not."""
        tell(self._app, self._version, "fetching")
        try:
            await self._install()
        except UpdateError as error:
            self._fail(error.code, str(error))
        except MemoryError:
            self._fail("memory", "the hub has too little memory for it now")
        except OSError as error:
            self._fail("flash", "the flash or the network failed: %r" % error)
        except Exception as error:
            log_crash("update", error)
            self._fail("fault", "%s %s" % (type(error).__name__, error))
        else:
            log("update", "%s is installed: restarting into it" % self._version)
            await self._leave()
        self._app.updating = ""

    def _fail(self, code: str, sentence: str) -> None:
        tell(self._app, self._version, "failed", code, sentence)

    async def _install(self) -> None:
        manifest = open_manifest(await self._again(self._manifest), self._keys)
        check(manifest, self._version, self._app.board.target, self._running)
        image = self._image(manifest)
        await self._quiet()
        work = Installation(self._app.slots, manifest)
        missing = await work.prepare()
        log("update", "%s: %d files, %d to fetch" % (self._version, len(manifest["files"]), len(missing)))
        del manifest
        for path in missing:
            await self._quiet()
            await self._again(lambda: self._fetch(work.sink(path), work.sha(path), work.size(path)))  # noqa: B023
        if image is not None and not await image.is_there():
            log("update", "%s: MicroPython, %d KiB, into %s" % (self._version, image.size // 1024, image.label))
            await self._again(lambda: self._fetch(image, image.sha, image.size))
            if not await image.is_there():
                raise UpdateError("flash", "the image on the flash is not what was written")
        await self._quiet(calm=False)
        before = self._app.slots.pointer
        await work.switch(self._running, image.label if image else "")
        if image is not None:
            self._start_next(image, before)

    def _image(self, manifest: "dict"):  # type: ignore[type-arg, no-untyped-def]
        """The slot of the MicroPython that the release brings, None when the one that runs will do."""
        reads = sys.implementation._mpy & 0xFF  # type: ignore[attr-defined]
        if "image" not in manifest and manifest.get("mpy", 6) == reads:
            return None
        from hub.image import ImageSlot, wanted

        if not wanted(manifest, self._app.board):
            return None
        return ImageSlot(self._app.board, manifest["image"][1], manifest["image"][2])

    def _start_next(self, image, before: "dict") -> None:  # type: ignore[type-arg, no-untyped-def]
        try:
            image.start_next()
        except OSError as error:
            self._app.slots.write(before)
            raise UpdateError("wrong_image", "the boot loader does not take the release's image: %r" % error)

    async def _manifest(self) -> bytes:
        return await self._source.manifest(self._version, self._app.board.target, MAX_MANIFEST)  # type: ignore[no-any-return]

    async def _fetch(self, place, sha: str, size: int) -> None:  # type: ignore[no-untyped-def]
        with place as sink:

            async def take(piece: "bytes | memoryview") -> None:
                sink.write(piece)
                if self._app.cloud.tunnels_open:
                    await self._quiet()

            await self._source.file(self._version, self._app.board.target, sha, size, take)
            sink.finish()

    async def _again(self, work):  # type: ignore[no-untyped-def]
        """The network is given some chances: what it damaged or broke off is fetched again."""
        for pause in _RETRY_MS:
            try:
                return await work()
            except (OSError, EOFError) as error:
                trouble = repr(error)
            except UpdateError as error:
                if error.code not in ("corrupt", "unavailable"):
                    raise
                trouble = str(error)
            log("update", "%s; again in %d s" % (trouble, pause // 1000))
            await asyncio.sleep_ms(pause)
        try:
            return await work()
        except (OSError, EOFError) as error:
            raise UpdateError("unreachable", "the release cannot be fetched: %r" % error)

    async def _quiet(self, calm: bool = True) -> None:
        """Wait until nothing is carried to a printer and no command, such as a print's start, is under way.

        `calm` takes the first look's word for it; otherwise it must stay so for a while.
        """
        began = quiet = time.ticks_ms()
        while True:
            now = time.ticks_ms()
            if self._app.cloud.tunnels_open or self._app.commands.active:
                quiet, calm = now, False
            elif calm or time.ticks_diff(now, quiet) >= _QUIET_MS:
                return
            if time.ticks_diff(now, began) > _PATIENCE_MS:
                raise UpdateError("busy", "the hub was never idle for long enough")
            await asyncio.sleep_ms(100)

    async def _leave(self) -> None:
        """Restart; a command that came in the last moment is carried out first."""
        while self._app.cloud.tunnels_open or self._app.commands.active:
            await asyncio.sleep_ms(100)
        self._app.board.reset("update")
