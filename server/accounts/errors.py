"""What goes wrong with accounts.

AccountsError
├── SignInRefusedError     name and password do not fit, or the account is shut; never says which
├── TooManyAttemptsError   wait `retry_after_s`; retryable
├── InvalidUserError       what is asked for cannot be kept; the message tells the fix
│   └── TakenError         somebody else has this login name or extension
├── NoSuchUserError
└── OidcError              the identity provider misbehaved, or what it says admits nobody here

A database that does not answer is RecordsUnavailableError, as for every other query.
"""


class AccountsError(Exception):
    """Base of every error raised by accounts."""


class SignInRefusedError(AccountsError):
    """The same for a wrong password, an unknown name and an account that is shut."""


class TooManyAttemptsError(AccountsError):
    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many attempts: wait {retry_after_s} seconds")
        self.retry_after_s = retry_after_s


class InvalidUserError(AccountsError):
    pass


class TakenError(InvalidUserError):
    pass


class NoSuchUserError(AccountsError):
    pass


class OidcError(AccountsError):
    """`problem` is the sign-in page's word for it: provider, refused, late, role, shut."""

    def __init__(self, message: str, *, problem: str = "provider") -> None:
        super().__init__(message)
        self.problem = problem
