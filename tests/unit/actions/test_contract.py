"""Rules of the action catalogue."""

from typing import Any

import pytest

from actions.contract import DEFAULT_TIMEOUT_S, read_catalogue
from actions.errors import ContractError

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"version": "2.3.0"},
    "paths": {
        "/orders/{number}": {
            "parameters": [
                {"name": "number", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
            "get": {
                "operationId": "get_order",
                "parameters": [{"name": "detail", "in": "query", "schema": {"type": "boolean"}}],
            },
            "put": {
                "operationId": "putOrder",
                "x-frontdesk-action": {"name": "move_order", "timeout_s": 6},
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Move"}}
                    }
                },
            },
        },
        "/search": {"post": {"operationId": "search", "x-frontdesk-action": {"effect": False}}},
        "/internal": {"post": {"operationId": "purge", "x-frontdesk-action": False}},
        "/keys/{key}": {
            "get": {"operationId": "find", "x-frontdesk-settlement": "find"},
            "delete": {"operationId": "void", "x-frontdesk-settlement": "void"},
        },
    },
    "components": {
        "schemas": {
            "Move": {
                "type": "object",
                "required": ["address"],
                "additionalProperties": False,
                "properties": {"address": {"type": "string"}},
            }
        }
    },
}


UNUSABLE: list[dict[str, Any]] = [
    {},
    {"openapi": "2.0", "paths": {}},
    {"openapi": "3.0.0", "paths": {"/a": {"get": {"operationId": "a", "parameters": [{}]}}}},
    {
        "openapi": "3.0.0",
        "paths": {"/a": {"get": {"operationId": "a"}, "post": {"operationId": "a"}}},
    },
    {
        "openapi": "3.0.0",
        "paths": {
            "/a": {"get": {"operationId": "a", "x-frontdesk-action": {"timeout_s": 0}}},
        },
    },
    {
        "openapi": "3.0.0",
        "paths": {
            "/a": {"post": {"operationId": "a", "requestBody": {"$ref": "#/nowhere"}}},
        },
    },
]


def test_actions_are_the_operations_with_an_id_under_their_own_name() -> None:
    catalogue = read_catalogue(DOCUMENT)
    assert set(catalogue.actions) == {"get_order", "move_order", "search"}
    assert catalogue.version == "2.3.0"


def test_getting_is_read_only_and_the_rest_an_effect_unless_said_otherwise() -> None:
    actions = read_catalogue(DOCUMENT).actions
    assert [actions[name].read_only for name in ("get_order", "move_order", "search")] == [
        True,
        False,
        True,
    ]


def test_budgets_are_the_default_unless_stated() -> None:
    actions = read_catalogue(DOCUMENT).actions
    assert actions["get_order"].timeout_s == DEFAULT_TIMEOUT_S
    assert actions["move_order"].timeout_s == 6


def test_arguments_go_where_the_document_says() -> None:
    actions = read_catalogue(DOCUMENT).actions
    call = actions["move_order"].http_call({"number": "48/15 ?", "address": "7 Cedar Lane"})
    assert (call.method, call.path) == ("PUT", "/orders/48%2F15%20%3F")
    assert call.body == {"address": "7 Cedar Lane"}
    look_up = actions["get_order"].http_call({"number": "1", "detail": True})
    assert (look_up.query, look_up.body) == ({"detail": "true"}, None)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("get_order", {}, "number is missing"),
        ("get_order", {"number": 4815}, "number is not of type string"),
        ("get_order", {"number": "1", "colour": 1}, "colour is not known"),
        ("get_order", {"number": ".."}, "number cannot be part of a path"),
        ("move_order", {"number": "1"}, "arguments.address is missing"),
        ("search", {"x": 1}, "x is not known"),
    ],
)
def test_wrong_arguments_are_named(name: str, arguments: dict[str, Any], expected: str) -> None:
    assert read_catalogue(DOCUMENT).actions[name].violations(arguments) == [expected]


def test_right_arguments_pass() -> None:
    action = read_catalogue(DOCUMENT).actions["move_order"]
    assert action.violations({"number": "1", "address": "x"}) == []


def test_settlement_operations_take_the_key_in_their_path() -> None:
    catalogue = read_catalogue(DOCUMENT)
    assert catalogue.find is not None
    assert catalogue.void is not None
    assert catalogue.find.path_for("call:1/2:0") == "/keys/call%3A1%2F2%3A0"
    assert catalogue.void.method == "DELETE"


@pytest.mark.parametrize("document", UNUSABLE)
def test_unusable_documents_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        read_catalogue(document)
