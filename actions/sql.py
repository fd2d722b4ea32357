"""SQL kept in .sql files: named queries and numbered migrations.

A query file holds any number of queries, each after a line `-- name: the_name`. A migrations folder
holds files `0001_what_it_does.sql`, applied once each, in order, one transaction for all that are
missing.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from actions.database import Connection
from actions.errors import ActionsError

_NAME: Final = re.compile(r"^-- name: (\w+)[ \t]*$", re.MULTILINE)
_MIGRATION: Final = re.compile(r"(\d{4})_(\w+)\.sql")
_MIGRATION_LOCK: Final = 0x66726F6E74  # any fixed number: the advisory lock of all migrations

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_versions (
    component text NOT NULL,
    version integer NOT NULL,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (component, version)
)
"""


class MigrationError(ActionsError):
    """The database cannot be brought to the version of this program."""


def load_queries(path: Path) -> Mapping[str, str]:
    """The named queries of one file.

    Raises:
        ValueError: a name stands twice, or there is none.
    """
    _, *parts = _NAME.split(path.read_text())
    names, texts = parts[0::2], parts[1::2]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"{path}: each query needs a name of its own")
    return MappingProxyType({name: text.strip() for name, text in zip(names, texts, strict=True)})


async def migrate(connection: Connection, folder: Path, *, component: str) -> int:
    """Apply what is missing of `folder`; safe to run by many processes at once.

    Returns:
        How many migrations were applied.

    Raises:
        MigrationError: the database is newer than this program.
    """
    steps = _migrations(folder)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
        await connection.execute(_TABLE)
        current: int = await connection.fetchval(
            "SELECT coalesce(max(version), 0) FROM schema_versions WHERE component = $1", component
        )
        if current > len(steps):
            raise MigrationError(
                f"the {component} tables are at version {current}, this program knows "
                f"{len(steps)}: run a newer frontdesk"
            )
        for version, path in enumerate(steps[current:], start=current + 1):
            await connection.execute(path.read_text())
            await connection.execute(
                "INSERT INTO schema_versions (component, version, name) VALUES ($1, $2, $3)",
                component,
                version,
                path.stem,
            )
    return len(steps) - current


def _migrations(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.iterdir() if path.suffix == ".sql")
    for number, path in enumerate(paths, start=1):
        match = _MIGRATION.fullmatch(path.name)
        if match is None or int(match[1]) != number:
            raise ValueError(f"{path}: migration {number:04d}_….sql is expected here")
    return paths
