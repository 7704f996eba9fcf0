"""Databases to test with: SQLite, and PostgreSQL from the wheel, one server for each worker of the test run."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.templates import migrate_now, migrated_sqlite
from tools.postgres import PostgresServer, PostgresUnavailableError

BOTH: Final = ("sqlite", "postgresql")
_numbers = itertools.count(1)


class Databases:
    """Makes databases; the server starts when it is first needed."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._server: PostgresServer | None = None
        self._template = ""

    @property
    def server(self) -> PostgresServer:
        if self._server is None:
            try:
                self._server = self._stack.enter_context(PostgresServer.start())
            except PostgresUnavailableError as error:
                pytest.skip(f"NO POSTGRESQL, not tested on it: {error}")
        return self._server

    def empty(self) -> str:
        return self.server.create(f"test_{next(_numbers)}")

    def migrated(self) -> str:
        """A copy of one with every table, which is faster than migrating again."""
        if not self._template:
            self._template = "template_migrated"
            migrate_now(self.server.create(self._template))
        return self.server.create(f"test_{next(_numbers)}", self._template)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    with ExitStack() as stack:
        yield Databases(stack)


@pytest.fixture(params=BOTH)
def empty_database(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables, of either kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'farm.db'}"
        return
    url = databases.empty()
    yield url
    databases.server.drop(url.rsplit("/", 1)[1])


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with all tables and nothing in them, of either kind."""
    if request.param == "sqlite":
        (tmp_path / "farm.db").write_bytes(migrated_sqlite())
        yield f"sqlite:///{tmp_path / 'farm.db'}"
        return
    url = databases.migrated()
    yield url
    databases.server.drop(url.rsplit("/", 1)[1])


FIRST: Final = ("test_api_openapi.py", "e2e", "dashboard", "test_image.py", "test_bench.py")
"""Files and folders with long tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that at the end of a run on several cores none waits for another."""
    places = {name: place for place, name in enumerate(FIRST)}

    def place(item: pytest.Item) -> int:
        return min((places[part] for part in item.path.parts if part in places), default=len(FIRST))

    items.sort(key=place)
