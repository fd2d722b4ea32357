"""The registrar: who may register, where their phones are, and for how long."""

import itertools
from collections.abc import Callable

import pytest

from telephony.sip.digest import Credentials, DigestClient, hash_password
from telephony.sip.errors import MalformedValueError
from telephony.sip.headers import Headers
from telephony.sip.message import Request, Response
from telephony.sip.registrar import Answer, Registrar
from telephony.sip.uri import parse_uri
from tests.fakes.sip_desk import Desk, statuses

PHONE = ("192.0.2.1", 5062)
CONTACT = "<sip:anna@192.0.2.1:5062>"
PASSWORDS = {"anna": "secret", "ben": "other"}


def kept(user: str, algorithm: str) -> str | None:
    password = PASSWORDS.get(user)
    return password and hash_password(algorithm, user, "desk", password)


def tokens(prefix: str) -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: f"{prefix}{next(numbers)}"


class World:
    """A registrar and a phone that knows how to register."""

    def __init__(self, *algorithms: str) -> None:
        self.now_s = 1000.0
        self.registrar = Registrar(
            realm="desk",
            secrets=kept,
            token=tokens("server"),
            algorithms=algorithms or ("SHA-256", "MD5"),
        )
        self.sequence = 0
        self.digest = self.client()

    def client(self, user: str = "anna", password: str = "secret") -> DigestClient:
        return DigestClient(Credentials(user=user, password=password), tokens("phone"))

    def request(self, *fields: tuple[str, str], user: str = "anna", call_id: str = "c") -> Request:
        self.sequence += 1
        own = [("To", f"<sip:{user}@desk>"), ("Call-ID", call_id)]
        own += [("CSeq", f"{self.sequence} REGISTER")]
        uri = parse_uri("sip:desk")
        return Request(method="REGISTER", uri=uri, headers=Headers([*own, *fields]))

    def send(self, request: Request, source: tuple[str, int] = PHONE) -> Answer:
        return self.registrar.serve(request, source, self.now_s)

    def register(
        self,
        *fields: tuple[str, str],
        user: str = "anna",
        digest: DigestClient | None = None,
        call_id: str = "c",
    ) -> Answer:
        """REGISTER as phones do: without credentials, and again as the challenge wants."""
        digest = digest or self.digest
        answer = self.send(digest.sign(self.request(*fields, user=user, call_id=call_id)))
        if answer.status != 401:
            return answer
        response = Response(status=401, reason="", headers=Headers(answer.fields))
        assert digest.challenged(response, 0)
        return self.send(digest.sign(self.request(*fields, user=user, call_id=call_id)))

    @property
    def contacts(self) -> list[str]:
        return [str(b.contact) for b in self.registrar.contacts("anna", self.now_s)]


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_phone_with_the_right_password_is_bound_to_where_it_is(algorithm: str):
    world = World(algorithm)
    answer = world.register(("Contact", CONTACT))
    assert (answer.status, answer.fields) == (200, (("Contact", f"{CONTACT};expires=300"),))
    (binding,) = world.registrar.contacts("anna", world.now_s)
    assert (str(binding.contact), binding.source) == ("sip:anna@192.0.2.1:5062", PHONE)
    assert world.registrar.users(world.now_s) == ("anna",)


def test_challenge_offers_the_better_algorithm_first(world: World):
    answer = world.send(world.request(("Contact", CONTACT)))
    assert answer.status == 401
    first, second = [value for _, value in answer.fields]
    assert ("SHA-256" in first, "MD5" in second, 'qop="auth"' in first) == (True, True, True)


@pytest.mark.parametrize(("user", "password"), [("anna", "wrong"), ("nobody", "secret")])
def test_wrong_password_and_unknown_user_are_told_the_same(world: World, user: str, password: str):
    answer = world.register(("Contact", CONTACT), user=user, digest=world.client(user, password))
    assert (answer.status, world.contacts) == (401, [])


def test_user_registers_nobody_but_themselves(world: World):
    answer = world.register(("Contact", CONTACT), digest=world.client("ben", "other"))
    assert (answer.status, world.contacts) == (403, [])


def test_registration_lapses(world: World):
    world.register(("Contact", CONTACT), ("Expires", "60"))
    world.now_s += 59
    assert world.contacts == ["sip:anna@192.0.2.1:5062"]
    world.now_s += 2
    assert (world.contacts, world.registrar.users(world.now_s)) == ([], ())


def test_contacts_own_expiry_wins_over_the_fields_and_is_capped(world: World):
    answer = world.register(("Contact", f"{CONTACT};expires=99999"), ("Expires", "90"))
    assert answer.fields[0][1].endswith(";expires=3600")


