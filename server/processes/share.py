"""What a worker has of the server that it is a part of."""

import socket
from dataclasses import dataclass
from pathlib import Path

from server.processes.inheritance import Inheritance
from server.processes.shared_lines import SharedLines
from server.processes.siblings import Siblings
from server.processes.table import LineTable
from server.processes.wire import PassedDatagrams


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Its inheritance, opened."""

    number: int
    workers: int
    wire: PassedDatagrams
    lines: SharedLines
    siblings: Siblings
    http: socket.socket
    streams: socket.socket | None

    @classmethod
    def open(cls, given: Inheritance) -> "Share":
        """Take over what was inherited; on the event loop."""
        table = LineTable(given.table, workers=given.workers, lines=given.lines)
        return cls(
            number=given.number,
            workers=given.workers,
            wire=PassedDatagrams(
                socket.socket(fileno=given.parent),
                socket.socket(fileno=given.sip),
                worker=given.number,
            ),
            lines=SharedLines(table, given.number),
            siblings=Siblings(Path(given.folder), number=given.number, table=table),
            http=socket.socket(fileno=given.http),
            streams=None if given.streams is None else socket.socket(fileno=given.streams),
        )
