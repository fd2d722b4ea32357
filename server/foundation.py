"""What stands on the database: records, accounts, and actions at the back end."""

from contextlib import AsyncExitStack

from actions.adapters.rest import RestBackEnd, RestOptions
from actions.callbacks import NAME as REQUEST_CALLBACK
from actions.callbacks import request_callback
from actions.database import Database
from actions.errors import LedgerUnavailableError
from actions.executor import ActionExecutor
from actions.ledger import PostgresLedger
from actions.reconciler import Reconciler
from server.accounts.access import Access, Site
from server.accounts.accounts import Accounts
from server.accounts.oidc import OidcProvider
from server.actions_port import ActionsPort
from server.config import Config, OidcConfig
from server.errors import StartError
from server.lifetime import background
from server.observability import Metrics
from server.records.errors import RecordsUnavailableError
from server.records.records import Records
from server.records.spools import left_spools, settle, spool_folder


async def open_records(
    parts: AsyncExitStack, config: Config, database_url: str, metrics: Metrics, number: int
) -> Records:
    """Keep records; they wait on disk while the database is away.

    Args:
        number: of this process. The first sees to what was left by processes that are no more.

    Raises:
        RecordsSetupError: the database cannot be used at all.
    """
    records = await Records.open(database_url, spool_folder(config.data_dir, number))
    parts.push_async_callback(records.close)
    metrics.records_spooled.set_function(lambda: records.spooled)
    if number == 0:
        left = left_spools(config.data_dir, config.serve.count)
        await background(parts, settle(database_url, left), "spools of processes that are no more")
    return records


async def open_access(parts: AsyncExitStack, config: Config, database_url: str) -> Access:
    """Who may use the doors.

    Raises:
        StartError: the database does not answer.
    """
    try:
        accounts = await Accounts.open(database_url, config.accounts, sip_realm=config.sip.realm)
    except RecordsUnavailableError as error:
        raise StartError(
            f"the database does not answer ({error}): start it, or correct DATABASE_URL"
        ) from error
    parts.push_async_callback(accounts.close)
    return Access(accounts, token=config.http.token, site=Site(public_url=config.http.public_url))


def open_provider(parts: AsyncExitStack, config: OidcConfig) -> OidcProvider | None:
    """The identity provider people may sign in by; None: there is none."""
    if config.issuer is None:
        return None
    provider = OidcProvider(config)
    parts.push_async_callback(provider.close)
    return provider


async def open_actions(
    parts: AsyncExitStack, config: Config, database_url: str, metrics: Metrics
) -> ActionsPort:
    """Actions at the back end, each at most once.

    Raises:
        StartError: the database does not answer.
        ActionsError: the ledger cannot be used.
    """
    database = Database(database_url)
    parts.push_async_callback(database.close)
    ledger = PostgresLedger(database)
    try:
        await ledger.migrate()
    except LedgerUnavailableError as error:
        raise StartError(
            f"the database does not answer ({error.__cause__}): start it, or correct DATABASE_URL;"
            " without one frontdesk keeps a database of its own"
        ) from error
    token = config.backend.token
    back_end = RestBackEnd(
        RestOptions(base_url=config.backend.url, token=token.get_secret_value() if token else None)
    )
    parts.push_async_callback(back_end.close)
    executor = ActionExecutor(
        back_end=back_end, ledger=ledger, local={REQUEST_CALLBACK: request_callback}
    )
    parts.push_async_callback(executor.close)
    await background(parts, Reconciler(back_end=back_end, ledger=ledger).run(), "reconciler")
    return ActionsPort(executor, metrics)
