"""What the suite's callers do: answers, noises over prompts, and the calls these make up.

A call is a plan: what to answer to each prompt of the orders flow, what to put over its long
prompts, in which voice, surroundings and network. Everything random comes from the plan's seed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final

import numpy as np

from loadtest.impair import Impairment
from loadtest.pcm import Pcm
from loadtest.speech import VoiceSettings
from loadtest.turns.prompts import Prompt
from loadtest.turns.sounds import breath, cough, pause, words


class Kind(StrEnum):
    """What is measured by something the caller does; the value is its label in the table."""

    REQUEST = "request"  # a whole sentence
    DIGITS = "digits at once"
    DIGIT_GROUPS = "digits in groups"  # a pause for thought between them
    LEAD_IN = "my order number is …"  # a pause before the digits
    ADDRESS = "address at once"
    ADDRESS_PAUSES = "address with pauses"
    YES_NO = "yes or no"
    KEYS = "keys"
    INTERRUPTION = "interruption"  # words over a prompt
    DOUBLE_TALK = "double talk"  # words over a prompt while its echo comes back
    BACKCHANNEL = "mm-hm, okay"
    NOISE = "cough, breath"
    ECHO = "echo of the prompt"  # nobody speaks over it


class Condition(StrEnum):
    """The caller's surroundings and network."""

    CLEAN = "clean"
    NOISE_20 = "noise at 20 dB"
    NOISE_10 = "noise at 10 dB"
    ECHO = "echo at -12 dB"  # frontdesk's own voice comes back
    NETWORK = "loss and jitter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """Something a caller does in one go; `pieces` are words, seconds of pause, or sounds."""

    kind: Kind
    pieces: tuple[str | float | Pcm, ...] = ()
    keys: str = ""  # DTMF instead of sound

    @property
    def text(self) -> str:
        """The words."""
        return " ".join(piece for piece in self.pieces if isinstance(piece, str))

    def render(self, voice: VoiceSettings) -> Pcm:
        """The sound, beginning and ending with sound; empty for keys.

        Raises:
            VoiceError: `voice` is unknown or cannot say a piece.
        """
        return np.concatenate([np.zeros(0, np.int16), *(_sound(p, voice) for p in self.pieces)])


def _sound(piece: str | float | Pcm, voice: VoiceSettings) -> Pcm:
    if isinstance(piece, str):
        return words(piece, voice)
    if isinstance(piece, int | float):
        return pause(piece)
    return piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Something the caller does while a long prompt sounds."""

    utterance: Utterance
    after_s: float  # from the first sound of the prompt
    takes_turn: bool  # words that want an answer; else the prompt is to go on


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    snr_db: float | None = None  # of the noise around the caller; None: quiet
    echo_db: float | None = None  # of frontdesk's voice in what the caller sends; None: none
    echo_delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One call."""

    name: str
    condition: Condition
    voice: VoiceSettings
    answers: Mapping[Prompt, Sequence[Utterance]]  # in turn, then again from the first
    keys: Mapping[Prompt, str]  # pressed when the same question comes again and again
    overlaps: Sequence[Overlap] = ()
    surroundings: Surroundings = field(default_factory=Surroundings)
    network: Impairment | None = None
    seed: int
    rounds: int  # the caller hangs up when it was asked "anything else?" so often


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
_OVERLAPS_A_CALL: Final = 9
_ECHO_DB: Final = -12.0


def plans(calls: int, seed: int) -> list[Plan]:
    """The calls of a run: all kinds in turn, each call with a voice and pauses of its own.

    The same numbers make the same calls.
    """
    return [_MAKERS[index % len(_MAKERS)](index, seed + index) for index in range(calls)]


def _answers(index: int, seed: int) -> Plan:
    return _change_address(index, seed, Condition.CLEAN, Surroundings())


def _noise(index: int, seed: int) -> Plan:
    loud = index // len(_MAKERS) % 2
    condition = Condition.NOISE_10 if loud else Condition.NOISE_20
    return _change_address(index, seed, condition, Surroundings(snr_db=10.0 if loud else 20.0))


def _network(index: int, seed: int) -> Plan:
    loss = (0.01, 0.03, 0.05)[index // len(_MAKERS) % 3]
    network = Impairment(loss=loss, delay_s=0.030, jitter_s=0.010, seed=seed)
    return _change_address(index, seed, Condition.NETWORK, Surroundings(), network)


def _change_address(
    index: int,
    seed: int,
    condition: Condition,
    surroundings: Surroundings,
    network: Impairment | None = None,
) -> Plan:
    """Rounds of changing an address, so that every question of the flow is answered."""
    random = Random(seed)
    numbers = [
        _digits(random, *_ORDERS[turn % 2][0:2], lead="my order number is") for turn in range(6)
    ]
    postcodes = [_digits(random, *_ORDERS[turn % 2][2:4], lead="it's") for turn in range(6)]
    again = "i want to change the address on another order"
    return Plan(
        name=f"{index:03d} {condition}",
        condition=condition,
        voice=VOICES[index % len(VOICES)],
        answers={
            Prompt.OPEN: [_request("i'd like to change my shipping address")],
            Prompt.ANYTHING_ELSE: [_request(again)],
            Prompt.ORDER_NUMBER: numbers,
            Prompt.POSTCODE: postcodes,
            Prompt.ADDRESS: [_address(random, *_ADDRESSES[turn % 3]) for turn in range(6)],
            Prompt.YES_NO: [_yes_no(word) for word in ("no", "yes", "yes", "no", "yes", "yes")],
        },
        keys=_keys(0),
        surroundings=surroundings,
        network=network,
        seed=seed,
        rounds=4,
    )


def _overlaps(index: int, seed: int) -> Plan:
    """Asks where an order is, again and again, over whose long answer it makes sounds."""
    random = Random(seed)
    makers = (_interruption, _backchannel, _interruption, _noise_burst)
    return _order_status(
        index,
        seed,
        Condition.CLEAN,
        overlaps=[makers[n % 4](random) for n in range(_OVERLAPS_A_CALL)],
    )


def _echo(index: int, seed: int) -> Plan:
    """The same with frontdesk's voice coming back, and nobody talking over it."""
    random = Random(seed)
    surroundings = Surroundings(echo_db=_ECHO_DB, echo_delay_s=random.uniform(0.05, 0.30))
    return _order_status(index, seed, Condition.ECHO, overlaps=(), surroundings=surroundings)


