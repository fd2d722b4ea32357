"""Programs to be killed: `python -m tests.fakes.crashing NAME ARGUMENT…`; each says what it did.

turns DSN SPOOL_FOLDER           writes turns of one call for ever, one line per acknowledged turn
change DSN SHOP_URL TOKEN KEY    performs change_address once
postgres DATA_FOLDER             starts a database, says its process id, and waits
"""

import asyncio
import sys
from itertools import count
from pathlib import Path
from uuid import uuid4

from actions.adapters.rest import RestBackEnd, RestOptions
from actions.database import Database
from actions.executor import ActionExecutor
from actions.ledger import PostgresLedger
from actions.request import ActionRequest
from server.postgres import EmbeddedPostgres
from server.records.records import Records
from tests.fakes.calls import call_start, turn_record


async def write_turns(dsn: str, spool_folder: str) -> None:
    records = await Records.open(dsn, Path(spool_folder), wait_s=0.2)
    call_id = uuid4()
    records.call_started(call_start(call_id))
    print(call_id, flush=True)
    for index in count():
        records.turn(call_id, turn_record(index))
        print(index, flush=True)
        await asyncio.sleep(0)


async def change_address(dsn: str, shop_url: str, token: str, key: str) -> None:
    ledger = PostgresLedger(Database(dsn))
    await ledger.migrate()
    back_end = RestBackEnd(RestOptions(base_url=shop_url, token=token))
    executor = ActionExecutor(back_end=back_end, ledger=ledger)
    await back_end.catalogue()
    print("sending", flush=True)
    outcome = await executor.perform(
        ActionRequest(
            name="change_address",
            arguments={"order_number": "4815", "address": "12 Mill Road, Ashford"},
            key=key,
        )
    )
    print(outcome.status.value, flush=True)


async def run_postgres(data_folder: str) -> None:
    server = EmbeddedPostgres(Path(data_folder))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()


PROGRAMS = {"turns": write_turns, "change": change_address, "postgres": run_postgres}

if __name__ == "__main__":
    asyncio.run(PROGRAMS[sys.argv[1]](*sys.argv[2:]))
