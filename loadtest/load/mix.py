"""Which scenarios callers follow, and in what proportion.

# mix.yaml
change_address: 4
order_status: 3
scenarios/angry.yaml: 1        # a path, from the mix file's folder
"""

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, cast

import yaml

from loadtest.errors import ScenarioError
from loadtest.scenario import Scenario, find_scenario, load_scenario

SHIPPED: Final = Path(__file__).parents[1] / "mixes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    path: Path
    scenario: Scenario
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """At least one part."""

    parts: tuple[Part, ...]

    def draw(self, random: Random) -> int:
        """The index of the next call's scenario."""
        weights = [part.weight for part in self.parts]
        return random.choices(range(len(self.parts)), weights)[0]


def mix_of(names: list[str]) -> Mix:
    """The scenarios named, in equal shares.

    Raises:
        ScenarioError: one does not exist or is wrong, or none is named.
    """
    if not names:
        raise ScenarioError("no scenario: name one with --scenario, or a file of them with --mix")
    return Mix(parts=tuple(_part(find_scenario(name), 1.0) for name in names))


def find_mix(name_or_path: str) -> Path:
    """A path as it is, or the shipped mix of that name."""
    path, shipped = Path(name_or_path), SHIPPED / f"{name_or_path}.yaml"
    return shipped if not path.exists() and path.name == name_or_path else path


def load_mix(path: Path) -> Mix:
    """Read a mix file; names are shipped scenarios or paths from the file's folder.

    Raises:
        ScenarioError: with the file's name and what to write instead.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict) or not content:
        raise ScenarioError(f"{path}: write one `scenario: share` a line")
    return Mix(
        parts=tuple(
            _part(_found(path, str(name)), _weight(path, str(name), share))
            for name, share in cast("dict[Any, Any]", content).items()
        )
    )


def _found(path: Path, name: str) -> Path:
    beside = path.parent / name
    return beside if beside.is_file() else find_scenario(name)


def _weight(path: Path, name: str, share: Any) -> float:
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1e9:
        raise ScenarioError(f"{path}: the share of {name} is {share!r}; write a number above 0")
    return float(share)


def _part(path: Path, weight: float) -> Part:
    return Part(path=path, scenario=load_scenario(path), weight=weight)
