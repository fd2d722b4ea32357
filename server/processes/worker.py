"""A process of a server of several: `python -m server.processes.worker INHERITANCE`.

Its configuration is the parent's, with its own part of what is divided, in environment variables.
When the parent is gone nothing reaches its calls any more, and it ends them.
"""

import asyncio
import sys

from server.config import Config, load_config
from server.errors import one_line
from server.observability import configure_logging
from server.processes.inheritance import Inheritance
from server.processes.share import Share
from server.serve import serve_calls, tell_program
from server.stopping import Stop


async def _work(config: Config, given: Inheritance) -> None:
    configure_logging(config.log.level, personal=config.log.personal, process=given.number)
    stop = Stop.on_signals()
    share = Share.open(given)
    share.wire.on_parent_gone = stop.ask_at_once
    assert config.database.url is not None
    url = config.database.url.get_secret_value()
    await serve_calls(config, url, stop, tell=tell_program, share=share)


def main() -> None:
    """Serve until stopped; what is wrong with the configuration is one line, status 2."""
    given = Inheritance.from_json(sys.argv[1])
    try:
        asyncio.run(_work(load_config(), given))
    except Exception as error:
        line = one_line(error)
        if line is None:
            raise
        print(f"frontdesk: {line}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
