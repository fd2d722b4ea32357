"""Scenarios: what a simulated caller wants, listens for and says, from YAML.

name: change_address
voice: {name: en-gb+m3, rate_wpm: 160, pitch: 50}
timeout_s: 120                     # of the whole call
quiet_s: 0.45                      # this much quiet ends a prompt
not_understood: {says: repeat that please, times: 2, after_s: 3}
answers:                           # of those whose phrases were all heard, the one with the
  - hears: What is your name       # most phrases answers; among equals the best match
    says: Robin                    # or a list: the first time, the second time, …
  - hears: [Is that right, Robin]
    keys: "1#"                     # or silence_s: 5, noise_s: 4 (of a room, no words), or
                                   # hangup_s: 3 (waits that long for a BYE)
    limit: 2                       # times this answer may be used
    again: true                    # to be asked this is to be asked twice
    interrupts_after_s: 1.5        # into the prompt, once the phrases were heard
goal: [All done]                   # phrases that must have been heard for the call to succeed
wrong: {hears: Done for, unless: Done for Robin}  # said without the other: a wrong record
person: [A colleague will call]    # the frontdesk needed a person
"""

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from loadtest.errors import ScenarioError
from loadtest.fingerprint import THRESHOLD
from loadtest.rtp import is_key
from loadtest.speech import VoiceSettings

SHIPPED: Final = Path(__file__).parent / "scenarios"


@dataclass(frozen=True, slots=True, kw_only=True)
class Says:
    texts: tuple[str, ...]  # first time, second time, …; the last again from then on


@dataclass(frozen=True, slots=True, kw_only=True)
class Presses:
    keys: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StaysSilent:
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HangsUp:
    after_s: float  # the frontdesk may hang up first


@dataclass(frozen=True, slots=True, kw_only=True)
class MakesNoise:
    for_s: float

    @property
    def name(self) -> str:
        """What stands for the noise where texts are listed."""
        return f"[noise {self.for_s:g} s]"


