"""RTP: audio and keys over UDP.

packet, source, arrival, jitter, dtmf, plc and latch are machines without I/O; session binds them to
a socket, ports hands out the sockets' ports. What can go wrong:

    RtpError
    ├── PacketError          the peer sent what is no RTP packet; drop it
    ├── PortsExhaustedError  every port of the range is in use; refuse the call, it may be retried
    └── KeyNotSentError      the peer takes no telephone events, or too many keys are waiting
"""


class RtpError(Exception):
    """Base of everything telephony.rtp raises."""


class PacketError(RtpError):
    """A datagram or payload that breaks RFC 3550 or RFC 4733; dropping it is all there is to do."""


class PortsExhaustedError(RtpError):
    """No port is free: refuse the call with 503, another may end any second."""


class KeyNotSentError(RtpError):
    """A key that cannot be sent as a telephone event; nothing was sent of it."""
