"""YAML whose every value knows its line, so that an author's mistake is shown where it was made.

Scalars follow YAML 1.2: only true and false are booleans (`on`, `yes` and `no` are words, as flows
use them), and a date is text.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NoReturn, TypeAlias, cast

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Scalar: TypeAlias = str | int | float | bool | None

_NUMBER: Final = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)")
_LITERALS: Final[dict[str, bool | None]] = {
    **{"true": True, "false": False, "null": None, "~": None, "": None}
}


class FlowError(Exception):
    """A flow cannot be used. The message is `FILE:LINE: what is wrong; what to do`."""


class Located:
    """A value of a YAML document, and where it stands."""

    def __init__(self, node: Node, file: str) -> None:
        self._node = node
        self.file = file

    @property
    def line(self) -> int:
        return self._node.start_mark.line + 1

    def fail(self, message: str) -> NoReturn:
        """Refuse this value.

        Raises:
            FlowError: always, with the file and the line.
        """
        raise FlowError(f"{self.file}:{self.line}: {message}")

    # --- shapes -----------------------------------------------------------------------------------

    @property
    def is_mapping(self) -> bool:
        return isinstance(self._node, MappingNode)

    @property
    def is_list(self) -> bool:
        return isinstance(self._node, SequenceNode)

    def items(self) -> Iterator[tuple["Located", "Located"]]:
        """The (key, value) pairs of a mapping, in order."""
        if not isinstance(self._node, MappingNode):
            self.fail("a mapping of names to values belongs here")
        seen: dict[str, int] = {}
        for key, value in self._node.value:
            name = Located(key, self.file)
            if (text := name.text()) in seen:
                name.fail(f"'{text}' is here twice, first in line {seen[text]}; remove one")
            seen[text] = name.line
            yield name, Located(value, self.file)

    def section(self, what: str, known: Iterable[str], required: Iterable[str] = ()) -> "Section":
        """A mapping with fixed keys; `what` names it in messages.

        Raises:
            FlowError: a key is unknown or a required one missing.
        """
        known = list(known)
        found: dict[str, Located] = {}
        for key, value in self.items():
            if key.text() not in known:
                key.fail(unknown(f"'{key.text()}' is not a key of {what}", key.text(), known))
            found[key.text()] = value
        for name in required:
            if name not in found:
                self.fail(f"{what} has no '{name}'; add it")
        return Section(self, found)

    def list(self) -> Iterator["Located"]:
        if not isinstance(self._node, SequenceNode):
            self.fail("a list belongs here: one item per line, each after '- '")
        for each in self._node.value:
            yield Located(each, self.file)

    # --- scalars ----------------------------------------------------------------------------------

    def scalar(self) -> Scalar:
        if not isinstance(self._node, ScalarNode):
            self.fail("a single value belongs here")
        text: str = self._node.value
        if self._node.style is not None:  # quoted or folded: text, whatever it looks like
            return text
        if text in _LITERALS:
            return _LITERALS[text]
        if _NUMBER.fullmatch(text):
            return float(text) if "." in text else int(text)
        return text

    def text(self) -> str:
        """The value as text, which must not be empty."""
        if not isinstance(self._node, ScalarNode):
            self.fail("a text belongs here")
        text = " ".join(str(self._node.value).split())
        if not text:
            self.fail("a text belongs here, but it is empty")
        return text

    def texts(self) -> tuple[str, ...]:
        """A list of texts, or one text for a list of one."""
        if self.is_list:
            return tuple(each.text() for each in self.list())
        return (self.text(),)

    def integer(self, low: int, high: int) -> int:
        value = self.scalar()
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.fail(f"a whole number from {low} to {high} belongs here, not '{value}'")
        return value

    def number(self, low: float, high: float) -> float:
        value = self.scalar()
        if isinstance(value, str | bool | None) or not low <= value <= high:
            self.fail(f"a number from {low} to {high} belongs here, not '{value}'")
        return float(value)

    def flag(self) -> bool:
        value = self.scalar()
        if not isinstance(value, bool):
            self.fail(f"true or false belongs here, not '{value}'")
        return value

    def one_of(self, what: str, known: Iterable[str]) -> str:
        """A text that must be among `known`."""
        known = list(known)
        text = self.text()
        if text not in known:
            self.fail(unknown(f"{what} '{text}' is not defined", text, known))
        return text

    def value(self) -> Any:
        """The value as plain Python data, in depth."""
        if self.is_mapping:
            return {key.text(): each.value() for key, each in self.items()}
        if self.is_list:
            return [each.value() for each in self.list()]
        return self.scalar()


class Section:
    """A mapping whose keys were checked."""

    def __init__(self, at: Located, values: dict[str, Located]) -> None:
        self.at = at
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> Located:
        return self._values[name]

    def get(self, name: str) -> Located | None:
        return self._values.get(name)

    def text(self, name: str, otherwise: str = "") -> str:
        return self._values[name].text() if name in self._values else otherwise

    def texts(self, name: str) -> tuple[str, ...]:
        return self._values[name].texts() if name in self._values else ()


def read(text: str, file: str) -> Located:
    """Parse one YAML document.

    Raises:
        FlowError: it is not YAML, or empty.
    """
    try:
        node = cast(Node | None, yaml.compose(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FlowError(f"{file}:{line}: this is not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise FlowError(f"{file}:1: this is not YAML: {error}") from error
    if node is None:
        raise FlowError(f"{file}:1: the file is empty; a flow begins with 'name:'")
    return Located(node, file)


def unknown(message: str, text: str, known: Iterable[str]) -> str:
    """A message about an unknown word, with the fix: the nearest known one, or all of them."""
    known = sorted(known)
    if near := difflib.get_close_matches(text, known, n=1):
        return f"{message}; did you mean '{near[0]}'?"
    if not known:
        return f"{message}, and none are; define it"
    return f"{message}; it can be {', '.join(known)}"
