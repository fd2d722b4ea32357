"""Session descriptions, and what is agreed from an offer and an answer."""

from dataclasses import replace

import pytest

from telephony.sip.errors import MalformedSdpError, NoCommonCodecError
from telephony.sip.media import Direction, MediaAgreement
from telephony.sip.negotiation import Negotiation
from telephony.sip.offer_answer import LocalMedia, accept_answer, answer_offer, make_offer
from telephony.sip.sdp import SessionDescription, parse_sdp

HEAD = (
    "v=0",
    "o=alice 2890844526 2890844526 IN IP4 192.0.2.1",
    "s=-",
    "c=IN IP4 192.0.2.1",
    "t=0 0",
)
LOCAL = LocalMedia(host="198.51.100.1", port=4000, session_id="7")


def sdp(*lines: str, head: tuple[str, ...] = HEAD) -> SessionDescription:
    return parse_sdp(("\r\n".join([*head, *lines]) + "\r\n").encode())


def agree(*lines: str) -> MediaAgreement:
    return answer_offer(sdp(*lines), LOCAL)[0]


def answer_lines(*lines: str) -> list[str]:
    return str(answer_offer(sdp(*lines), LOCAL)[1]).split("\r\n")


def test_plain_offer_is_answered_with_its_codec_and_its_event_type():
    agreement, answer = answer_offer(
        sdp(
            "m=audio 49170 RTP/AVP 0 8 97",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:97 telephone-event/8000",
            "a=fmtp:97 0-15",
        ),
        LOCAL,
    )
    assert agreement == MediaAgreement(
        remote_host="192.0.2.1",
        remote_port=49170,
        payload_type=0,
        codec="PCMU",
        event_payload_type=97,
        direction=Direction.SENDRECV,
        ptime_ms=20,
    )
    assert str(answer) == (
        "v=0\r\no=- 7 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
        "m=audio 4000 RTP/AVP 0 97\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:97 telephone-event/8000\r\n"
        "a=fmtp:97 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    )


def test_callers_first_choice_among_our_codecs_wins():
    assert agree("m=audio 1 RTP/AVP 18 9 8 0").codec == "PCMA"
    assert agree("m=audio 1 RTP/AVP 0 8").codec == "PCMU"


def test_codec_under_a_dynamic_type_is_recognised_by_its_name():
    agreement = agree(
        "m=audio 1 RTP/AVP 96 97", "a=rtpmap:96 opus/48000/2", "a=rtpmap:97 pcma/8000"
    )
    assert (agreement.codec, agreement.payload_type) == ("PCMA", 97)


def test_static_type_that_an_rtpmap_redefines_is_not_g711():
    with pytest.raises(NoCommonCodecError):
        agree("m=audio 1 RTP/AVP 0", "a=rtpmap:0 L16/44100")


def test_events_at_another_rate_are_not_taken():
    lines = ("m=audio 1 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/48000")
    assert agree(*lines).event_payload_type is None


@pytest.mark.parametrize(
    "media",
    [
        "m=audio 1 RTP/AVP 18 9",
        "m=audio 0 RTP/AVP 0",
        "m=audio 1 RTP/SAVP 0",
        "m=video 1 RTP/AVP 0",
        "m=audio 1 RTP/AVP PCMU",
    ],
)
def test_offer_without_a_usable_stream_is_answered_488(media: str):
    with pytest.raises(NoCommonCodecError) as caught:
        agree(media)
    assert caught.value.status == 488


def test_stream_at_a_host_name_is_not_used():
    with pytest.raises(NoCommonCodecError):
        agree("m=audio 1 RTP/AVP 0", "c=IN IP4 media.example.com")


def test_other_streams_are_refused_in_their_places():
    lines = answer_lines(
        "m=video 3 RTP/AVP 31",
        "m=audio 1 RTP/SAVP 0",
        "m=audio 5 RTP/AVP 0",
        "m=application 9 UDP/BFCP *",
    )
    assert [line for line in lines if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 31",
        "m=audio 0 RTP/SAVP 0",
        "m=audio 4000 RTP/AVP 0",
        "m=application 0 UDP/BFCP *",
    ]


def test_streams_own_address_overrides_the_sessions():
    assert agree("m=audio 1 RTP/AVP 0", "c=IN IP6 2001:db8::1").remote_host == "2001:db8::1"


@pytest.mark.parametrize(
    ("offered", "ours"),
    [
        ("sendrecv", Direction.SENDRECV),
        ("sendonly", Direction.RECVONLY),
        ("recvonly", Direction.SENDONLY),
        ("inactive", Direction.INACTIVE),
    ],
)
def test_direction_is_answered_from_the_other_side(offered: str, ours: Direction):
    assert agree("m=audio 1 RTP/AVP 0", f"a={offered}").direction is ours
    assert f"a={ours}" in answer_lines("m=audio 1 RTP/AVP 0", f"a={offered}")


def test_direction_of_the_session_holds_for_its_streams():
    assert agree("a=sendonly", "m=audio 1 RTP/AVP 0").direction is Direction.RECVONLY
    both = ("a=sendonly", "m=audio 1 RTP/AVP 0", "a=sendrecv")
    assert agree(*both).direction is Direction.SENDRECV


def test_old_style_hold_leaves_nowhere_to_send():
    assert agree("m=audio 1 RTP/AVP 0", "c=IN IP4 0.0.0.0").direction is Direction.RECVONLY
    lines = ("m=audio 1 RTP/AVP 0", "c=IN IP4 0.0.0.0", "a=recvonly")
    assert agree(*lines).direction is Direction.INACTIVE


def test_answer_to_our_offer_settles_the_call():
    offer = make_offer(LOCAL)
    answer = sdp("m=audio 6000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000", "a=recvonly")
    agreement = accept_answer(offer, answer)
    assert (agreement.codec, agreement.event_payload_type) == ("PCMA", 101)
    assert (agreement.remote_port, agreement.direction) == (6000, Direction.SENDONLY)


def test_answer_must_keep_the_number_of_streams():
    with pytest.raises(MalformedSdpError):
        accept_answer(make_offer(LOCAL), sdp("m=audio 1 RTP/AVP 0", "m=audio 2 RTP/AVP 0"))


def test_answer_that_refuses_the_stream_is_no_agreement():
    with pytest.raises(NoCommonCodecError):
        accept_answer(make_offer(LOCAL), sdp("m=audio 0 RTP/AVP 0"))


def test_our_own_offer_and_answer_agree_with_each_other():
    offer = make_offer(LOCAL)
    agreement, answer = answer_offer(offer, replace(LOCAL, host="198.51.100.2"))
    assert accept_answer(offer, answer) == replace(agreement, remote_host="198.51.100.2")


def test_version_counts_changes_and_only_those():
    negotiation = Negotiation("198.51.100.1", 4000, "7")
    normal = sdp("m=audio 1 RTP/AVP 0")
    held = sdp("m=audio 1 RTP/AVP 0", "a=sendonly")
    versions = [
        negotiation.answer(o)[1].origin.version for o in (normal, normal, held, held, normal)
    ]
    assert versions == ["1", "1", "2", "2", "3"]


def test_line_feeds_alone_are_accepted():
    text = "\n".join([*HEAD, "m=audio 1 RTP/AVP 0"]) + "\n"
    assert parse_sdp(text.encode()).media[0].port == 1


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("v=1",),
        ("v=0", "s=-", "t=0 0"),
        (*HEAD, "m=audio 99999 RTP/AVP 0"),
        (*HEAD, "m=audio x RTP/AVP 0"),
        (*HEAD, "m=audio 1 RTP/AVP"),
        (*HEAD, "m =audio 1 RTP/AVP 0"),
        (*HEAD, "nonsense"),
        (*HEAD, "m=audio 1 RTP/AVP 0", "c=IN IP5 x"),
        (*HEAD[:3], "m=audio 1 RTP/AVP 0"),
        (*HEAD, *["m=audio 1 RTP/AVP 0"] * 17),
    ],
)
def test_malformed_description_is_refused_with_400(lines: tuple[str, ...]):
    with pytest.raises(MalformedSdpError) as caught:
        sdp(head=lines)
    assert caught.value.status == 400
