"""`./frontdesk check`: the static checks of CI, for whoever changes the code."""

import subprocess
import sys
from pathlib import Path

_BIN = Path(sys.executable).parent
_CHECKS = (
    ("ruff check", "ruff", "check", "."),
    ("ruff format", "ruff", "format", "--check", "."),
    ("layers", "lint-imports"),
    ("types", "pyright"),
)
_LONGEST_FILE = 420  # lines: one concept a file


def run_checks(root: Path) -> int:
    """Run every check, whatever the one before said; 0 when all pass."""
    failed = [name for name, *command in _CHECKS if not _passes(root, name, *command)]
    long = [f"{path} has {lines} lines" for path, lines in _long_files(root)]
    for fault in long:
        print(f"frontdesk check: {fault}: one concept per file?")
    if failed or long:
        print(f"frontdesk check: failed: {', '.join([*failed, *(['file sizes'] if long else [])])}")
        return 1
    print("frontdesk check: all passed")
    return 0


def _passes(root: Path, name: str, program: str, *arguments: str) -> bool:
    print(f"frontdesk check: {name}", flush=True)
    return subprocess.run([_BIN / program, *arguments], cwd=root, check=False).returncode == 0  # noqa: S603


def _long_files(root: Path) -> list[tuple[Path, int]]:
    hidden = (".venv", ".git", "var", "build")
    sources = (path for path in root.rglob("*.py") if path.relative_to(root).parts[0] not in hidden)
    sized = ((path.relative_to(root), len(path.read_text().splitlines())) for path in sources)
    return [(path, lines) for path, lines in sized if lines > _LONGEST_FILE]
