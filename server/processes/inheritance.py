"""What a worker gets from its parent."""

import socket
from dataclasses import dataclass

from server.processes.table import LineTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Inheritance:
    """Who it is, and its own descriptors of what it shares.

    Attributes:
        folder: of the workers' own sockets.
        parent: the worker's end of the way to the parent.
        sip: the SIP socket, to send from.
        http, streams: listening sockets, which all workers accept from.
        recogniser: the socket of the recogniser that they share; None: each has its own.
        desk: the socket of the worker with the desk; None: callers are not handed to people.
    """

    number: int
    table: LineTable
    folder: str
    parent: socket.socket
    sip: socket.socket
    http: socket.socket
    streams: socket.socket | None
    recogniser: str | None
    desk: str | None
