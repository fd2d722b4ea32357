"""`request_callback`: a person is to ring the caller back; kept in our own database."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from actions.database import Connection
from actions.request import ActionRequest
from actions.sql import load_queries

_SQL: Final = load_queries(Path(__file__).parent / "sql" / "ledger.sql")

NAME: Final = "request_callback"


async def request_callback(connection: Connection, request: ActionRequest) -> Mapping[str, Any]:
    """Note a call-back; a LocalAction.

    Arguments, all optional: `phone`, `reason`, `facts` (what is known by now, so that the caller
    need not say it again).
    """
    arguments = request.arguments
    facts = arguments.get("facts")
    await connection.execute(
        _SQL["add_callback"],
        request.key,
        request.call_id,
        _text(arguments.get("phone")),
        _text(arguments.get("reason")),
        {} if facts is None else facts,
    )
    return {"callback": request.key}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
