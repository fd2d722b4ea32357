"""What the desk's tests share."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.fakes.desk_agent import DeskAgent


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Work that a test had no need of is done all the same."""
    yield
    loop = asyncio.new_event_loop()
    while DeskAgent.made:
        loop.run_until_complete(DeskAgent.made.pop().finish())
    loop.close()