Action: TypeAlias = Says | Presses | StaysSilent | MakesNoise | HangsUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    hears: tuple[str, ...]  # all of them
    action: Action
    limit: int | None = None
    interrupts_after_s: float | None = None
    again: bool = False  # this prompt repeats a question

    @property
    def natural_uses(self) -> float:
        """How often this prompt may be heard before it counts as asked twice."""
        match self.action:
            case Says(texts=texts):
                return 0 if self.again else len(texts)
            case Presses():
                return 0 if self.again else 1
            case _:
                return math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongWhen:
    """Words of the frontdesk that say a record is not what the caller asked for."""

    hears: str
    unless: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotUnderstood:
    """What the caller does about a prompt with no phrase it knows, or about silence."""

    says: str = "repeat that please"
    times: int = 2  # and then it hangs up
    after_s: float = 3.0  # more may be coming: a filler, then the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    name: str
    answers: tuple[Answer, ...]
    goal: tuple[str, ...]
    voice: VoiceSettings = field(default_factory=lambda: VoiceSettings(name="en-gb"))
    timeout_s: float = 120.0
    quiet_s: float = 0.45  # over the 0.33 s that the built-in voice pauses between sentences
    patience_s: float = 10.0  # without a sound from the frontdesk
    threshold: float = THRESHOLD
    not_understood: NotUnderstood = field(default_factory=NotUnderstood)
    wrong: WrongWhen | None = None
    person: tuple[str, ...] = ()  # any of these: the frontdesk did not do it by itself

    @property
    def phrases(self) -> tuple[str, ...]:
        """Everything the caller listens for, each once."""
        heard = (phrase for answer in self.answers for phrase in answer.hears)
        wrong = (self.wrong.hears, self.wrong.unless) if self.wrong else ()
        return tuple(dict.fromkeys([*heard, *self.goal, *wrong, *self.person]))

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything the caller may say, each once."""
        said = (text for a in self.answers if isinstance(a.action, Says) for text in a.action.texts)
        return tuple(dict.fromkeys([*said, self.not_understood.says]))

    @property
    def noises(self) -> tuple[MakesNoise, ...]:
        """Every noise the caller may make, each once."""
        made = (a.action for a in self.answers if isinstance(a.action, MakesNoise))
        return tuple(dict.fromkeys(made))


def find_scenario(name_or_path: str) -> Path:
    """A path as it is, or the shipped scenario of that name.

    Raises:
        ScenarioError: neither exists.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    shipped = SHIPPED / f"{name_or_path}.yaml"
    if path.name == name_or_path and shipped.is_file():
        return shipped
    names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
    raise ScenarioError(f"{name_or_path}: no such scenario; shipped are: {names}")


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario.

    Raises:
        ScenarioError: with `file:line:`, what is wrong, and what to write instead.
    """
    try:
        root = _compose(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ScenarioError(f"{path}:{line}: not YAML: {error.problem}") from error
    if root is None:
        raise ScenarioError(f"{path}:1: the file is empty")
    fields = _Fields(root, path, "the scenario")
    scenario = Scenario(
        name=fields.text("name", default=path.stem),
        voice=_voice(fields.mapping("voice")),
        timeout_s=fields.number("timeout_s", default=120.0, above=0),
        quiet_s=fields.number("quiet_s", default=0.45, above=0),
        patience_s=fields.number("patience_s", default=10.0, above=0),
        threshold=fields.number("threshold", default=THRESHOLD, above=0),
        not_understood=_not_understood(fields.mapping("not_understood")),
        answers=tuple(_answer(entry) for entry in fields.mappings("answers")),
        goal=fields.texts("goal"),
        wrong=_wrong(fields.mapping("wrong")),
        person=fields.texts("person") if fields.given("person") else (),
    )
    fields.refuse_others()
    return scenario


def _compose(text: str) -> yaml.Node | None:
    yaml_untyped: Any = yaml
    return yaml_untyped.compose(text, Loader=yaml.SafeLoader)


def _voice(fields: "_Fields | None") -> VoiceSettings:
    if fields is None:
        return VoiceSettings(name="en-gb")
    voice = VoiceSettings(
        name=fields.text("name", default="en-gb"),
        rate_wpm=int(fields.number("rate_wpm", default=165, above=0)),
        pitch=int(fields.number("pitch", default=50, above=-1)),
    )
    fields.refuse_others()
    return voice


def _not_understood(fields: "_Fields | None") -> NotUnderstood:
    if fields is None:
        return NotUnderstood()
    parsed = NotUnderstood(
        says=fields.text("says", default="repeat that please"),
        times=int(fields.number("times", default=2, above=-1)),
        after_s=fields.number("after_s", default=3.0, above=-1),
    )
    fields.refuse_others()
    return parsed


def _wrong(fields: "_Fields | None") -> WrongWhen | None:
    if fields is None:
        return None
    wrong = WrongWhen(hears=fields.text("hears"), unless=fields.text("unless"))
    fields.refuse_others()
    return wrong


def _answer(fields: "_Fields") -> Answer:
    limit = fields.number("limit", default=0, above=-1)
    interrupts = fields.number("interrupts_after_s", default=-1, above=-2)
    answer = Answer(
        hears=fields.texts("hears"),
        action=_action(fields),
        limit=int(limit) or None,
        interrupts_after_s=interrupts if interrupts >= 0 else None,
        again=fields.flag("again"),
    )
    fields.refuse_others()
    return answer


def _action(fields: "_Fields") -> Action:
    given = fields.given("says", "keys", "silence_s", "noise_s", "hangup_s")
    if len(given) != 1:
        problem = f"has {' and '.join(given)}" if given else "does nothing"
        raise fields.error(f"{problem}; write one of: says, keys, silence_s, noise_s, hangup_s")
    match given[0]:
        case "says":
            return Says(texts=fields.texts("says"))
        case "keys":
            keys = fields.text("keys")
            if bad := [key for key in keys if not is_key(key)]:
                raise fields.error(f"keys has {bad[0]!r}; keys are 0-9 * # A-D", at="keys")
            return Presses(keys=keys)
        case "silence_s":
            return StaysSilent(for_s=fields.number("silence_s", default=0, above=0))
        case "noise_s":
            return MakesNoise(for_s=fields.number("noise_s", default=0, above=0))
        case _:
            return HangsUp(after_s=fields.number("hangup_s", default=0, above=-1))


class _Fields:
    """One mapping of the file: typed access to its keys, errors that name the line."""

    def __init__(self, node: yaml.Node, path: Path, what: str) -> None:
        self._path = path
        self._node = node
        self._what = what
        self._asked: set[str] = set()
        if not isinstance(node, yaml.MappingNode):
            raise self.error("is not a mapping of keys to values")
        self._values: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if key.value in self._values:
                raise self._error_at(key, f"{what} has {key.value!r} twice")
            self._values[key.value] = value

    def error(self, problem: str, *, at: str | None = None) -> ScenarioError:
        """An error about this mapping, at one of its keys if given."""
        return self._error_at(self._values[at] if at else self._node, f"{self._what} {problem}")

    def _error_at(self, node: yaml.Node, message: str) -> ScenarioError:
        return ScenarioError(f"{self._path}:{node.start_mark.line + 1}: {message}")

    def given(self, *keys: str) -> list[str]:
        """Which of `keys` are there."""
        return [key for key in keys if key in self._values]

    def _scalar(self, key: str, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            raise self._error_at(node, f"{key} must be a text")
        return node.value.strip()

    def text(self, key: str, *, default: str | None = None) -> str:
        self._asked.add(key)
        if key in self._values:
            return self._scalar(key, self._values[key])
        if default is None:
            raise self.error(f"has no {key}")
        return default

    def texts(self, key: str) -> tuple[str, ...]:
        """One text or a list of them, at least one."""
        self._asked.add(key)
        if key not in self._values:
            raise self.error(f"has no {key}")
        node = self._values[key]
        entries = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if not entries:
            raise self._error_at(node, f"{key} is an empty list")
        return tuple(self._scalar(key, entry) for entry in entries)

    def number(self, key: str, *, default: float, above: float) -> float:
        self._asked.add(key)
        if key not in self._values:
            return default
        text = self._scalar(key, self._values[key])
        try:
            value = float(text)
        except ValueError as error:
            raise self._error_at(self._values[key], f"{key} is {text!r}, not a number") from error
        if not above < value < float("inf"):
            raise self._error_at(self._values[key], f"{key} is {text}; it must be above {above:g}")
        return value

    def flag(self, key: str) -> bool:
        """true or false; false when it is not there."""
        text = self.text(key, default="false").lower()
        if text not in {"true", "false"}:
            raise self.error(f"{key} is {text!r}; write true or false", at=key)
        return text == "true"

    def mapping(self, key: str) -> "_Fields | None":
        self._asked.add(key)
        node = self._values.get(key)
        return _Fields(node, self._path, key) if node is not None else None

    def mappings(self, key: str) -> "Iterable[_Fields]":
        """A list of mappings, at least one."""
        self._asked.add(key)
        node = self._values.get(key)
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self.error(f"needs {key}: a list with at least one entry")
        return [_Fields(entry, self._path, "an answer") for entry in node.value]

    def refuse_others(self) -> None:
        """Raise for the first key that nobody asked for."""
        for key, node in self._values.items():
            if key not in self._asked:
                close = difflib.get_close_matches(key, self._asked, n=1)
                hint = f"did you mean {close[0]}?" if close else f"known: {sorted(self._asked)}"
                raise self._error_at(node, f"{self._what} has an unknown key {key!r}; {hint}")
