"""What workers and the recogniser that they share tell each other on a Unix stream; pure.

A frame (server/framing.py) has the number of the utterance that it is about, and JSON, with a
question its audio as well. Both ends are on the same machine, so that seconds of the monotonic
clock mean the same to both.
"""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Final, TypeAlias

import numpy as np

from models.constraint import Kind as VocabularyKind
from models.constraint import Vocabulary
from models.errors import EngineError, SpeechOverloadedError
from models.request import Request
from models.speech import Word
from models.transcript import Hypothesis, Transcript
from server.framing import framed

_FACTS: Final = struct.Struct("!I")  # length of a question's JSON; its audio follows


class Kind(IntEnum):
    """The first octet."""

    ASKED = 0  # to the recogniser: what is said here?
    WITHDRAWN = 1  # to the recogniser: nobody wants to know any more
    HEARD = 2  # from it: this
    FAILED = 3  # from it: nothing, because
    STATE = 4  # from it, again and again: how long its line is
    LOOK = 5  # to it: show your metrics
    SHOWN = 6  # from it: these


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An utterance; the fields are the arguments of RecognitionPool.submit."""

    number: int
    request: Request
    deadline_s: float
    speculative: bool


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """See Kind."""

    number: int


@dataclass(frozen=True, slots=True)
class Heard:
    """See Kind."""

    number: int
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no transcript: one of those that the pool names."""

    number: int
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Of the line before the engine: what all workers wait in."""

    waiting: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class Look:
    """See Kind."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Metrics in Prometheus's text format."""

    exposition: str


Message: TypeAlias = Asked | Withdrawn | Heard | Failed | State | Look | Shown

_CAUSES: Final[Mapping[str, type[Exception]]] = {
    "overloaded": SpeechOverloadedError,
    "engine": EngineError,
    "request": ValueError,
}


def pack(message: Message) -> bytes:
    """A message as a frame.

    Raises:
        ValueError: it is too long.
    """
    match message:
        case Asked():
            kind, number, body = Kind.ASKED, message.number, _question(message)
        case Withdrawn(number=number):
            kind, body = Kind.WITHDRAWN, b""
        case Heard(number=number, transcript=transcript):
            kind, body = Kind.HEARD, _json(asdict(transcript))
        case Failed(number=number, error=error):
            kind, body = Kind.FAILED, _json({"cause": _cause(error), "message": str(error)})
        case State():
            kind, number, body = Kind.STATE, 0, _json(asdict(message))
        case Look():
            kind, number, body = Kind.LOOK, 0, b""
        case Shown(exposition=exposition):
            kind, number, body = Kind.SHOWN, 0, exposition.encode()
    return framed(kind, body, number=number)


def unpack(kind: int, number: int, body: bytes) -> Message:
    """What a frame says.

    Raises:
        ValueError: nothing that `pack` makes.
    """
    try:
        return _READ[Kind(kind)](number, body)
    except (KeyError, TypeError, AttributeError, struct.error) as error:
        raise ValueError(f"no message of ours: {error!r}") from error


def _question(asked: Asked) -> bytes:
    request = asked.request
    facts = _json(
        {
            "deadline_s": asked.deadline_s,
            "speculative": asked.speculative,
            "hint": request.hint,
            "words": request.words,
            "within": None if request.within is None else _vocabulary(request.within),
        }
    )
    return _FACTS.pack(len(facts)) + facts + request.pcm.astype("<i2", copy=False).tobytes()


def _vocabulary(within: Vocabulary) -> dict[str, Any]:
    return {
        "kind": within.kind.name,
        "words": sorted(within.words),
        "phrases": sorted(within.phrases),
        "figures": within.figures,
        "min_length": within.min_length,
        "max_length": within.max_length,
    }


def _asked(number: int, body: bytes) -> Asked:
    (length,) = _FACTS.unpack_from(body)
    audio = _FACTS.size + length
    facts = json.loads(body[_FACTS.size : audio])
    within = facts["within"]
    return Asked(
        number=number,
        request=Request(
            pcm=np.frombuffer(body, dtype="<i2", offset=audio).astype(np.int16),  # and aligned
            hint=facts["hint"],
            words=facts["words"],
            within=None if within is None else _allowed(within),
        ),
        deadline_s=facts["deadline_s"],
        speculative=facts["speculative"],
    )


def _allowed(within: dict[str, Any]) -> Vocabulary:
    return Vocabulary(
        kind=VocabularyKind[within["kind"]],
        words=frozenset(within["words"]),
        phrases=frozenset(within["phrases"]),
        figures=within["figures"],
        min_length=within["min_length"],
        max_length=within["max_length"],
    )


def _heard(number: int, body: bytes) -> Heard:
    found = json.loads(body)
    found["hypotheses"] = tuple(Hypothesis(**one) for one in found["hypotheses"])
    found["constrained"] = tuple(Hypothesis(**one) for one in found["constrained"])
    found["words"] = tuple(Word(**one) for one in found["words"])
    return Heard(number, Transcript(**found))


def _failed(number: int, body: bytes) -> Failed:
    found = json.loads(body)
    return Failed(number, _CAUSES[found["cause"]](found["message"]))


def _cause(error: Exception) -> str:
    return next((name for name, kind in _CAUSES.items() if isinstance(error, kind)), "engine")


def _json(facts: Mapping[str, Any]) -> bytes:
    # Scores may be NumPy's numbers, which are Python's for all that matters.
    return json.dumps(facts, separators=(",", ":"), default=float).encode()


_READ: Final[Mapping[Kind, Callable[[int, bytes], Message]]] = {
    Kind.ASKED: _asked,
    Kind.WITHDRAWN: lambda number, _: Withdrawn(number),
    Kind.HEARD: _heard,
    Kind.FAILED: _failed,
    Kind.STATE: lambda _, body: State(**json.loads(body)),
    Kind.LOOK: lambda _, body: Look(),
    Kind.SHOWN: lambda _, body: Shown(body.decode()),
}
