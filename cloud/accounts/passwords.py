"""Password hashing: argon2id in a few threads of its own, so that logins never starve the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from cloud.accounts.errors import BusyError, WeakPasswordError
from cloud.storage.secrets import Secret

T = TypeVar("T")

THREADS: Final = 2
WAITING: Final = 32
"""Hashes that may wait for a thread, some two seconds' worth; more than that is an attack or a stampede."""
MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 200
# OWASP's first recommendation for argon2id: 46 MiB, one pass, one lane; about 75 ms of one core.
MEMORY_KIB: Final = 47_104


class Passwords:
    """Hashes and checks; `close` when done."""

    def __init__(self, memory_kib: int | None = None) -> None:
        self._hasher = PasswordHasher(time_cost=1, memory_cost=memory_kib or MEMORY_KIB, parallelism=1)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        self._running = 0
        self._nobody = ""

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def hash(self, password: Secret) -> str:
        """Raises WeakPasswordError, BusyError."""
        text = password.reveal()
        if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
            raise WeakPasswordError(f"A password has at least {MIN_LENGTH} and at most {MAX_LENGTH} characters.")
        return await self._in_thread(lambda: self._hasher.hash(text))

    async def matches(self, password: Secret, hashed: str | None) -> bool:
        """Whether this is the password; without a hash (no such user) it takes as long to say no. Raises BusyError."""
        if not self._nobody:
            self._nobody = await self._in_thread(lambda: self._hasher.hash("nobody has this password"))
        candidate = hashed if hashed is not None else self._nobody
        text = password.reveal()[: MAX_LENGTH + 1]
        return await self._in_thread(lambda: self._verify(candidate, text)) and hashed is not None

    def outdated(self, hashed: str) -> bool:
        """Made with other parameters than today's."""
        return self._hasher.check_needs_rehash(hashed)

    def _verify(self, hashed: str, text: str) -> bool:
        try:
            return self._hasher.verify(hashed, text)
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError) as error:
            raise RuntimeError("a stored password hash cannot be read") from error

    async def _in_thread(self, function: Callable[[], T]) -> T:
        if self._running >= THREADS + WAITING:
            raise BusyError("too many passwords wait to be checked")
        self._running += 1
        task = asyncio.get_running_loop().run_in_executor(self._threads, function)
        task.add_done_callback(self._finished)  # not when the caller leaves: the thread is busy until then
        return await asyncio.shield(task)

    def _finished(self, task: "asyncio.Future[Any]") -> None:
        self._running -= 1
        if not task.cancelled():
            task.exception()  # looked at, in case its caller is gone
