"""What can be wrong with a browser's wish to connect.

WebRtcError
├── BadOfferError       the browser's doing: what it offers cannot be answered
└── TooManyPeersError   ours: there is no room to try; later there is
"""


class WebRtcError(Exception):
    """A browser cannot be connected."""


class BadOfferError(WebRtcError):
    """The offer cannot be answered; the message says what is wrong with it."""


class TooManyPeersError(WebRtcError):
    """As many browsers as are allowed are connecting right now."""