def test_too_short_a_registration_is_told_the_shortest(world: World):
    answer = world.register(("Contact", CONTACT), ("Expires", "59"))
    assert (answer.status, answer.fields) == (423, (("Min-Expires", "60"),))


def test_phone_unregisters_itself_and_all(world: World):
    for port in (1, 2, 3):
        world.register(("Contact", f"<sip:anna@h:{port}>"))
    world.register(("Contact", "<sip:anna@h:2>;expires=0"))
    assert world.contacts == ["sip:anna@h:1", "sip:anna@h:3"]
    world.register(("Contact", "*"), ("Expires", "0"))
    assert world.contacts == []


@pytest.mark.parametrize(
    "fields", [(("Contact", "*"),), (("Contact", "*, <sip:a@h>"), ("Expires", "0"))]
)
def test_star_is_only_for_removing_all(world: World, fields: tuple[tuple[str, str], ...]):
    with pytest.raises(MalformedValueError):
        world.register(*fields)


def test_register_without_contact_asks_who_is_bound(world: World):
    world.register(("Contact", CONTACT))
    answer = world.register()
    assert (answer.status, answer.fields[0][1]) == (200, f"{CONTACT};expires=300")


def test_refreshed_contact_is_one(world: World):
    world.register(("Contact", CONTACT))
    world.now_s += 100
    world.register(("Contact", CONTACT))
    world.now_s += 250
    assert len(world.contacts) == 1


def test_user_has_so_many_phones_at_most(world: World):
    answers = [world.register(("Contact", f"<sip:a@h:{n}>"), call_id=str(n)) for n in range(1, 10)]
    assert [a.status for a in answers] == [200] * 8 + [403]
    assert len(world.contacts) == 8


def test_register_out_of_order_changes_nothing(world: World):
    world.register(("Contact", CONTACT))
    world.sequence = 0
    answer = world.register(("Contact", "*"), ("Expires", "0"))
    assert (answer.status, len(world.contacts)) == (500, 1)


def test_replayed_credentials_are_stale(world: World):
    world.register(("Contact", CONTACT))
    signed = world.digest.sign(world.request(("Contact", CONTACT)))
    assert world.send(signed).status == 200
    answer = world.send(signed)
    assert (answer.status, "stale=true" in answer.fields[0][1]) == (401, True)


def test_old_nonce_is_stale_and_a_fresh_one_goes_through(world: World):
    world.register(("Contact", CONTACT))
    world.now_s += 301
    answer = world.send(world.digest.sign(world.request(("Contact", CONTACT))))
    assert (answer.status, "stale=true" in answer.fields[0][1]) == (401, True)
    assert world.register(("Contact", CONTACT)).status == 200


def test_nonce_that_is_not_ours_is_stale(world: World):
    forged = 'Digest realm="desk", nonce="1.x.00", qop="auth", algorithm=MD5'
    response = Response(status=401, reason="", headers=Headers([("WWW-Authenticate", forged)]))
    assert world.digest.challenged(response, 0)
    answer = world.send(world.digest.sign(world.request(("Contact", CONTACT))))
    assert (answer.status, world.contacts) == (401, [])


def test_source_that_fails_too_often_is_barred_for_a_while(world: World):
    for _ in range(10):
        world.register(digest=world.client("anna", "guess"))
    assert world.register(("Contact", CONTACT)).status == 403
    elsewhere = world.request(("Contact", CONTACT))
    assert world.send(elsewhere, ("198.51.100.1", 1)).status == 401
    world.now_s += 61
    assert world.register(("Contact", CONTACT)).status == 200


def test_guesses_with_a_nonce_of_another_host_bar_nobody(world: World):
    elsewhere = ("198.51.100.1", 1)
    digest = world.client("anna", "guess")
    challenge = world.send(world.request(), elsewhere)
    assert digest.challenged(Response(status=401, reason="", headers=Headers(challenge.fields)), 0)
    for _ in range(20):
        answer = world.send(digest.sign(world.request()))
        assert (answer.status, "stale=true" in answer.fields[0][1]) == (401, True)
    assert world.register(("Contact", CONTACT)).status == 200


@pytest.mark.parametrize("text", ["Basic x", "Digest ,"])
def test_credentials_that_cannot_be_read_are_refused(world: World, text: str):
    with pytest.raises(MalformedValueError):
        world.send(world.request(("Authorization", text)))


def test_core_serves_register_only_with_a_registrar(world: World):
    desk = Desk(registrar=world.registrar)
    (response,) = desk.request("REGISTER")
    assert (response.status, len(response.headers.get_all("WWW-Authenticate"))) == (401, 2)
    assert statuses(desk.request("REGISTER", "Authorization: Basic x", number=2)) == [400]
    assert statuses(Desk().request("REGISTER")) == [405]
