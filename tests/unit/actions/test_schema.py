"""Rules of the JSON Schema check."""

from typing import Any

import pytest

from actions.schema import resolve, violations

ADDRESS: dict[str, Any] = {
    "type": "object",
    "required": ["street"],
    "additionalProperties": False,
    "properties": {
        "street": {"type": "string", "minLength": 3, "maxLength": 10},
        "number": {"type": "integer", "minimum": 1, "exclusiveMaximum": 100},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "kind": {"enum": ["home", "work"]},
        "zip": {"anyOf": [{"type": "string", "pattern": "^[0-9]{5}$"}, {"type": "null"}]},
    },
}


@pytest.mark.parametrize(
    "value",
    [
        {"street": "Main"},
        {"street": "Main", "number": 99, "tags": ["a", "b"], "kind": "work", "zip": "90210"},
        {"street": "Main", "zip": None},
        {"street": "Main", "number": 4.0},
    ],
)
def test_conforming_values_have_no_violations(value: dict[str, Any]) -> None:
    assert violations(value, ADDRESS, {}) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, "arguments.street is missing"),
        ({"street": "ab"}, "arguments.street is too short"),
        ({"street": "a" * 11}, "arguments.street is too long"),
        ({"street": 7}, "arguments.street is not of type string"),
        ({"street": "Main", "number": 0}, "arguments.number is out of range"),
        ({"street": "Main", "number": 100}, "arguments.number is out of range"),
        ({"street": "Main", "number": True}, "arguments.number is not of type integer"),
        ({"street": "Main", "tags": ["a", 1]}, "arguments.tags[1] is not of type string"),
        ({"street": "Main", "tags": ["a", "b", "c"]}, "arguments.tags has too many items"),
        ({"street": "Main", "kind": "moon"}, "arguments.kind is none of the allowed values"),
        ({"street": "Main", "zip": "9021"}, "arguments.zip fits 0 of its anyOf alternatives"),
        ({"street": "Main", "colour": "red"}, "arguments.colour is not known"),
    ],
)
def test_each_broken_rule_is_named_with_its_place(value: dict[str, Any], expected: str) -> None:
    assert violations(value, ADDRESS, {}, place="arguments") == [expected]


def test_violations_never_quote_the_value() -> None:
    found = violations({"street": "secret street name"}, ADDRESS, {})
    assert found
    assert "secret" not in str(found)


def test_references_are_followed_into_the_document() -> None:
    document = {
        "components": {"schemas": {"A/B": {"$ref": "#/components/schemas/C"}, "C": ADDRESS}}
    }
    schema = {"$ref": "#/components/schemas/A~1B"}
    assert violations({}, schema, document, place="x") == ["x.street is missing"]


def test_references_in_a_circle_or_out_of_the_document_are_errors() -> None:
    document = {"a": {"$ref": "#/a"}}
    with pytest.raises(LookupError):
        resolve({"$ref": "#/a"}, document)
    with pytest.raises(LookupError):
        resolve({"$ref": "https://example.com/schema"}, document)


def test_a_schema_that_contains_itself_ends() -> None:
    document: dict[str, Any] = {"node": {"anyOf": [{"$ref": "#/node"}]}}
    assert violations(1, {"$ref": "#/node"}, document)
