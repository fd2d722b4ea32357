"""What goes wrong at the desk.

DeskError
├── ProtocolError    a page sent what it must not; it is told, and the desk goes on
├── RefusedError     the page asked for something that is not possible now; it is told why
└── NoAudioError     no audio connection could be made of the page's offer
"""


class DeskError(Exception):
    """
    Attributes:
        code: one word for the page, which chooses its words and its colour by it.
    """

    code = "failed"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code or self.code


class ProtocolError(DeskError):
    code = "bad_message"


class RefusedError(DeskError):
    code = "refused"


class NoAudioError(DeskError):
    code = "no_audio"
