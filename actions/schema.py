"""Checks values against the part of JSON Schema that OpenAPI documents use; pure.

Violations name the place and the rule, never the value: a value may be a caller's.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

Schema: TypeAlias = Mapping[str, Any]

_DEPTH_LIMIT: Final = 32  # of nested schemas; a reference that leads to itself ends here

_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list | tuple),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
    "number": lambda value: _is_number(value),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def violations(value: Any, schema: Schema, document: Schema, *, place: str = "") -> list[str]:
    """What is wrong with `value`; empty when it conforms.

    Args:
        schema: the JSON Schema; `$ref` only into `document`.
        document: the OpenAPI document.
        place: what `value` is called in the messages.
    """
    return list(_Check(document).check(value, schema, place or "value", 0))


def resolve(schema: Schema, document: Schema) -> Schema:
    """Follow `$ref`s to the schema that is meant.

    Raises:
        LookupError: a reference leads nowhere, out of the document, or in a circle.
    """
    for _ in range(_DEPTH_LIMIT):
        reference = schema.get("$ref")
        if reference is None:
            return schema
        if not str(reference).startswith("#/"):
            raise LookupError(f"{reference}: only references into the document are followed")
        target: Any = document
        for part in str(reference)[2:].split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        schema = target
    raise LookupError("references in a circle")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Check:
    def __init__(self, document: Schema) -> None:
        self._document = document

    def check(self, value: Any, schema: Schema, place: str, depth: int) -> Sequence[str]:
        if depth > _DEPTH_LIMIT:
            return [f"{place} is nested too deeply"]
        schema = resolve(schema, self._document)
        wrong_type = _check_type(value, schema, place)
        if wrong_type:
            return wrong_type
        found = [
            *_check_choice(value, schema, place),
            *self._check_combined(value, schema, place, depth),
        ]
        if isinstance(value, str):
            found += _check_string(value, schema, place)
        elif _is_number(value):
            found += _check_number(value, schema, place)
        elif isinstance(value, Mapping):
            found += self._check_object(cast(Mapping[str, Any], value), schema, place, depth)
        elif isinstance(value, list | tuple):
            found += self._check_array(cast(Sequence[Any], value), schema, place, depth)
        return found

    def _check_combined(self, value: Any, schema: Schema, place: str, depth: int) -> list[str]:
        found: list[str] = []
        for part in schema.get("allOf", ()):
            found += self.check(value, part, place, depth + 1)
        for keyword in ("anyOf", "oneOf"):
            parts = schema.get(keyword)
            if parts is None:
                continue
            fitting = sum(not self.check(value, part, place, depth + 1) for part in parts)
            if fitting == 0 or (keyword == "oneOf" and fitting > 1):
                found.append(f"{place} fits {fitting} of its {keyword} alternatives")
        return found

    def _check_object(
        self, value: Mapping[str, Any], schema: Schema, place: str, depth: int
    ) -> list[str]:
        properties: Mapping[str, Schema] = schema.get("properties", {})
        found = [
            f"{place}.{name} is missing" for name in schema.get("required", ()) if name not in value
        ]
        extra: bool | Schema = schema.get("additionalProperties", True)
        for name, item in value.items():
            if name in properties:
                found += self.check(item, properties[name], f"{place}.{name}", depth + 1)
            elif extra is False:
                found.append(f"{place}.{name} is not known")
            elif isinstance(extra, Mapping):
                found += self.check(item, extra, f"{place}.{name}", depth + 1)
        return found

    def _check_array(
        self, value: Sequence[Any], schema: Schema, place: str, depth: int
    ) -> list[str]:
        found: list[str] = []
        if len(value) < schema.get("minItems", 0):
            found.append(f"{place} has too few items")
        if len(value) > schema.get("maxItems", len(value)):
            found.append(f"{place} has too many items")
        if "items" in schema:
            for index, item in enumerate(value):
                found += self.check(item, schema["items"], f"{place}[{index}]", depth + 1)
        return found


def _check_type(value: Any, schema: Schema, place: str) -> list[str]:
    names = schema.get("type")
    if names is None or (value is None and schema.get("nullable")):
        return []
    wanted = [names] if isinstance(names, str) else list(names)
    if any(name in _TYPES and _TYPES[name](value) for name in wanted):
        return []
    return [f"{place} is not of type {' or '.join(wanted)}"]


def _check_choice(value: Any, schema: Schema, place: str) -> list[str]:
    if "enum" in schema and value not in schema["enum"]:
        return [f"{place} is none of the allowed values"]
    if "const" in schema and value != schema["const"]:
        return [f"{place} is not the required value"]
    return []


def _check_string(value: str, schema: Schema, place: str) -> list[str]:
    found: list[str] = []
    if len(value) < schema.get("minLength", 0):
        found.append(f"{place} is too short")
    if len(value) > schema.get("maxLength", len(value)):
        found.append(f"{place} is too long")
    if "pattern" in schema and re.search(schema["pattern"], value) is None:
        found.append(f"{place} has the wrong form")
    return found


def _check_number(value: float, schema: Schema, place: str) -> list[str]:
    found: list[str] = []
    if value < schema.get("minimum", value) or value > schema.get("maximum", value):
        found.append(f"{place} is out of range")
    below = "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]
    if below or ("exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]):
        found.append(f"{place} is out of range")
    return found
