"""Everything that can go wrong in a media stream.

MediaStreamError                  the carrier broke a rule; carries the close code that tells it so
├── MalformedMessageError         text that is no message of the dialect (1007)
├── UnexpectedMessageError        a message that has no place where it came (1002)
└── UnsupportedFormatError        audio of another kind than µ-law, 8 kHz, mono (1003)
"""

from typing import ClassVar


class MediaStreamError(Exception):
    """Base of all errors of this package.

    Attributes:
        close_code: with which a stream that cannot go on is closed, RFC 6455 §7.4.1.
    """

    close_code: ClassVar[int] = 1002


class MalformedMessageError(MediaStreamError):
    """No message of the dialect; in a running stream dropping it is all there is to do."""

    close_code = 1007


class UnexpectedMessageError(MediaStreamError):
    """A message out of its order."""


class UnsupportedFormatError(MediaStreamError):
    """Audio that we do not speak."""

    close_code = 1003
