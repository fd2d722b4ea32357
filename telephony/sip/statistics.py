"""What an endpoint counts."""

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class EndpointStatistics:
    """Counts since the endpoint opened."""

    received: int = 0  # datagrams
    sent: int = 0  # datagrams
    malformed: int = 0  # datagrams that were no SIP message, answered or not
    stray: int = 0  # responses and ACKs that belong to nothing
    absorbed: int = 0  # requests that came again, and were recognised and not served again
    retransmitted: int = 0  # messages we sent again because nothing came back
    offered: int = 0  # calls handed to on_call
    placed: int = 0  # calls of ours
    established: int = 0  # calls that got up, of either direction
    refused: int = 0  # INVITEs turned away because the server was full
