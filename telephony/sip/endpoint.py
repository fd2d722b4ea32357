"""The SIP endpoint: a UDP socket and a clock around the sans-I/O core."""

from collections.abc import Callable
from dataclasses import dataclass

from telephony.sip.incoming_call import IncomingCall

__all__ = ["EndpointStatistics", "IncomingCall", "SipEndpoint"]


@dataclass(slots=True, kw_only=True)
class EndpointStatistics:
    """Counts since the endpoint opened."""

    received: int = 0  # datagrams
    malformed: int = 0  # datagrams that were no SIP message, answered or not
    retransmitted: int = 0  # messages we sent again because nothing came back
    offered: int = 0  # calls handed to on_call
    refused: int = 0  # INVITEs turned away because the server was full


class SipEndpoint:
    """Receives calls over UDP.

    Attributes:
        statistics: counts, live.
    """

    statistics: EndpointStatistics

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        *,
        on_call: Callable[[IncomingCall], None],
        advertised_host: str | None = None,
        user_agent: str = "frontdesk",
        allow_call: Callable[[], int | None] = lambda: None,
    ) -> "SipEndpoint":
        """Bind and start receiving calls.

        Args:
            host: address to bind; "0.0.0.0" for all.
            port: UDP port; 0 for any free one, see `local_address`.
            on_call: called on the event loop with each new call; it must set the call's callbacks
                and return at once (start a task for the rest). If it raises, the call gets 500.
            advertised_host: the address peers reach us at, when it is not the one they see in the
                routing table (behind NAT). None: the local address towards each peer.
            user_agent: the product name in Server and User-Agent fields.
            allow_call: asked before each new call: None admits it; a number refuses it with 503
                and that many seconds of Retry-After.

        Raises:
            OSError: the address cannot be bound.
        """
        raise NotImplementedError

    @property
    def local_address(self) -> tuple[str, int]:
        """The bound address."""
        raise NotImplementedError

    async def close(self, *, timeout_s: float = 2.0) -> None:
        """Refuse new calls, hang up the live ones, wait for them at most `timeout_s`, unbind.

        Idempotent.
        """
        raise NotImplementedError
