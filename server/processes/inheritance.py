"""What a worker gets from its parent on its command line."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Inheritance:
    """Who it is, and descriptors of what it shares."""

    number: int
    workers: int
    lines: int  # in the table, of each worker
    folder: str  # of the workers' own sockets
    parent: int  # descriptors: the way to the parent,
    sip: int  # the SIP socket, to send from,
    table: int  # the table of calls,
    http: int  # the listening sockets, which all workers accept from
    streams: int | None

    @property
    def descriptors(self) -> tuple[int, ...]:
        given = (self.parent, self.sip, self.table, self.http)
        return given if self.streams is None else (*given, self.streams)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Inheritance":
        return cls(**json.loads(text))
