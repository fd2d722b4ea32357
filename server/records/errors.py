"""What goes wrong with records.

RecordsError
├── RecordsSetupError        they cannot be kept as configured; the message tells the fix
└── RecordsUnavailableError  the database does not answer now; retryable. Writes never raise it.
"""


class RecordsError(Exception):
    """Base of every error raised by records."""


class RecordsSetupError(RecordsError):
    """Wrong credentials, no such database, a newer schema, or a spool folder in use."""


class RecordsUnavailableError(RecordsError):
    """A query got no answer from the database."""
