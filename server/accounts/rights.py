"""Roles, and what each may do: the one table every door asks; pure."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Role(StrEnum):
    """What a user is here for; everybody has one role."""

    AGENT = "agent"  # talks to callers
    SUPERVISOR = "supervisor"  # stands by the agents
    ADMIN = "admin"  # lets people in
    AUDITOR = "auditor"  # reads, and changes nothing
    MACHINE = "machine"  # whoever sends the configured bearer token; never a user's


class Right(StrEnum):
    """One thing that a door lets somebody do."""

    TAKE_CALLS = "take_calls"  # the agent desk: be offered callers, and talk to them
    SUPERVISE = "supervise"  # see the floor; listen, whisper, barge
    APPROVE = "approve"  # let an action go on that waits for a person
    SEE_OWN_CALLS = "see_own_calls"  # records and recordings of the calls one had
    SEE_CALLS = "see_calls"  # the records of every call
    HEAR_CALLS = "hear_calls"  # the recordings of every call
    SEE_LIVE = "see_live"  # what happens now, in every call
    MANAGE_USERS = "manage_users"
    SEE_AUDIT = "see_audit"


# An admin lets people in and cannot hear callers; who takes that right for themselves is in the
# audit, which they cannot rewrite.
RIGHTS: Final[Mapping[Role, frozenset[Right]]] = MappingProxyType(
    {
        Role.AGENT: frozenset({Right.TAKE_CALLS, Right.SEE_OWN_CALLS}),
        Role.SUPERVISOR: frozenset(
            {
                Right.TAKE_CALLS,
                Right.SUPERVISE,
                Right.APPROVE,
                Right.SEE_OWN_CALLS,
                Right.SEE_CALLS,
                Right.HEAR_CALLS,
                Right.SEE_LIVE,
            }
        ),
        Role.ADMIN: frozenset({Right.SEE_CALLS, Right.MANAGE_USERS, Right.SEE_AUDIT}),
        Role.AUDITOR: frozenset({Right.SEE_CALLS, Right.HEAR_CALLS, Right.SEE_AUDIT}),
        Role.MACHINE: frozenset({Right.SEE_CALLS, Right.HEAR_CALLS, Right.SEE_LIVE}),
    }
)

USER_ROLES: Final = (Role.AGENT, Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR)
"""The roles a user can have."""


def may(role: Role, *rights: Right) -> bool:
    """Whether this role has any of these rights."""
    return not RIGHTS[role].isdisjoint(rights)
