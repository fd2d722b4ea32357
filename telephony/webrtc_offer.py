"""Reading a browser's SDP offer before anything is opened for it (RFC 9429)."""

from typing import Final

from aiortc.sdp import MediaDescription, SessionDescription

from telephony.webrtc_audio import AudioCodec
from telephony.webrtc_errors import BadOfferError

_MAX_CHARS: Final = 32_768  # browsers send 2,000 to 8,000
_MAX_CANDIDATES: Final = 64  # each costs a check per address of ours

AIORTC_FAULTS: Final = (
    ValueError,
    LookupError,
    AssertionError,
    TypeError,
    AttributeError,
    StopIteration,
)
"""What aiortc raises for SDP that is none, or lacks what it takes for granted, as found by feeding
it such: StopIteration for a format's parameters without its rtpmap, AttributeError for a bundle
of which a part is missing."""


def agreed_codec(offer_sdp: str, preferred: AudioCodec) -> AudioCodec:
    """The codec to answer with: the preferred one if it is offered, else the other.

    Raises:
        BadOfferError: this is not an offer of one audio stream both ways that we can speak.
    """
    audio = _audio(_parse(offer_sdp))
    offered = {codec.mimeType.lower() for codec in audio.rtp.codecs}
    for codec in sorted(AudioCodec, key=lambda codec: codec is not preferred):
        if codec.value.lower() in offered:
            return codec
    raise BadOfferError("the offer has neither PCMU nor Opus")


def _parse(offer_sdp: str) -> SessionDescription:
    if len(offer_sdp) > _MAX_CHARS:
        raise BadOfferError(f"the offer is longer than {_MAX_CHARS} characters")
    try:
        description = SessionDescription.parse(offer_sdp)
    except AIORTC_FAULTS as error:
        raise BadOfferError(f"the offer is not SDP: {error or type(error).__name__}") from error
    candidates = sum(len(media.ice_candidates) for media in description.media)
    if candidates > _MAX_CANDIDATES:
        raise BadOfferError(f"the offer has {candidates} candidates, more than {_MAX_CANDIDATES}")
    return description


def _audio(description: SessionDescription) -> MediaDescription:
    kinds = sorted(media.kind for media in description.media)
    if kinds not in (["audio"], ["application", "audio"]):
        raise BadOfferError(
            "the offer must have one audio stream, and data channels at most beside it; it has: "
            + (", ".join(kinds) or "nothing")
        )
    [audio] = [media for media in description.media if media.kind == "audio"]
    if audio.direction != "sendrecv":
        raise BadOfferError(f"the audio must go both ways, not {audio.direction}")
    return audio
