"""Faults on purpose, for tests of those who depend on the shop; none without `--fault`.

Each strikes in POST /v1/actions/*:

    delay-before=SECONDS     before the transaction begins
    delay-after=SECONDS      after the commit, before the answer
    error-500[=TIMES]        instead of the transaction; each time without TIMES
    error-500-after[=TIMES]  after the commit, instead of the answer
    die-before-commit        SIGKILL to itself when the effect is written, not committed
    die-after-commit         SIGKILL to itself when it is committed, not answered
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Final

from actions.shop.answers import ProblemError, problem

_ARGUMENT_NEEDED: Final = frozenset({"delay-before", "delay-after"})
_COUNTED: Final = frozenset({"error-500", "error-500-after"})
_PLAIN: Final = frozenset({"die-before-commit", "die-after-commit"})


class Faults:
    def __init__(self, specifications: Sequence[str] = ()) -> None:
        """
        Raises:
            ValueError: a specification is none of those above.
        """
        self._values: dict[str, float] = {}
        for specification in specifications:
            name, _, value = specification.partition("=")
            known = name in _ARGUMENT_NEEDED or name in _COUNTED or name in _PLAIN
            if not known or (name in _ARGUMENT_NEEDED) > bool(value) or (name in _PLAIN and value):
                raise ValueError(f"unknown fault {specification!r}; see actions/shop/faults.py")
            self._values[name] = float(value) if value else float("inf")

    async def before_transaction(self) -> None:
        await asyncio.sleep(self._values.get("delay-before", 0.0))
        self._maybe_fail("error-500")

    def before_commit(self) -> None:
        self._maybe_die("die-before-commit")

    async def after_commit(self) -> None:
        self._maybe_die("die-after-commit")
        await asyncio.sleep(self._values.get("delay-after", 0.0))
        self._maybe_fail("error-500-after")

    def _maybe_fail(self, name: str) -> None:
        if self._values.get(name, 0.0) > 0:
            self._values[name] -= 1
            raise ProblemError(problem(500, "injected_fault", "A fault was asked for"))

    def _maybe_die(self, name: str) -> None:
        if name in self._values:
            os.kill(os.getpid(), signal.SIGKILL)
