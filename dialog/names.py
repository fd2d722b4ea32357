"""Named values: `order.eta` in a condition, `{order.eta|date}` in a text, `$address` in a value."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, Final, TypeAlias, cast

Lookup: TypeAlias = Callable[[str], Any]
"""From a dotted name to its value; None when it has none."""

Filter: TypeAlias = Callable[[str], str]

_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def dig(values: Mapping[str, Any], dotted: str) -> Any:
    """The value under `a.b` in nested mappings, or None."""
    found: Any = values
    for part in dotted.split("."):
        if not isinstance(found, Mapping):
            return None
        found = cast(Mapping[str, Any], found).get(part)
    return found


def spell(text: str) -> str:
    """Character by character, so that a voice reads digits and not a number: "4 8 1 5"."""
    return " ".join(each for each in text.upper() if not each.isspace())


def spoken_date(text: str) -> str:
    """An ISO date as it is said: "August 7"; anything else as it is."""
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        return text
    return f"{_MONTHS[day.month - 1]} {day.day}"


FILTERS: Final[Mapping[str, Filter]] = {"date": spoken_date, "spell": spell}


def fields_of(template: str) -> Iterator[tuple[str, str | None]]:
    """The (name, filter) of each {field}, in order."""
    for found in _FIELD.finditer(template):
        name, _, kind = found.group(1).partition("|")
        yield name.strip(), kind.strip() or None


def render(template: str, lookup: Lookup) -> str:
    """Fill in every {field}; one without a value is left out.

    `lookup` gives the spoken form. Unknown filters were refused when the flow was loaded.
    """

    def fill(found: re.Match[str]) -> str:
        name, _, kind = found.group(1).partition("|")
        value = lookup(name.strip())
        text = "" if value is None else str(value)
        return FILTERS[kind.strip()](text) if kind else text

    return " ".join(_FIELD.sub(fill, template).split())


def resolve(value: Any, lookup: Lookup) -> Any:
    """An argument: "$name" becomes that name's value as it is, the rest stays, in depth."""
    if isinstance(value, str) and value.startswith("$"):
        return lookup(value[1:])
    if isinstance(value, Mapping):
        mapping = cast(Mapping[str, Any], value)
        return {key: resolve(each, lookup) for key, each in mapping.items()}
    if isinstance(value, list):
        return [resolve(each, lookup) for each in cast(list[Any], value)]
    return value


def references_in(value: Any) -> Iterator[str]:
    """The names that `resolve` would look up."""
    if isinstance(value, str) and value.startswith("$"):
        yield value[1:]
    elif isinstance(value, Mapping):
        for each in cast(Mapping[str, Any], value).values():
            yield from references_in(each)
    elif isinstance(value, list):
        for each in cast(list[Any], value):
            yield from references_in(each)
