# ruff: noqa: SIM905 (a hundred words read better as a paragraph than as a list)
"""What callers say: the sentences that training speaks, and their share.

Three sources: templates of contact-center phrases with random slots (models/train/slots.py), the
examples written in flows, and sentences people typed to assistants and banks. Every template,
example and sentence is either for training or for evaluation, decided by its own hash, so that
the evaluation asks for phrases that were never trained on.
"""

import json
import random
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from models.train import phrases, slots
from models.train.slots import words_for

_HELD_OUT: Final = 10  # one template, example and sentence in so many is for evaluation

_SPOKEN: Final = re.compile(r"[a-z' ]+")
_LONGEST: Final = 14  # words: about 5 s


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence, lower case with numbers as words, and what kind it is."""

    kind: str
    text: str


def held_out(text: str) -> bool:
    """Whether a template or sentence is for evaluation only."""
    return zlib.crc32(text.encode()) % _HELD_OUT == 0


TEMPLATES: Final = (
    "i want to check my {object}|where is my {object}|i'd like to change my shipping address|"
    "change the address on my order|can you tell me the status of order {order}|"
    "my order number is {order}|the order number is {order}|it's order {order}|order {order}|"
    "order number {order} please|it's {digits}|that's {digits}|i need to speak to an agent|"
    "i want to talk to a human|can i speak with a real person|let me talk to someone in billing|"
    "could i speak to somebody please|put me through to an agent|talk to a person|"
    "i want to pay my bill|make a payment of {amount}|i want to pay {amount}|"
    "i was charged {amount}|the amount is {amount}|it was {amount}|cancel my {object}|"
    "i want to cancel my {object}|i want to return my {object}|i never received my {object}|"
    "my {object} hasn't arrived yet|i have a question about my {object}|what's my balance|"
    "how much do i owe|my name is {name}|this is {name}|it's {name} speaking|"
    "the name is {name}|my last name is {surname}|the new address is {address}|"
    "my address is {address}|i live at {address}|it's {address}|i moved to {address}|"
    "change it to {address}|send it to {address}|please deliver it to {address}|"
    "change the address to {address}|my date of birth is {date}|it was on {date}|"
    "i was born on {date}|my account number is {digits}|the account number is {digits}|"
    "my zip code is {zip}|the postcode is {zip}|the zip code is {zip}|zip code {zip}|"
    "my postcode is {zip}|it's {zip}|the last four digits are {four}|my pin is {four}|"
    "the code is {code}|my confirmation number is {code}|the reference is {code}|"
    "i forgot my password|reset my password|my internet is down|my internet is not working|"
    "the {object} is broken|the {object} arrived damaged|i was charged twice|"
    "there's a charge i don't recognize|why is my bill so high|i want to update my credit card|"
    "book an appointment for {date}|reschedule my appointment to {date}|can you do {weekday}|"
    "tomorrow morning|next {weekday}|on {weekday} afternoon|at {time}|{weekday} at {time}|"
    "how about {time}|i'm calling about my {object}|hi i'm calling about my {object}|"
    "i'd like a refund for order {order}|when will my {object} get here|"
    "when will order {order} arrive|where is order {order}|has order {order} shipped|"
    "what's the status of order {order}|i want to change the address on order {order}|"
    "is my {object} on the way|i want to close my account|i want to open a new account|"
    "transfer me to sales|do you have any {object} in stock|what are your hours|"
    "what time do you close|sorry i meant {digits}|no i said {digits}|no it's {digits}|"
    "actually make it {amount}|my phone number is {phone}|call me back at {phone}|"
    "you can reach me on {phone}|my number is {phone}|option {digit}|press {digit}|"
    "number {digit}|the {ordinal} one|i want to add a {object} to my order|remove the {object}|"
    "can you email me the {object}|please send me a new {object}|i lost my {object}|"
    "no not {digit} {digit}|the {object} was delivered on {date}|{count} {object}s please|"
    "i ordered {count} of them|there are {count} people|for {count} people on {weekday}|"
    "i need it by {weekday}|i called on {weekday} about my {object}"
).split("|")

YES_NO: Final = (
    "yes|yes|yes|yes|no|no|no|no|yeah|yeah|yep|yup|nope|nah|yes please|no thank you|no thanks|"
    "correct|that's right|that's wrong|that is correct|that's correct|that is right|"
    "that's not right|no that's wrong|no that's not right|yes that's right|yes that's correct|"
    "right|sure|sure thing|of course|certainly|absolutely|okay|ok|fine|exactly|incorrect|wrong|"
    "not at all|yes it is|no it isn't|no it is not|yes i do|no i don't|yes i did|no i didn't|"
    "please do|go ahead|sounds good|i think so|i don't think so|yes yes|no no|uh huh|"
    "affirmative|negative|that's it|perfect|great|definitely|definitely not|never|not really"
).split("|")

COMMANDS: Final = (
    "agent|agent|representative|operator|operator please|speak to an agent|human|a person|"
    "real person|customer service|repeat|repeat that|repeat that please|say that again|"
    "can you say that again|what did you say|pardon|sorry what|go back|back|start over|"
    "main menu|menu|help|help me|hold on|hold on a second|wait|wait a minute|one moment|stop|"
    "cancel|quit|goodbye|bye|bye bye|thank you|thanks|thanks that's all|that's all|"
    "that's all i need|nothing else|no that's all|hello|hello|hi|hi there|good morning|"
    "good afternoon|continue|next|skip|done|finished|change it|correct it|the first one|"
    "the second one|the last one|none|none of them|neither|i don't know|i'm not sure|"
    "i don't have it|i don't remember|let me check|just a moment|hang on|new address|"
    "order status|change my address|where is my order|track my order|call me back|callback|"
    "billing|sales|support|technical support|account|payments|delivery|returns|english|louder|"
    "slower please|speak up|what|nothing|something else|more options|both|all of them|maybe"
).split("|")

BACKCHANNELS: Final = (
    "mm hm|mm hm|mm hm|mm hmm|mm|hmm|hm|uh huh|uh huh|ah|oh|oh okay|oh i see|i see|okay|okay|ok|"
    "right|right okay|yeah|yeah okay|yep|sure|got it|all right|alright|fine|good|great|mm hm okay|"
    "uh huh yeah|okay sure|oh right|okay thanks|go on|makes sense|of course|i got it|okay okay"
).split("|")
"""What listeners say while we speak: to be told from words that want the turn."""

FILLERS: Final = ("um", "uh", "okay", "well", "so", "hey", "yes", "yeah", "no", "er", "oh")
CLOSERS: Final = ("please", "thanks", "thank you", "okay", "if that's okay")

_KINDS: Final[dict[str, Callable[[random.Random], str]]] = {
    "digits": slots.digits,
    "order": slots.order,
    "zip": slots.zip_code,
    "four": slots.four,
    "phone": slots.phone,
    "amount": slots.amount,
    "name": slots.name,
    "surname": slots.surname,
    "date": slots.date,
    "address": slots.address,
    "code": slots.code,
    "time": slots.time_of_day,
    "weekday": slots.weekday,
    "digit": slots.digit,
    "ordinal": slots.ordinal,
    "count": slots.count,
    "object": slots.thing,
    "street": slots.street,
    "city": slots.city,
    "letter": slots.letter,
    "spelled": slots.spelled,
}
_BARE: Final = ("digits", "digits", "digits", "order", "order", "zip", "zip", "phone")
_BARE_OTHER: Final = ("amount", "name", "date", "address", "address", "code", "time", "spelled")

SHARES: Final = (
    ("digits", 0.17),
    ("yes_no", 0.06),
    ("commands", 0.07),
    ("backchannel", 0.02),
    ("slot", 0.14),
    ("template", 0.14),
    ("composed", 0.20),
    ("flow", 0.07),
    ("sentence", 0.11),
    ("words", 0.02),
)
"""Of what training hears. Requests lead, since they vary most; digits are recorded too."""


_TALK: Final = ("template", "composed", "flow", "slot")  # what may have a filler around it


class Texts:
    """Sentences to speak, drawn at random.

    Args:
        flows: flow files; their intents' examples are spoken as they are.
        corpora: .jsonl files with a `text` in each line.
        evaluation: draw only what is held out of training; drawn else is only the rest.

    Raises:
        OSError, ValueError: a file is missing or malformed.
    """

    def __init__(
        self, flows: Sequence[Path], corpora: Sequence[Path], *, evaluation: bool = False
    ) -> None:
        self._evaluation = evaluation
        self._templates = _side(TEMPLATES, evaluation)
        flow = _side(flow_examples(flows), evaluation) or self._templates
        sentences = [s for path in corpora for s in sentences_of(path)]
        self._whole: dict[str, Sequence[str]] = {
            "yes_no": YES_NO,
            "commands": COMMANDS,
            "backchannel": BACKCHANNELS,
            "flow": flow,
            "sentence": _side(dict.fromkeys(sentences), evaluation) or self._templates,
        }
        self._words = sorted({w for s in sentences for w in s.split()} | set(slots.VOCABULARY))

    def draw(self, rng: random.Random, kind: str | None = None) -> Said:
        """One sentence, of that kind when one is named."""
        if kind is None:
            kinds = [name for name, _ in SHARES]
            kind = rng.choices(kinds, [share for _, share in SHARES])[0]
        text = self._text(rng, kind)
        if kind in _TALK and rng.random() < 0.15:
            text = f"{rng.choice(FILLERS)} {text}"
        if kind in _TALK and rng.random() < 0.08:
            text = f"{text} {rng.choice(CLOSERS)}"
        return Said(kind, text)

    def _text(self, rng: random.Random, kind: str) -> str:
        if kind in self._whole:
            return rng.choice(self._whole[kind])
        match kind:
            case "digits":
                return _KINDS[rng.choice(_BARE)](rng)
            case "slot":
                return _KINDS[rng.choice(_BARE_OTHER)](rng)
            case "words":
                return " ".join(rng.choice(self._words) for _ in range(rng.randint(1, 6)))
            case "template":
                return filled(rng.choice(self._templates), rng)
            case "composed":
                return filled(self.template(rng), rng)
            case _:
                raise ValueError(f"{kind!r} is no kind of text; there are {dict(SHARES)}")

    def template(self, rng: random.Random) -> str:
        """A composed request, its slots open, on this side of the evaluation."""
        while held_out(template := phrases.composed(rng)) is not self._evaluation:
            pass
        return template


def filled(template: str, rng: random.Random) -> str:
    """The template with something random in each of its slots."""
    return re.sub(r"\{(\w+)\}", lambda match: _KINDS[match[1]](rng), template)


def flow_examples(flows: Iterable[Path]) -> list[str]:
    """The examples of all intents in flow files, in order, each once."""
    found: dict[str, None] = {}
    for path in flows:
        flow: Any = yaml.safe_load(path.read_text())
        try:
            intents: list[Any] = list(flow["intents"].values())
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} has no intents") from error
        for intent in intents:
            found.update(dict.fromkeys(spoken(str(e)) for e in intent.get("examples", ())))
    return [text for text in found if text]


def sentences_of(path: Path) -> list[str]:
    """The sentences of a .jsonl corpus that can be spoken as they are."""
    found: list[str] = []
    for line in path.read_text().splitlines():
        record: Any = json.loads(line)
        text = spoken(str(record["text"])) if "text" in record else ""
        if text:
            found.append(text)
    return found


def spoken(text: str) -> str:
    """The sentence as it is said, lower case, numbers as words; empty when that is not clear."""
    plain = text.lower().replace("’", "'").replace("%", " percent").replace("&", " and ")
    plain = re.sub(r"\d+", lambda match: f" {words_for(int(match[0][:9]))} ", plain)
    plain = re.sub(r"[.,?!;:\"()-]", " ", plain)
    plain = " ".join(plain.split())
    good = _SPOKEN.fullmatch(plain) and len(plain.split()) <= _LONGEST
    return plain if good and len(plain) > 1 else ""


def _side(texts: Iterable[str], evaluation: bool) -> list[str]:
    return [text for text in texts if held_out(text) is evaluation]
