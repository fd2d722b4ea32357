"""What can go wrong with a model.

    ModelError                 anything below
    ├── UnknownModelError      no model of that name, no folder at that path
    ├── MissingModelError      known, but not on this machine yet
    ├── DamagedModelError      a file is not what the catalogue says
    ├── PullError              the download failed; `retryable` says whether to try again
    ├── EngineError            the engine refused to load or failed on an input
    ├── RecogniserGoneError    the process that recognises is gone; it is being started again
    └── SpeechOverloadedError  more utterances wait than can be served; try again shortly

Wrong arguments (dtype, shape, range) are ValueError: they are mistakes of whoever calls this
package. Every message is one line, fit to be printed as it is.
"""


class ModelError(Exception):
    """Base of this package's errors.

    Attributes:
        retryable: the same call may succeed later without anybody changing anything.
    """

    retryable = False


class UnknownModelError(ModelError):
    """The name is not in the catalogue and is not a folder."""


class MissingModelError(ModelError):
    """The model is in the catalogue and has not been pulled."""


class DamagedModelError(ModelError):
    """A file is missing, cut short or altered."""


class PullError(ModelError):
    """A download did not complete; nothing was installed."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class EngineError(ModelError):
    """An inference engine failed."""


class RecogniserGoneError(ModelError):
    """The recogniser is a process of its own, and is not there."""

    retryable = True


class SpeechOverloadedError(ModelError):
    """The line before the recogniser is full."""

    retryable = True
