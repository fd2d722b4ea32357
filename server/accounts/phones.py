"""The passwords of agents' SIP phones, at hand for the registrar, which cannot wait for a database.

They are read again every few seconds: a phone that is taken away stops being let in about then, and
while the database is away those that were known are still let in.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from server.accounts.administration import Phone
from server.records.errors import RecordsUnavailableError

log = logging.getLogger(__name__)

_EVERY_S: Final = 5.0


class PhoneList(Protocol):
    async def phones(self, extension: str | None = None) -> Sequence[Phone]: ...


class AgentPhones:
    """Implements telephony.sip.registrar.Secrets; `run` keeps it fresh."""

    def __init__(self, accounts: PhoneList) -> None:
        self._accounts = accounts
        self._known: Mapping[str, Phone] = {}

    def __call__(self, user: str, algorithm: str) -> str | None:
        """H(user:realm:password) of the phone of that extension; None: there is none."""
        phone = self._known.get(user)
        return None if phone is None else phone.ha1.get(algorithm)

    async def refresh(self) -> None:
        """Read them again; what is known stays when the database does not answer."""
        try:
            phones = await self._accounts.phones()
        except RecordsUnavailableError as error:
            log.warning("agents' phones could not be read", extra={"cause": str(error)})
            return
        self._known = {phone.extension: phone for phone in phones}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(_EVERY_S)
