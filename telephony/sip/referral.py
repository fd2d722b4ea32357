"""Referrals as the rest of frontdesk handles them: ours, and those the far end asks for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

from telephony.sip.commands import AcceptRefer, CallCommand, DeclineRefer, ReportRefer
from telephony.sip.errors import LocalProtocolError
from telephony.sip.outputs import ReferReceived
from telephony.sip.refer_to import header_fields, replaces_of, target_of
from telephony.sip.replaces import Replaces

MAX_NEWS: Final = 32  # statuses nobody has read yet; the oldest goes: a newer one says more


class Referral:
    """What becomes of a REFER of ours: iterate over the statuses as they come.

    The first is 202, or what refused the REFER; then follows what NOTIFYs report, up to a final
    one, which is the last: 408 when nothing more was heard in time, 481 when the call ended first.
    A final status below 200 means that the far end stopped telling.
    """

    def __init__(self) -> None:
        self._news: asyncio.Queue[tuple[int, bool]] = asyncio.Queue(MAX_NEWS)
        self._final: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def result(self) -> int:
        """Wait for the final status."""
        return await asyncio.shield(self._final)

    async def __aiter__(self) -> AsyncIterator[int]:
        while True:
            status, is_final = await self._news.get()
            yield status
            if is_final:
                return

    def note(self, status: int, *, is_final: bool) -> None:
        """For the call."""
        if self._news.full():
            self._news.get_nowait()
        self._news.put_nowait((status, is_final))
        if is_final and not self._final.done():
            self._final.set_result(status)


class ReferRequest:
    """The far end asks us to call somebody: accept and report, or decline, within 10 s.

    Attributes:
        target: whom to call, a URI without header fields.
        replaces: the call that the INVITE shall replace.
        user_to_user: what the INVITE shall carry in User-to-User, as it stands.
        referred_by: who asks, as stated.
    """

    def __init__(self, obey: Callable[[CallCommand], None], received: ReferReceived) -> None:
        """
        Raises:
            MalformedValueError: Refer-To asks for what cannot be done.
        """
        refer_to = received.refer_to
        fields = {name.lower(): value for name, value in header_fields(refer_to)}
        self.target = str(target_of(refer_to))
        self.replaces: Replaces | None = replaces_of(refer_to)
        self.user_to_user = fields.get("user-to-user")
        self.referred_by = received.referred_by
        self._obey = obey
        self._number = received.referral

    def accept(self) -> None:
        """Take it on: 202, and 100 is reported.

        Raises:
            LocalProtocolError: it was decided before, or the call has ended.
        """
        self._obey(AcceptRefer(referral=self._number))

    def decline(self, status: int = 603) -> None:
        """Refuse; does nothing when the call has ended.

        Raises:
            LocalProtocolError: the status is no refusal.
        """
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"not a refusal: {status}")
        with suppress(LocalProtocolError):
            self._obey(DeclineRefer(referral=self._number, status=status))

    def report(self, status: int) -> None:
        """Say what became of it, a final status last; does nothing when nobody listens."""
        with suppress(LocalProtocolError):
            self._obey(ReportRefer(referral=self._number, status=status))
