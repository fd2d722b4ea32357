"""Fixtures shared by every room's tests."""

from collections.abc import Iterator

import pytest

from tests.fakes.postgres import PostgresForTests


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresForTests]:
    """One embedded PostgreSQL for the whole session; started for the first test that wants it."""
    server = PostgresForTests(tmp_path_factory.mktemp("pg"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database_url(postgres: PostgresForTests) -> str:
    """The URL of an empty database of this test's own."""
    return postgres.fresh_database()
