"""Conditions of a flow: what must hold of named values, all of them together."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from dialog.names import Lookup

Scalar: TypeAlias = str | int | float | bool | None


class Test(StrEnum):
    IS_ONE_OF = "is_one_of"  # the value is among the literals
    EQUALS = "equals"  # the value is that of another name
    PRESENT = "present"  # the value is known, and not null
    ABSENT = "absent"  # the value is not known, or null


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One test of the value of one name."""

    name: str
    test: Test
    literals: tuple[Scalar, ...] = ()
    other: str = ""

    def holds(self, lookup: Lookup) -> bool:
        value = lookup(self.name)
        match self.test:
            case Test.PRESENT:
                return value is not None
            case Test.ABSENT:
                return value is None
            case Test.EQUALS:
                other = lookup(self.other)
                return value is not None and other is not None and _alike(value, other)
            case Test.IS_ONE_OF:
                return any(_same(value, literal) for literal in self.literals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Holds when every clause does; an empty condition always holds."""

    clauses: tuple[Clause, ...] = ()

    def holds(self, lookup: Lookup) -> bool:
        return all(clause.holds(lookup) for clause in self.clauses)


def _same(value: Any, literal: Scalar) -> bool:
    # True equals 1 in Python; in a flow it must not.
    return isinstance(value, bool) is isinstance(literal, bool) and value == literal


def _alike(value: Any, other: Any) -> bool:
    """A back end may write a postcode with a space or as a number: neither is a difference."""
    return bool(_folded(value)) and _folded(value) == _folded(other)


def _folded(value: Any) -> str:
    return "".join(each for each in str(value).casefold() if each.isalnum())
