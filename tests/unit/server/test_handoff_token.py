"""A hand-off's id comes back from the header it was sent in."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from server.handoff.handoff_token import handoff_id_in, user_to_user_of
from telephony.sip.user_to_user import UserToUser, parse_user_to_user


@given(st.uuids())
def test_id_survives_the_header(handoff_id: UUID) -> None:
    assert handoff_id_in(parse_user_to_user(str(user_to_user_of(handoff_id)))) == handoff_id


def test_header_is_hex_and_says_what_it_is() -> None:
    assert str(user_to_user_of(UUID(int=255))) == (
        "00000000000000000000000000000000ff;encoding=hex;purpose=isdn-uui;content=isdn-uui"
    )


def test_octets_that_are_no_id_are_not_ours() -> None:
    assert handoff_id_in(UserToUser(data=b"hello")) is None
    assert handoff_id_in(UserToUser(data=bytes(16))) == UUID(int=0)
