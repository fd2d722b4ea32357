"""The calls of a run, made from a seed: the same numbers make the same calls, sample by sample."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import Final

from loadtest.impair import Impairment
from loadtest.speech import VoiceSettings
from loadtest.turns.cases import Condition, Kind, Overlap, Plan, Surroundings, Utterance
from loadtest.turns.prompts import Prompt
from loadtest.turns.sounds import breath, cough, voice_behind


class Sort(StrEnum):
    """What a call is for."""

    ANSWERS = "answers"  # every question of the flow, with and without pauses for thought
    OVERLAPS = "overlaps"  # words and sounds over prompts
    ECHO = "echo"  # frontdesk's voice comes back, nobody talks over it
    NOISE = "noise"  # answers in a noisy room
    NETWORK = "network"  # answers over a bad network
    DOUBLE_TALK = "double talk"  # words over prompts whose echo comes back
    LOSSY_OVERLAPS = "lossy overlaps"  # words and sounds over prompts, over a bad network


# Voices unlike the server's own en-us, so that no caller sounds like frontdesk's echo.
VOICES: Final = (
    VoiceSettings(name="en-gb+m3", rate_wpm=160),
    VoiceSettings(name="en-gb+f2", rate_wpm=155),
    VoiceSettings(name="en-us+m7", rate_wpm=165),
    VoiceSettings(name="en-gb-x-rp", rate_wpm=170),
)

_ORDERS: Final = (  # two of the demo shop's that can be changed, with their postcodes
    ("four eight", "one five", "nine zero", "two one zero", "4815", "90210"),
    ("one six", "five nine", "seven three", "three zero one", "1659", "73301"),
)
_ADDRESSES: Final = (
    ("forty two", "oak street", "springfield"),
    ("seventeen", "mill road", "ashford"),
    ("nine", "park avenue", "boston"),
)
_BACKCHANNELS: Final = ("mm hm", "okay", "uh huh", "right", "yeah")
_ASIDES: Final = ("did you see the game last night", "dinner is almost ready", "where are my keys")
_NETWORKS: Final = (0.01, 0.03, 0.05)  # shares of packets lost
_SNRS_DB: Final = (20.0, 10.0)
_ECHO_DB: Final = -12.0
_ANSWER_ROUNDS: Final = 4  # addresses changed in a call: about two and a half minutes
_OVERLAPS_A_CALL: Final = 10
_ECHO_ROUNDS: Final = 18  # prompts are what counts: about three minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    """A call to be planned."""

    number: int  # in the run
    turn: int  # among the calls of its sort
    random: Random
    seed: int

    @property
    def voice(self) -> VoiceSettings:
        return VOICES[self.number % len(VOICES)]


def plans(calls: int, seed: int, only: Sort | None = None) -> list[Plan]:
    """The calls of a run, all sorts in turn unless `only` one is wanted.

    Raises:
        VoiceError: one of the voices is not there.
    """
    sorts = list(_MAKERS) if only is None else [only]
    made: list[Plan] = []
    for number in range(calls):
        slot = _Slot(
            number=number,
            turn=number // len(sorts),
            random=Random(seed + number),
            seed=seed + number,
        )
        made.append(_MAKERS[sorts[number % len(sorts)]](slot))
    return made


def _answers(slot: _Slot) -> Plan:
    return _change_address(slot, Condition.CLEAN, Surroundings())


def _noise(slot: _Slot) -> Plan:
    snr_db = _SNRS_DB[slot.turn % len(_SNRS_DB)]
    condition = Condition.NOISE_10 if snr_db == 10.0 else Condition.NOISE_20
    return _change_address(slot, condition, Surroundings(snr_db=snr_db))


def _network(slot: _Slot) -> Plan:
    return _change_address(slot, Condition.NETWORK, Surroundings(), _bad_network(slot))


def _bad_network(slot: _Slot) -> Impairment:
    loss = _NETWORKS[slot.turn % len(_NETWORKS)]
    return Impairment(loss=loss, delay_s=0.030, jitter_s=0.010, seed=slot.seed)


def _overlaps(slot: _Slot) -> Plan:
    overlaps = _mixed_overlaps(slot)
    return _order_status(slot, Condition.CLEAN, overlaps, Surroundings(), _OVERLAPS_A_CALL)


def _lossy_overlaps(slot: _Slot) -> Plan:
    overlaps, network = _mixed_overlaps(slot), _bad_network(slot)
    plan = _order_status(slot, Condition.NETWORK, overlaps, Surroundings(), _OVERLAPS_A_CALL)
    return replace(plan, network=network)


def _mixed_overlaps(slot: _Slot) -> list[Overlap]:
    makers = (_interruption, _backchannel, _interruption, _noise_burst, _aside)
    return [makers[n % len(makers)](slot) for n in range(_OVERLAPS_A_CALL)]


def _echo(slot: _Slot) -> Plan:
    return _order_status(slot, Condition.ECHO, (), _echoing(slot), _ECHO_ROUNDS)


def _double_talk(slot: _Slot) -> Plan:
    overlaps = [_interruption(slot, Kind.DOUBLE_TALK) for _ in range(_OVERLAPS_A_CALL)]
    return _order_status(slot, Condition.ECHO, overlaps, _echoing(slot), _OVERLAPS_A_CALL)


def _echoing(slot: _Slot) -> Surroundings:
    return Surroundings(echo_db=_ECHO_DB, echo_delay_s=slot.random.uniform(0.05, 0.30))


# --- the two errands ------------------------------------------------------------------------------


def _change_address(
    slot: _Slot,
    condition: Condition,
    surroundings: Surroundings,
    network: Impairment | None = None,
) -> Plan:
    """Rounds of changing an address, so that every question of the flow is answered."""
    orders = [_ORDERS[turn % len(_ORDERS)] for turn in range(6)]
    places = [_ADDRESSES[turn % len(_ADDRESSES)] for turn in range(6)]
    again = "i want to change the address on another order"
    return Plan(
        name=f"{slot.number:03d} {condition}",
        condition=condition,
        voice=slot.voice,
        answers={
            Prompt.OPEN: [_request("i'd like to change my shipping address")],
            Prompt.ANYTHING_ELSE: [_request(again)],
            Prompt.ORDER_NUMBER: [
                _digits(slot.random, *order[0:2], lead="my order number is") for order in orders
            ],
            Prompt.POSTCODE: [_digits(slot.random, *order[2:4], lead="it's") for order in orders],
            Prompt.ADDRESS: [_address(slot.random, *place) for place in places],
            Prompt.YES_NO: [_yes_no(word) for word in ("no", "yes", "yes", "no", "yes", "yes")],
        },
        keys=_keys(0),
        surroundings=surroundings,
        network=network,
        seed=slot.seed,
        rounds=_ANSWER_ROUNDS,
    )


def _order_status(
    slot: _Slot,
    condition: Condition,
    overlaps: Sequence[Overlap],
    surroundings: Surroundings,
    rounds: int,
) -> Plan:
    """Asks where an order is, again and again: the answer is long enough to talk over."""
    where = _request("where is my order")
    keys = _keys(slot.number)
    return Plan(
        name=f"{slot.number:03d} {condition}{' with overlaps' if overlaps else ''}",
        condition=condition,
        voice=slot.voice,
        answers={
            Prompt.OPEN: [where],
            Prompt.ANYTHING_ELSE: [where],
            Prompt.ORDER_NUMBER: [
                Utterance(kind=Kind.KEYS, keys=keys[Prompt.ORDER_NUMBER]),
            ],
            Prompt.POSTCODE: [Utterance(kind=Kind.KEYS, keys=keys[Prompt.POSTCODE])],
            Prompt.ADDRESS: [where],
            Prompt.YES_NO: [_yes_no("yes")],
        },
        keys=keys,
        overlaps=overlaps,
        surroundings=surroundings,
        seed=slot.seed,
        rounds=rounds,
    )


def _keys(number: int) -> Mapping[Prompt, str]:
    *_, order, postcode = _ORDERS[number % len(_ORDERS)]
    return {Prompt.ORDER_NUMBER: order, Prompt.POSTCODE: postcode, Prompt.YES_NO: "1"}


# --- utterances -----------------------------------------------------------------------------------


def _request(text: str) -> Utterance:
    return Utterance(kind=Kind.REQUEST, pieces=(text,))


def _yes_no(word: str) -> Utterance:
    return Utterance(kind=Kind.YES_NO, pieces=(word,))


def _digits(random: Random, first: str, second: str, *, lead: str) -> Utterance:
    """A number: at once, in groups with 300-700 ms between them, or after words that lead to it."""
    match random.choice((Kind.DIGITS, Kind.DIGIT_GROUPS, Kind.DIGIT_GROUPS, Kind.LEAD_IN)):
        case Kind.DIGITS:
            return Utterance(kind=Kind.DIGITS, pieces=(f"{first} {second}",))
        case Kind.DIGIT_GROUPS:
            thinking = random.uniform(0.3, 0.7)
            return Utterance(kind=Kind.DIGIT_GROUPS, pieces=(first, thinking, second))
        case _:
            thinking = random.uniform(0.5, 0.9)
            return Utterance(kind=Kind.LEAD_IN, pieces=(lead, thinking, f"{first} {second}"))


def _address(random: Random, number: str, street: str, town: str) -> Utterance:
    if random.random() < 0.4:
        return Utterance(kind=Kind.ADDRESS, pieces=(f"{number} {street} {town}",))
    first, second = random.uniform(0.3, 0.7), random.uniform(0.3, 0.7)
    return Utterance(kind=Kind.ADDRESS_PAUSES, pieces=(number, first, street, second, town))


# --- over prompts ---------------------------------------------------------------------------------


def _interruption(slot: _Slot, kind: Kind = Kind.INTERRUPTION) -> Overlap:
    text = slot.random.choice(("where is my order", "i want to know where my order is"))
    return _overlap(slot, Utterance(kind=kind, pieces=(text,)), takes_turn=True)


def _backchannel(slot: _Slot) -> Overlap:
    word = slot.random.choice(_BACKCHANNELS)
    return _overlap(slot, Utterance(kind=Kind.BACKCHANNEL, pieces=(word,)))


def _noise_burst(slot: _Slot) -> Overlap:
    make = slot.random.choice((cough, cough, breath))
    sound = make(slot.random.randrange(1 << 30))
    return _overlap(slot, Utterance(kind=Kind.NOISE, pieces=(sound,)))


def _aside(slot: _Slot) -> Overlap:
    """Somebody else in the room, not to us."""
    text, voice = slot.random.choice(_ASIDES), VOICES[(slot.number + 1) % len(VOICES)]
    sound = voice_behind(text, voice)
    return _overlap(slot, Utterance(kind=Kind.BACKGROUND, pieces=(sound,)))


def _overlap(slot: _Slot, utterance: Utterance, *, takes_turn: bool = False) -> Overlap:
    # The shortest prompt talked over lasts 5.7 s: what is left of it shows whether it went on.
    after_s = slot.random.uniform(0.8, 2.8)
    return Overlap(utterance=utterance, after_s=after_s, takes_turn=takes_turn)


_MAKERS: Final[Mapping[Sort, Callable[[_Slot], Plan]]] = {
    Sort.ANSWERS: _answers,
    Sort.OVERLAPS: _overlaps,
    Sort.ECHO: _echo,
    Sort.NOISE: _noise,
    Sort.NETWORK: _network,
    Sort.DOUBLE_TALK: _double_talk,
    Sort.LOSSY_OVERLAPS: _lossy_overlaps,
}
