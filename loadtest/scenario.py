"""Scenarios: what a simulated caller wants, listens for and says, from YAML."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    name: str


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario.

    Raises:
        ScenarioError: with `file:line:` and what to write instead.
    """
    raise NotImplementedError