def _double_talk(index: int, seed: int) -> Plan:
    """Words over prompts whose echo comes back."""
    random = Random(seed)
    surroundings = Surroundings(echo_db=_ECHO_DB, echo_delay_s=random.uniform(0.05, 0.30))
    overlaps = [_interruption(random, Kind.DOUBLE_TALK) for _ in range(_OVERLAPS_A_CALL)]
    return _order_status(index, seed, Condition.ECHO, overlaps=overlaps, surroundings=surroundings)


def _order_status(
    index: int,
    seed: int,
    condition: Condition,
    *,
    overlaps: Sequence[Overlap],
    surroundings: Surroundings | None = None,
) -> Plan:
    order = _ORDERS[index % 2]
    where = _request("where is my order")
    return Plan(
        name=f"{index:03d} {condition}{' with overlaps' if overlaps else ''}",
        condition=condition,
        voice=VOICES[index % len(VOICES)],
        answers={
            Prompt.OPEN: [where],
            Prompt.ANYTHING_ELSE: [where],
            Prompt.ORDER_NUMBER: [Utterance(kind=Kind.KEYS, keys=order[4])],
            Prompt.POSTCODE: [Utterance(kind=Kind.KEYS, keys=order[5])],
            Prompt.ADDRESS: [_request("where is my order")],
            Prompt.YES_NO: [_yes_no("yes")],
        },
        keys=_keys(index),
        overlaps=overlaps,
        surroundings=surroundings or Surroundings(),
        seed=seed,
        rounds=9,
    )


def _keys(index: int) -> Mapping[Prompt, str]:
    *_, order, postcode = _ORDERS[index % len(_ORDERS)]
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


def _interruption(random: Random, kind: Kind = Kind.INTERRUPTION) -> Overlap:
    words_ = random.choice(("where is my order", "i want to know where my order is"))
    return _overlap(random, Utterance(kind=kind, pieces=(words_,)), takes_turn=True)


def _backchannel(random: Random) -> Overlap:
    word = random.choice(_BACKCHANNELS)
    return _overlap(random, Utterance(kind=Kind.BACKCHANNEL, pieces=(word,)))


def _noise_burst(random: Random) -> Overlap:
    make = random.choice((cough, cough, breath))
    return _overlap(random, Utterance(kind=Kind.NOISE, pieces=(make(random.randrange(1 << 30)),)))


def _overlap(random: Random, utterance: Utterance, *, takes_turn: bool = False) -> Overlap:
    # The shortest prompt talked over lasts 5.7 s: what is left of it shows whether it went on.
    return Overlap(utterance=utterance, after_s=random.uniform(0.8, 2.8), takes_turn=takes_turn)


_MAKERS: Final[tuple[Callable[[int, int], Plan], ...]] = (
    _answers,
    _overlaps,
    _echo,
    _noise,
    _network,
    _double_talk,
)
