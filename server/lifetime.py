"""Parts that live as long as the server does."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Protocol, TypeVar


class _Closable(Protocol):
    def close(self) -> None: ...


ClosableT = TypeVar("ClosableT", bound=_Closable)


async def background(
    parts: AsyncExitStack, work: Coroutine[object, object, None], name: str
) -> None:
    """Run `work` until the parts are closed."""
    task = asyncio.create_task(work, name=name)

    async def cancel() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    parts.push_async_callback(cancel)


def closing(parts: AsyncExitStack, part: ClosableT) -> ClosableT:
    """Close `part` when the parts are closed."""
    parts.callback(part.close)
    return part
