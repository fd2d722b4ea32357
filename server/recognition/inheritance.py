"""What the recogniser that others share gets from its parent."""

import socket
from dataclasses import dataclass
from typing import Final

NAME: Final = "recogniser"
"""Of its process, in metrics and in the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inheritance:
    """Its own descriptors of what was made for it.

    Attributes:
        parent: its end of the way to the parent.
        listener: workers connect here.
        path: of that socket.
    """

    parent: socket.socket
    listener: socket.socket
    path: str
