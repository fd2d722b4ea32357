"""What a server stands on where nothing else is configured: a database, perhaps the demo shop."""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from server.config import BackendConfig, Config
from server.demo_shop import running_shop
from server.errors import StartError
from server.postgres import EmbeddedPostgres

_CONNECTIONS = 60  # of one process, with room for people at a prompt
_EACH_MORE = 30  # its pools: records, ledger, accounts


async def surrounded(
    parts: AsyncExitStack, config: Config, *, demo_shop: bool
) -> tuple[Config, str]:
    """Start what is wanted; it stops with the parts.

    Returns:
        the configuration, with the shop as its back end, and the URL of the database.

    Raises:
        StartError, PostgresError: it does not start.
    """
    postgres = None if config.database.url else await _embedded(parts, config)
    database_url = _url(config) if postgres is None else await postgres.ensure_database("frontdesk")
    if not demo_shop:
        return config, database_url
    if postgres is None:
        raise StartError(
            "--demo-shop keeps its orders in the embedded database: unset DATABASE_URL"
        )
    shop = await parts.enter_async_context(running_shop(await postgres.ensure_database("shop")))
    backend = BackendConfig.model_validate({"url": shop.url, "token": shop.token})
    return config.model_copy(update={"backend": backend}), database_url


async def _embedded(parts: AsyncExitStack, config: Config) -> EmbeddedPostgres:
    postgres = EmbeddedPostgres(config.data_dir / "postgres", settings=_settings(config))
    await postgres.start()
    parts.push_async_callback(postgres.stop)
    return postgres


def _settings(config: Config) -> Mapping[str, str]:
    more = config.serve.count - 1
    return {"max_connections": str(_CONNECTIONS + _EACH_MORE * more)} if more else {}


def _url(config: Config) -> str:
    assert config.database.url is not None
    return config.database.url.get_secret_value()
