"""The spool folders of a server: one for each of its processes, whose calls it keeps apart."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from server.records.errors import RecordsError
from server.records.records import Records

_NAME: Final = "spool"

log = logging.getLogger(__name__)


def spool_folder(data_dir: Path, number: int) -> Path:
    """Of a process; the first has the one that a server of one process has."""
    return data_dir / (f"{_NAME}-{number}" if number else _NAME)


def left_spools(data_dir: Path, processes: int) -> Sequence[Path]:
    """Folders of processes that a server of so many does not have: it had more before."""
    found = {path.name: path for path in data_dir.glob(f"{_NAME}-*")}
    ours = {spool_folder(data_dir, number).name for number in range(processes)}
    return [found[name] for name in sorted(found.keys() - ours)]


async def settle(database_url: str, folders: Iterable[Path]) -> None:
    """Write what they hold, and mark the calls of their last life that were open as crashed."""
    for folder in folders:
        try:
            records = await Records.open(database_url, folder)
        except RecordsError as error:  # another server has it, or the disk is read-only
            log.info("left spool not settled", extra={"error": str(error)})
        else:
            await records.close()
