"""The shop's answers: a status and a JSON body; refusals as problem details (RFC 9457)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: Mapping[str, Any]
    replayed: bool = False  # stored earlier, under the same key


def problem(status: int, code: str, title: str) -> Answer:
    """A refusal; `code` is for programs, `title` for people."""
    return Answer(
        status=status, body={"type": "about:blank", "title": title, "status": status, "code": code}
    )


class ProblemError(Exception):
    """Ends a request with a problem that is stored under no key."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body["title"])
        self.answer = answer
