"""Time that passes only when told to."""

import asyncio
import heapq


class VirtualClock:
    """Seconds, and who waits for them."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    async def sleep(self, seconds: float) -> None:
        """Until so much time has passed."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._waiting, (self.now_s + seconds, self._count, future))
        await future

    def advance(self, seconds: float) -> None:
        """So much time passes; whoever waited for it goes on at the loop's next turn."""
        self.now_s += seconds
        while self._waiting and self._waiting[0][0] <= self.now_s + 1e-9:
            *_, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)
