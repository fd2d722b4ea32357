"""What to say to an offer, and what an answer settles (RFC 3264), for one stream of G.711.

One audio stream is taken: the first over RTP/AVP with a codec of ours. Of its codecs the peer's
first choice wins, since both of ours cost and sound the same. All other streams are refused with
port 0, in their places, as the number of m= lines must not change.
"""

from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final, Literal

from telephony.sip.errors import MalformedSdpError, NoCommonCodecError
from telephony.sip.media import Direction, MediaAgreement
from telephony.sip.sdp import Attribute, MediaDescription, Origin, RtpMap, SessionDescription

__all__ = ["LocalMedia", "accept_answer", "answer_offer", "check_offer", "make_offer"]

PTIME_MS: Final = 20
EVENTS: Final = "0-16"  # RFC 4733 §3.2: the keys 0-9 * # A-D, and flash
OFFERED_EVENT_TYPE: Final = 101  # any dynamic type would do; this is the one everybody expects
_RATE_HZ: Final = 8_000
_PROTOCOL: Final = "RTP/AVP"
_UNSET_HOSTS: Final = ("0.0.0.0", "::")  # noqa: S104 - RFC 3264 §8.4: hold as RFC 2543 had it


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMedia:
    """Our end of the session: where we receive, and the edition of our description."""

    host: str
    port: int
    session_id: str  # decimal, constant for the call
    version: int = 1  # RFC 3264 §8: one more for each changed description
    direction: Direction = Direction.SENDRECV  # what we want, whatever the peer allows

    @property
    def next_version(self) -> "LocalMedia":
        return replace(self, version=self.version + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    index: int
    media: MediaDescription
    payload_type: int
    codec: Literal["PCMU", "PCMA"]
    event_payload_type: int | None


def check_offer(offer: SessionDescription) -> None:
    """See whether `answer_offer` would find something to agree on.

    Raises:
        NoCommonCodecError: it would not.
    """
    _choose(offer)


def answer_offer(
    offer: SessionDescription, local: LocalMedia
) -> tuple[MediaAgreement, SessionDescription]:
    """Agree with an offer.

    Returns:
        what is agreed, and the answer to send.

    Raises:
        NoCommonCodecError: no audio stream has a codec of ours.
    """
    choice = _choose(offer)
    agreement = _agreement(offer, choice, local.direction)
    media = tuple(
        _own_stream(choice, agreement.direction, local)
        if index == choice.index
        else _refused(other)
        for index, other in enumerate(offer.media)
    )
    return agreement, _description(local, media, times=offer.times or ("0 0",))


def make_offer(local: LocalMedia, last: SessionDescription | None = None) -> SessionDescription:
    """Our own offer, with all we can do.

    Args:
        last: our description before, whose other streams keep their places (RFC 3264 §8).
    """
    payload_types = ((0, "PCMU"), (8, "PCMA"), (OFFERED_EVENT_TYPE, "telephone-event"))
    attributes: list[Attribute] = [
        ("rtpmap", f"{payload_type} {name}/{_RATE_HZ}") for payload_type, name in payload_types
    ]
    attributes += [("fmtp", f"{OFFERED_EVENT_TYPE} {EVENTS}"), ("ptime", str(PTIME_MS))]
    media = MediaDescription(
        kind="audio",
        port=local.port,
        protocol=_PROTOCOL,
        formats=tuple(str(payload_type) for payload_type, _ in payload_types),
        attributes=(*attributes, (local.direction.value, None)),
    )
    streams = (media,) if last is None else _in_place(media, last.media)
    return _description(local, streams, times=("0 0",))


def accept_answer(offer: SessionDescription, answer: SessionDescription) -> MediaAgreement:
    """What the peer's answer to an offer of `make_offer` settles.

    Raises:
        MalformedSdpError: it does not fit the offer.
        NoCommonCodecError: it refuses the stream, or names no codec of the offer.
    """
    if len(answer.media) != len(offer.media):
        raise MalformedSdpError("the answer has another number of m= lines than the offer")
    choice = _choose(answer)
    return _agreement(answer, choice, offer.direction_of(offer.media[choice.index]))


def _choose(description: SessionDescription) -> _Choice:
    for index, media in enumerate(description.media):
        if not _is_usable(media, description.host_of(media)):
            continue
        for payload_type in media.payload_types():
            codec = _codec(media.rtp_map(payload_type))
            if codec is not None:
                return _Choice(
                    index=index,
                    media=media,
                    payload_type=payload_type,
                    codec=codec,
                    event_payload_type=_event_payload_type(media),
                )
    raise NoCommonCodecError("no audio stream with PCMU or PCMA over RTP/AVP")


def _is_usable(media: MediaDescription, host: str | None) -> bool:
    """Audio over plain RTP to an IP address: names are not resolved on the media path."""
    if media.kind != "audio" or media.protocol != _PROTOCOL or not media.port or host is None:
        return False
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _codec(rtp_map: RtpMap | None) -> Literal["PCMU", "PCMA"] | None:
    if rtp_map is None:
        return None
    if rtp_map.is_named("PCMU", _RATE_HZ):
        return "PCMU"
    return "PCMA" if rtp_map.is_named("PCMA", _RATE_HZ) else None


def _event_payload_type(media: MediaDescription) -> int | None:
    for payload_type in media.payload_types():
        rtp_map = media.rtp_map(payload_type)
        if rtp_map is not None and rtp_map.is_named("telephone-event", _RATE_HZ):
            return payload_type
    return None


def _agreement(theirs: SessionDescription, choice: _Choice, wanted: Direction) -> MediaAgreement:
    host = theirs.host_of(choice.media)
    assert host is not None  # _is_usable demands one
    direction = theirs.direction_of(choice.media).reversed.limited_to(wanted)
    if host in _UNSET_HOSTS:
        direction = direction.without_sending
    return MediaAgreement(
        remote_host=host,
        remote_port=choice.media.port,
        payload_type=choice.payload_type,
        codec=choice.codec,
        event_payload_type=choice.event_payload_type,
        direction=direction,
        ptime_ms=PTIME_MS,
    )


def _own_stream(choice: _Choice, direction: Direction, local: LocalMedia) -> MediaDescription:
    formats = [str(choice.payload_type)]
    attributes: list[Attribute] = [("rtpmap", f"{choice.payload_type} {choice.codec}/{_RATE_HZ}")]
    if choice.event_payload_type is not None:
        formats.append(str(choice.event_payload_type))
        attributes.append(("rtpmap", f"{choice.event_payload_type} telephone-event/{_RATE_HZ}"))
        attributes.append(("fmtp", f"{choice.event_payload_type} {EVENTS}"))
    attributes += [("ptime", str(PTIME_MS)), (direction.value, None)]
    return MediaDescription(
        kind="audio",
        port=local.port,
        protocol=_PROTOCOL,
        formats=tuple(formats),
        attributes=tuple(attributes),
    )


def _in_place(
    stream: MediaDescription, last: tuple[MediaDescription, ...]
) -> tuple[MediaDescription, ...]:
    return tuple(stream if media.port else media for media in last)


def _refused(media: MediaDescription) -> MediaDescription:
    return MediaDescription(kind=media.kind, port=0, protocol=media.protocol, formats=media.formats)


def _description(
    local: LocalMedia, media: tuple[MediaDescription, ...], *, times: tuple[str, ...]
) -> SessionDescription:
    return SessionDescription(
        origin=Origin(session_id=local.session_id, version=str(local.version), host=local.host),
        connection=local.host,
        times=times,
        media=media,
    )
