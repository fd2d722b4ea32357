"""What a worker has of the server that it is a part of."""

import socket
from dataclasses import dataclass
from pathlib import Path

from server.processes.inheritance import Inheritance
from server.processes.routing import DESK
from server.processes.shared_lines import SharedLines
from server.processes.siblings import Siblings
from server.processes.wire import PassedDatagrams


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Its inheritance, in use.

    Attributes:
        recogniser: the socket of the recogniser that all share; None: each has its own.
        desk: the socket of the worker with the desk; None: callers are not handed to people.
    """

    number: int
    wire: PassedDatagrams
    lines: SharedLines
    siblings: Siblings
    http: socket.socket
    streams: socket.socket | None
    recogniser: Path | None
    desk: Path | None

    @property
    def has_doors(self) -> bool:
        """Whether it accepts HTTP: all do, unless agents' desks must all be in one."""
        return self.desk is None or self.number == DESK

    @classmethod
    def open(cls, given: Inheritance) -> "Share":
        """Take over what was inherited; on the event loop."""
        number, table = given.number, given.table
        recogniser = None if given.recogniser is None else Path(given.recogniser)
        return cls(
            number=number,
            wire=PassedDatagrams(given.parent, given.sip, worker=number),
            lines=SharedLines(table, number),
            siblings=Siblings(
                Path(given.folder), number=number, table=table, recogniser=recogniser
            ),
            http=given.http,
            streams=given.streams,
            recogniser=recogniser,
            desk=None if given.desk is None else Path(given.desk),
        )
