"""How an endpoint reaches the network where the SIP port belongs to another process."""

import asyncio
from typing import Protocol


class Wire(Protocol):
    """
    Attributes:
        call_id_prefix: what the Call-IDs of the endpoint's own calls must begin with, so that
            whoever has the port knows whose the answers are.
    """

    @property
    def call_id_prefix(self) -> str: ...

    def attach(self, protocol: asyncio.DatagramProtocol) -> None:
        """Make the connection, and give the protocol all datagrams that are for it."""
        ...
