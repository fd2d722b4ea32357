"""Everything that can go wrong in SIP.

SipError
├── LocalProtocolError            we misused the core: a bug of ours
└── RemoteProtocolError           the peer misbehaved; carries the status that tells it so
    ├── MalformedValueError       a header field or URI that breaks its grammar (400)
    ├── MalformedMessageError     bytes that are no SIP message
    │   ├── AnswerableMessageError    a request whose sender can be told
    │   └── UnanswerableMessageError  nothing to answer, or nobody: silence
    ├── MalformedSdpError         a body that is no session description (400)
    ├── NoCommonCodecError        a description with nothing we can speak (488)
    ├── RequestRefusedError       a request of ours was turned down, with this status
    └── DialogError               a request that does not fit its dialog (481, 491, 500)
"""

from collections.abc import Sequence


class SipError(Exception):
    """Base of all errors of this package."""


class LocalProtocolError(SipError):
    """The core was asked for something illegal in its state; nothing changed."""


class RemoteProtocolError(SipError):
    """The peer broke a rule.

    Attributes:
        status: the SIP status that answers it.
    """

    def __init__(self, explanation: str, *, status: int = 400) -> None:
        super().__init__(explanation)
        self.status = status


class MalformedValueError(RemoteProtocolError):
    """A header field, a URI or a part of one that breaks its grammar, or is missing."""


class MalformedMessageError(RemoteProtocolError):
    """These bytes are no SIP message."""


class AnswerableMessageError(MalformedMessageError):
    """A malformed request that says enough about its transaction to be refused.

    A sender matches a response by its Via and the method of its CSeq (RFC 3261 §17.1.3), so a
    request that has both gets an answer, with whatever else it carried copied as it stood.

    Attributes:
        status: 400, 501 or 505.
        fields: the header fields that were readable, canonical name and raw value.
    """

    def __init__(
        self, explanation: str, *, fields: Sequence[tuple[str, str]], status: int = 400
    ) -> None:
        super().__init__(explanation, status=status)
        self.fields = tuple(fields)


class UnanswerableMessageError(MalformedMessageError):
    """A malformed response, ACK, or fragment: it is dropped."""


class MalformedSdpError(RemoteProtocolError):
    """A session description that cannot be read, or an answer that does not fit its offer."""


class NoCommonCodecError(RemoteProtocolError):
    """No audio stream of the peer's description can be used."""

    def __init__(self, explanation: str) -> None:
        super().__init__(explanation, status=488)


class RequestRefusedError(RemoteProtocolError):
    """The far end turned down what we asked of it within a call; the call goes on.

    Attributes:
        status: what it was turned down with.
    """


class DialogError(RemoteProtocolError):
    """A request that its dialog must refuse.

    Attributes:
        status: 481, 491 or 500.
        retry_after_s: for a Retry-After field, or None.
    """

    def __init__(self, explanation: str, *, status: int, retry_after_s: int | None = None) -> None:
        super().__init__(explanation, status=status)
        self.retry_after_s = retry_after_s
