"""What can go wrong with a simulated caller, and whose fault it is.

LoadtestError
├── ScenarioError        the scenario file is wrong: names file, line and fix
├── AudioFileError       a WAV file cannot be read or written
├── VoiceError           the built-in voice cannot say this text
└── CallFailedError      no call came about, or it broke
    ├── BadTargetError   the SIP URI is not one we can dial
    ├── BadKeysError     keys that do not exist, or that the far end does not take
    ├── UnreachableError nothing answers at that address
    ├── RefusedError     the far end said no: status, reason, Retry-After
    └── PeerError        the far end misbehaved: an answer we cannot use

`str(error)` is always one line, made to be shown to a person.
"""


class LoadtestError(Exception):
    """Base of everything loadtest raises on purpose."""


class ScenarioError(LoadtestError):
    """A scenario file is wrong; the message begins with `file:line:`."""


class AudioFileError(LoadtestError):
    """A WAV file is missing, not PCM, or cannot be written."""


class VoiceError(LoadtestError):
    """The built-in voice is not there or made no sound for a text."""


class CallFailedError(LoadtestError):
    """The call did not come about, or broke before its end."""

    after_s: float | None = None
    """From dialling until that was known; None where nobody watched the time."""


class BadTargetError(CallFailedError):
    """We were asked to dial something that is not a SIP URI over UDP."""


class BadKeysError(CallFailedError):
    """Keys that do not exist, or that the far end does not take."""


class UnreachableError(CallFailedError):
    """No SIP answer: port closed, host unknown, silence until the timeout; worth a retry later."""


class RefusedError(CallFailedError):
    """A final SIP error: 486, 503, 488 and the like."""

    def __init__(self, status: int, reason: str, *, retry_after_s: int | None = None) -> None:
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s
        later = f", retry after {retry_after_s} s" if retry_after_s is not None else ""
        super().__init__(f"refused: {status} {reason}{later}")

    @property
    def retryable(self) -> bool:
        """Whether the same call may work later: the far end is busy, not against us."""
        return self.status in {408, 480, 486, 500, 503, 504, 600} or self.retry_after_s is not None


class PeerError(CallFailedError):
    """The far end broke the protocol: no usable SDP in its answer."""
