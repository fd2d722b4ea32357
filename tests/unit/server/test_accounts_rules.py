"""Rules of accounts that need no database: rights, names, rests after attempts, passwords."""

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from server.accounts.errors import InvalidUserError
from server.accounts.passwords import Passwords
from server.accounts.rights import RIGHTS, USER_ROLES, Right, Role, may
from server.accounts.throttle import account, address, subjects
from server.accounts.users import MACHINE, User, UserFacts, checked_login
from server.config import ConfigError, load_config

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def test_every_role_has_a_line_in_the_table_and_every_right_a_holder() -> None:
    assert RIGHTS.keys() == set(Role)
    assert frozenset().union(*RIGHTS.values()) == set(Right)


def test_an_auditor_and_a_program_only_look() -> None:
    looks = {Right.SEE_CALLS, Right.HEAR_CALLS, Right.SEE_LIVE, Right.SEE_AUDIT}
    assert RIGHTS[Role.AUDITOR] <= looks
    assert RIGHTS[Role.MACHINE] <= looks


def test_only_an_admin_lets_people_in_and_an_admin_hears_nobody() -> None:
    assert [role for role in Role if may(role, Right.MANAGE_USERS)] == [Role.ADMIN]
    assert not may(Role.ADMIN, Right.HEAR_CALLS, Right.SUPERVISE, Right.TAKE_CALLS)


@pytest.mark.parametrize("role", USER_ROLES)
def test_who_is_shut_may_nothing(role: Role) -> None:
    user = User(id=MACHINE.id, login="x", name="X", role=role, active=False)
    assert not user.may(*Right)


def test_a_login_name_is_the_same_however_it_is_typed() -> None:
    assert checked_login("  Ann.Lee ") == checked_login("ａｎｎ.lee") == "ann.lee"


@pytest.mark.parametrize("login", ["", " ", "a b", "ä", "-a", "a\x00", "a" * 65, "a/b"])
def test_a_login_name_that_could_be_mistaken_is_refused(login: str) -> None:
    with pytest.raises(InvalidUserError):
        checked_login(login)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a\nb"},
        {"role": Role.MACHINE},
        {"skills": {"orders": 0}},
        {"skills": {"Big Orders": 1}},
        {"languages": ("english please",)},
        {"extension": "20 1"},
    ],
)
def test_a_user_that_cannot_be_kept_is_refused(wrong: dict[str, object]) -> None:
    fields: dict[str, object] = {"name": "Ann", "role": Role.AGENT, **wrong}
    with pytest.raises(InvalidUserError):
        UserFacts(**fields)  # pyright: ignore[reportArgumentType]


@given(failures=st.integers(0, 10_000))
def test_a_rest_never_gets_shorter_and_ends_within_a_quarter_of_an_hour(failures: int) -> None:
    for subject in subjects("ann", "192.0.2.1"):
        rest_s = subject.rest_s(failures)
        assert 0 <= rest_s <= subject.rest_s(failures + 1) <= 900
        assert (rest_s == 0) == (failures < subject.free)


def test_one_site_is_one_address_and_a_name_is_no_address() -> None:
    assert address("2001:db8::1").key == address("2001:db8::ffff").key
    assert address("2001:db8::1").key != address("2001:db8:0:1::1").key
    assert address("::ffff:192.0.2.1").key == address("192.0.2.1").key
    assert address("192.0.2.1").key != account("192.0.2.1").key


async def test_a_password_is_the_same_from_every_keyboard() -> None:
    passwords = Passwords(min_characters=12, hasher=CHEAP)
    kept = await passwords.hash("cafe\u0301 au lait", login="ann")
    assert (await passwords.check("caf\u00e9 au lait", kept)).right
    assert not (await passwords.check("cafe au lait", kept)).right


async def test_without_a_kept_password_none_is_right() -> None:
    passwords = Passwords(min_characters=12, hasher=CHEAP)
    assert not (await passwords.check("a password that nobody has", None)).right
    assert not (await passwords.check("x" * 100_000, "no hash of ours")).right


def test_parameters_of_the_past_ask_for_a_fresh_hash() -> None:
    hasher = PasswordHasher()
    assert hasher.check_needs_rehash(CHEAP.hash("x"))


def test_an_empty_token_opens_nothing_because_it_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"http\.token"):
        load_config(http={"token": ""})


@pytest.mark.parametrize(
    ("oidc", "key"),
    [
        ({"issuer": "http://login.example.com", "client_id": "x"}, "issuer"),
        ({"issuer": "https://login.example.com"}, "client_id"),
        ({"issuer": "https://login.example.com", "client_id": "x"}, "roles"),
    ],
)
def test_half_a_provider_is_refused_by_the_key_that_is_missing(
    oidc: dict[str, str], key: str
) -> None:
    with pytest.raises(ConfigError, match=rf"oidc\.{key}"):
        load_config(oidc=oidc)
