"""What goes wrong in actions.

ActionsError
├── ContractError            the back end's OpenAPI document cannot be used
├── BackEndUnavailableError  the back end could not be reached; retryable
├── LedgerUnavailableError   the ledger could not be read or written in time; retryable
├── KeyReusedError           one idempotency key, two different actions: misuse
├── MigrationError           the database is newer than this program (actions/sql.py)
└── ActionRefusedError       a local action says no: nothing changed
"""


class ActionsError(Exception):
    """Base of every error raised by actions."""


class ContractError(ActionsError):
    """The OpenAPI document is unusable; the message names the operation and the fix."""


class BackEndUnavailableError(ActionsError):
    """The back end did not give its document."""


class LedgerUnavailableError(ActionsError):
    """The ledger did not answer in time. Whether a write took effect is not known."""


class KeyReusedError(ActionsError):
    """The key stands in the ledger with another name or other arguments."""


class ActionRefusedError(ActionsError):
    """Raised by a local action whose rules forbid it.

    Args:
        code: a short name for programs, such as `no_number`.
        message: what went wrong, for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
