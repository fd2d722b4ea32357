"""The action catalogue: what a back end can do, read from its OpenAPI document; pure.

Each operation with an `operationId` is an action. An `x-frontdesk-action` mapping beside it may say

    name: change_address     the action's name; the operationId when left out
    effect: true             it changes something; GET and HEAD do not unless this says so
    timeout_s: 6             its whole budget, retries included; 4 when left out

and `x-frontdesk-action: false` leaves an operation out. Two operations serve the reconciler, marked
`x-frontdesk-settlement: find` (the stored answer of a key, 404 when it was never applied) and
`x-frontdesk-settlement: void` (the same, but the key can never be applied from then on); each takes
the idempotency key as its one path parameter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, cast
from urllib.parse import quote

from actions.errors import ContractError
from actions.schema import Schema, resolve, violations

DEFAULT_TIMEOUT_S: Final = 4.0  # a caller waits on the line, with one filler sentence

_METHODS: Final = ("get", "head", "post", "put", "patch", "delete")
_READING_METHODS: Final = ("get", "head")
_EXTENSION: Final = "x-frontdesk-action"
_SETTLEMENT: Final = "x-frontdesk-settlement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    name: str
    place: str  # path or query; headers are ours
    required: bool
    schema: Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """An action's request, all but the host and the headers."""

    method: str
    path: str  # percent-encoded
    query: Mapping[str, str]
    body: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One operation of the back end."""

    name: str
    method: str
    path: str  # with {parameters}
    read_only: bool
    timeout_s: float
    parameters: tuple[Parameter, ...]
    body: Schema | None
    document: Schema

    def violations(self, arguments: Mapping[str, Any]) -> list[str]:
        """What is wrong with `arguments`; empty when they may be sent. Names no values."""
        found: list[str] = []
        for parameter in self.parameters:
            if parameter.name in arguments:
                value = arguments[parameter.name]
                found += violations(value, parameter.schema, self.document, place=parameter.name)
                if parameter.place == "path" and str(value) in ("", ".", ".."):
                    found.append(f"{parameter.name} cannot be part of a path")
            elif parameter.required:
                found.append(f"{parameter.name} is missing")
        rest = self._body_arguments(arguments)
        if self.body is not None:
            return found + violations(rest, self.body, self.document, place="arguments")
        return found + [f"{name} is not known" for name in rest]

    def http_call(self, arguments: Mapping[str, Any]) -> HttpCall:
        """The request for arguments without violations."""
        path, query = self.path, dict[str, str]()
        for parameter in self.parameters:
            if parameter.name not in arguments:
                continue
            value = _parameter_text(arguments[parameter.name])
            if parameter.place == "path":
                path = path.replace(f"{{{parameter.name}}}", quote(value, safe=""))
            else:
                query[parameter.name] = value
        body = self._body_arguments(arguments) if self.body is not None else None
        return HttpCall(method=self.method, path=path, query=query, body=body)

    def _body_arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        named = {parameter.name for parameter in self.parameters}
        return {name: value for name, value in arguments.items() if name not in named}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How to ask what became of a key: method and path with one {parameter}."""

    method: str
    path: str

    def path_for(self, key: str) -> str:
        start, _, rest = self.path.partition("{")
        return start + quote(key, safe="") + rest.partition("}")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    version: str  # of the contract, as its document states it
    actions: Mapping[str, Action]
    find: Settlement | None = None
    void: Settlement | None = None


def _parameter_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_catalogue(document: Mapping[str, Any]) -> Catalogue:
    """Read an OpenAPI 3 document.

    Raises:
        ContractError: it is no such document, an operation in it is malformed, or two actions
            share a name.
    """
    paths = document.get("paths")
    if not str(document.get("openapi", "")).startswith("3.") or not isinstance(paths, Mapping):
        raise ContractError("this is no OpenAPI 3 document: it has no openapi: 3.x and paths")
    actions: dict[str, Action] = {}
    settlements: dict[str, Settlement] = {}
    for path, item in cast(Mapping[str, Mapping[str, Any]], paths).items():
        for method in _METHODS:
            operation = item.get(method)
            if operation is None:
                continue
            if _SETTLEMENT in operation:
                kind = str(operation[_SETTLEMENT])
                settlements[kind] = Settlement(method=method.upper(), path=path)
                continue
            action = _read_action(document, path, method, item, operation)
            if action is None:
                continue
            if action.name in actions:
                raise ContractError(f"action {action.name} stands twice: rename one operation")
            actions[action.name] = action
    return Catalogue(
        version=str(document.get("info", {}).get("version", "")),
        actions=MappingProxyType(actions),
        find=settlements.get("find"),
        void=settlements.get("void"),
    )


def _read_action(
    document: Schema, path: str, method: str, item: Schema, operation: Schema
) -> Action | None:
    extension = operation.get(_EXTENSION, {})
    name = operation.get("operationId")
    if extension is False or (name is None and not extension):
        return None
    try:
        parameters = _read_parameters(
            document, [*item.get("parameters", ()), *operation.get("parameters", ())]
        )
        action = Action(
            name=str(extension.get("name", name)),
            method=method.upper(),
            path=path,
            read_only=not extension.get("effect", method not in _READING_METHODS),
            timeout_s=float(extension.get("timeout_s", DEFAULT_TIMEOUT_S)),
            parameters=parameters,
            body=_read_body(document, operation),
            document=document,
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ContractError(f"{method.upper()} {path}: {error!r} in its description") from error
    if not action.timeout_s > 0:
        raise ContractError(f"{method.upper()} {path}: timeout_s must be above 0")
    return action


def _read_parameters(document: Schema, raw: list[Schema]) -> tuple[Parameter, ...]:
    found: dict[tuple[str, str], Parameter] = {}
    for each in raw:
        parameter = resolve(each, document)
        place = parameter["in"]
        if place in ("path", "query"):
            found[(parameter["name"], place)] = Parameter(
                name=parameter["name"],
                place=place,
                required=bool(parameter.get("required", place == "path")),
                schema=parameter.get("schema", {}),
            )
    return tuple(found.values())


def _read_body(document: Schema, operation: Schema) -> Schema | None:
    if "requestBody" not in operation:
        return None
    content = resolve(operation["requestBody"], document)["content"]
    return content["application/json"]["schema"]
