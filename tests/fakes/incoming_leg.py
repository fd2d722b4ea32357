"""A call that comes in and is answered at once."""

from telephony.leg import CallerInfo
from tests.fakes.voice import FakeLeg


class FakeIncomingLeg(FakeLeg):
    info = CallerInfo(
        call_id="c1", caller="+15550100", callee="desk", transport="sip/udp", peer="127.0.0.1:5060"
    )

    def __init__(self) -> None:
        super().__init__()
        self.rejected: list[int] = []

    async def answer(self) -> None:
        """Up at once."""

    async def reject(self, status: int, *, retry_after_s: int | None = None) -> None:
        self.rejected.append(status)
