"""One call's RTP socket: the shell around the RTP machines.

Frames go out and are taken once per 20 ms by the media clock, and what has come is read just before
(telephony/rtp/inbox.py). Nothing here awaits, and nothing that a peer sends raises.
"""

import ipaddress
import logging
import random
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from telephony.rtp import KeyNotSentError, PacketError
from telephony.rtp.datagrams import Sender
from telephony.rtp.dtmf import EventPayload, KeyReceiver, key_payloads
from telephony.rtp.exchange import RtpExchange
from telephony.rtp.inbox import Datagram, Inbox
from telephony.rtp.jitter import Gap, JitterBuffer, JitterStatistics
from telephony.rtp.latch import Address, SourceLatch
from telephony.rtp.packet import (
    SEQUENCE_MODULUS,
    TIMESTAMP_MODULUS,
    RtpPacket,
    is_rtcp,
    parse,
)
from telephony.rtp.plc import Concealer
from telephony.rtp.ports import PortRange
from telephony.sip.media import Direction
from voice.codec import Codec, decode, encode, is_quiet
from voice.frames import FRAME_SAMPLES, Pcm, silence

logger = logging.getLogger(__name__)

_COMFORT_NOISE: Final = 13  # RFC 3389
_MAX_PENDING_KEYS: Final = 64
_KEY_PAUSE_FRAMES: Final = 3  # 60 ms of audio between two keys, or receivers run them together
_HEADER: Final = struct.Struct("!BBHII")
_PLAIN: Final = 0x80  # the first octet of a header: version 2, nothing more
_USUAL_SIZE: Final = _HEADER.size + FRAME_SAMPLES


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpStatistics:
    """Counts since the session opened, of packets unless said otherwise."""

    inbound: JitterStatistics
    sent: int
    octets_sent: int  # of payload
    unsent: int  # the network did not take them
    unreachable: int  # the peer's host or a router sent them back
    malformed: int
    foreign: int  # from other addresses than the one latched on to
    unexpected: int  # of payload types that were not agreed, or before any agreement
    rtcp: int  # multiplexed RTCP, not evaluated


@dataclass(frozen=True, slots=True, kw_only=True)
class _Agreement:
    payload_type: int
    codec: Codec
    event_payload_type: int | None
    direction: Direction
    # What follows from it, as it is asked for on every frame.
    sends: bool
    receives: bool
    expected: tuple[int | None, ...]  # payload types


def _ignore_key(_key: str) -> None:
    pass


class RtpSession:
    """RTP with one peer: `open`, `connect` whenever something was agreed, `close`.

    Attributes:
        local_port: the even UDP port bound.
        on_key: called with each key that comes as a telephone event, within `receive_frame`.
        last_packet_at_s: when the peer was last heard, by `clock`; None before the first packet.
        last_event_at_s: the same for the packets of keys: a held key sends one every 20 to 50 ms.
    """

    def __init__(
        self,
        *,
        bound: socket.socket,
        ports: PortRange,
        randomness: random.Random,
        clock: Callable[[], float],
        exchange: RtpExchange | None,
    ) -> None:
        """Use `open`."""
        self.local_port: int = bound.getsockname()[1]
        self.on_key: Callable[[str], None] = _ignore_key
        self.last_packet_at_s: float | None = None
        self.last_event_at_s: float | None = None
        self._socket, self._sender = bound, Sender(bound)
        self.inbox = Inbox(bound)
        self._ports = ports
        self._exchange = exchange
        self._ready: Pcm | None = None  # the next frame, where an exchange has it ready
        self.wants_frame = False
        """The frame before was taken."""
        self._clock = clock
        self._open = True
        self._agreed: _Agreement | None = None
        self._latch = SourceLatch()
        self._jitter = JitterBuffer()
        self._concealer = Concealer()
        self._keys = KeyReceiver()
        self._keys_ssrc: int | None = None
        self._ssrc = randomness.getrandbits(32)
        self._sequence = randomness.getrandbits(16)
        self._timestamp = randomness.getrandbits(32)
        self._marker = True  # the next audio packet is the first of a talk spurt
        self._outgoing: deque[EventPayload | None] = deque()  # None: a frame of audio in between
        self._event_timestamp = 0
        self._sent = self._octets_sent = self._unsent = 0
        self._malformed = self._foreign = self._unexpected = self._rtcp = 0

    @classmethod
    async def open(
        cls,
        host: str,
        ports: PortRange,
        *,
        randomness: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        exchange: RtpExchange | None = None,
    ) -> "RtpSession":
        """Bind a free even port of `ports` at the local IP address `host`.

        Args:
            host: an IP address, "0.0.0.0" for all.
            ports: lends the port until `close`.
            randomness: chooses SSRC, first sequence number and timestamp; the system's when None.
            clock: monotonic seconds.
            exchange: reads and sends for this session together with others; None: it is on its
                own.

        Raises:
            PortsExhaustedError: no port is free.
            OSError: the address cannot be bound.
        """
        bound = ports.bind(host)
        session = cls(
            bound=bound,
            ports=ports,
            randomness=randomness or random.SystemRandom(),
            clock=clock,
            exchange=exchange,
        )
        if exchange is not None:
            exchange.join(session)
        return session

    def connect(
        self,
        *,
        remote_host: str,
        remote_port: int,
        payload_type: int,
        codec: str,
        event_payload_type: int | None,
        direction: Direction,
    ) -> None:
        """Take an agreement, the first or a later one; audio flows as it says from now on.

        Args:
            remote_host: the peer's IP address; with a name or the address 0.0.0.0 we send
                nowhere until the peer is heard.
            remote_port: the peer's port.
            payload_type: of the audio, both ways.
            codec: "PCMU" or "PCMA".
            event_payload_type: of telephone events, None when there are none.
            direction: who sends, as seen from here.

        Raises:
            ValueError: another codec.
        """
        agreed = _Agreement(
            payload_type=payload_type,
            codec=Codec(codec),
            event_payload_type=event_payload_type,
            direction=direction,
            sends=direction.sends,
            receives=direction.receives,
            expected=(payload_type, event_payload_type, _COMFORT_NOISE),
        )
        before, self._agreed = self._agreed, agreed
        self._jitter.is_quiet = partial(is_quiet, agreed.codec)
        self._latch.agree(_address(remote_host, remote_port))
        if before is not None and (before.codec, before.direction) != (agreed.codec, direction):
            self._jitter.reset()

    def close(self) -> None:
        """Close the socket and give its port back; frames and keys that come after it are dropped.

        Idempotent.
        """
        if self._open:
            self._open = False
            self.on_key = _ignore_key  # whoever listened is let go of
            if self._exchange is not None:
                self._exchange.leave(self)
            self._socket.close()
            self._ports.release(self.local_port)

    @property
    def delay_s(self) -> float:
        """How long audio from the far end waits here before it is popped, in seconds."""
        return self._jitter.buffered_ms / 1000

    @property
    def slip(self) -> int:
        """How much later than the first frame the latest one was given out, in samples."""
        return self._jitter.slip

    @property
    def statistics(self) -> RtpStatistics:
        self._take_in()
        return RtpStatistics(
            inbound=self._jitter.statistics,
            sent=self._sent,
            octets_sent=self._octets_sent,
            unsent=self._unsent,
            unreachable=self.inbox.errors,
            malformed=self._malformed,
            foreign=self._foreign,
            unexpected=self._unexpected,
            rtcp=self._rtcp,
        )

    # --- frames -----------------------------------------------------------------------------------

    def receive_frame(self) -> Pcm:
        """The peer's next 20 ms, shape (160,); concealed when lost, silent when there is nothing.

        Call it once per 20 ms. Do not write to what it returns.
        """
        if self._ready is None:
            self._take_in()
            if (due := self.next_payload()) is not None:
                self.give(decode(*due))
        frame, self._ready, self.wants_frame = self._ready, None, True
        assert frame is not None
        return frame

    def send_frame(self, pcm: Pcm) -> None:
        """Send 20 ms, int16, shape (160,): a frame of time, whether or not anything is sent.

        A key being sent takes the place of audio. On hold, before an agreement and after `close`
        the frame is dropped.
        """
        agreed, destination = self._agreed, self._latch.destination
        timestamp = self._timestamp
        self._timestamp = (timestamp + FRAME_SAMPLES) % TIMESTAMP_MODULUS
        if not self._open or agreed is None or destination is None:
            return
        if not agreed.sends:
            self._marker = True
            return
        event = self._outgoing.popleft() if self._outgoing else None
        if event is not None and agreed.event_payload_type is not None:
            if event.first:
                self._event_timestamp = timestamp
            payload_type, at = agreed.event_payload_type, self._event_timestamp
            self.transmit(self._header(payload_type, at, event.first) + event.payload, destination)
            self._marker = True
            return
        header = self._header(agreed.payload_type, timestamp, self._marker)
        self._marker = False
        if self._exchange is not None:
            self._exchange.queue(self, agreed.codec, header, destination, pcm)
        else:
            self.transmit(header + encode(agreed.codec, pcm), destination)

    def send_key(self, key: str) -> None:
        """Press a key for 100 ms, after those already waiting; `send_frame` sends it.

        Raises:
            ValueError: not one of 0-9 * # A-D.
            KeyNotSentError: no telephone events were agreed, or 64 keys are waiting.
        """
        payloads = list(key_payloads(key))
        if self._agreed is None or self._agreed.event_payload_type is None:
            raise KeyNotSentError("the peer takes no telephone events")
        length = len(payloads) + _KEY_PAUSE_FRAMES
        if len(self._outgoing) + length > _MAX_PENDING_KEYS * length:
            raise KeyNotSentError(f"{_MAX_PENDING_KEYS} keys are waiting already")
        self._outgoing.extend(payloads)
        self._outgoing.extend([None] * _KEY_PAUSE_FRAMES)

    def _header(self, payload_type: int, timestamp: int, marker: bool) -> bytes:
        second = payload_type | 0x80 if marker else payload_type
        sequence = self._sequence
        self._sequence = (sequence + 1) % SEQUENCE_MODULUS
        return _HEADER.pack(0x80, second, sequence, timestamp, self._ssrc)

    # --- for the exchange, see telephony.rtp.exchange.Party ---------------------------------------

    def next_payload(self) -> tuple[Codec, bytes] | None:
        """The next 20 ms to be decoded, 160 octets; None: a frame is there without."""
        self.wants_frame = False
        agreed = self._agreed
        if not self._open or agreed is None or not agreed.receives:
            self._ready = silence()
            return None
        payload = self._jitter.pop()
        if isinstance(payload, Gap):
            # An empty line fades out like a lost one: speech that breaks off clicks.
            self._ready = self._concealer.conceal()
            return None
        return agreed.codec, payload

    def give(self, pcm: Pcm) -> None:
        """That payload as a frame, shape (160,)."""
        self._ready = self._concealer.receive(pcm)

    def transmit(self, packet: bytes, destination: Address) -> None:
        """Send a packet now, if the session is open."""
        if not self._open:
            return
        # What the network does not take is not kept: late audio would delay what comes after it.
        if self._sender.send(packet, destination):
            self._sent += 1
            self._octets_sent += len(packet) - _HEADER.size
        else:
            self._unsent += 1

    def handle(self, datagram: Datagram) -> None:
        """Take a datagram; never raises."""
        try:
            self._receive(*datagram)
        except PacketError as error:
            self._malformed += 1
            logger.debug("Malformed RTP: %s", error, extra={"port": self.local_port})
        except Exception:
            logger.exception("RTP packet not handled", extra={"port": self.local_port})

    # --- datagrams --------------------------------------------------------------------------------

    def _take_in(self) -> None:
        """Take whatever came to the port."""
        if self._open:
            for datagram in self.inbox.take():
                self.handle(datagram)

    def _receive(self, datagram: bytes, sender: Address, age_s: float) -> None:
        if self._takes_next(datagram, sender, age_s):
            return
        if is_rtcp(datagram):
            self._rtcp += 1
            if self._latch.is_source(sender):
                self.last_packet_at_s = self._clock()
            return
        packet, agreed = parse(datagram), self._agreed
        if agreed is None or packet.payload_type not in agreed.expected:
            self._unexpected += 1
            return
        now_s = self._clock()
        if packet.payload_type == _COMFORT_NOISE and not self._latch.is_source(sender):
            self._foreign += 1  # no agreed payload type, so nothing to latch on to
            return
        if not self._latch.admit(sender, now_s):
            self._foreign += 1
            return
        self.last_packet_at_s = now_s
        if not agreed.receives:
            return
        if packet.payload_type == agreed.payload_type:
            self._jitter.put(packet, now_s - age_s)
            return
        self._jitter.note(packet)
        if packet.payload_type == agreed.event_payload_type:
            self._receive_event(packet, now_s)

    def _takes_next(self, datagram: bytes, sender: Address, age_s: float) -> bool:
        """Take a packet if it is just what was expected, as nearly all are, in fewer steps."""
        agreed = self._agreed
        if agreed is None or not agreed.receives or len(datagram) != _USUAL_SIZE:
            return False
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
        if first != _PLAIN or second != agreed.payload_type or not self._latch.is_source(sender):
            return False
        now_s, payload = self._clock(), datagram[_HEADER.size :]
        if not self._jitter.put_next(ssrc, sequence, timestamp, payload, now_s - age_s):
            return False
        self._latch.admit(sender, now_s)
        self.last_packet_at_s = now_s
        return True

    def _receive_event(self, packet: RtpPacket, now_s: float) -> None:
        if packet.ssrc != self._keys_ssrc:
            self._keys, self._keys_ssrc = KeyReceiver(), packet.ssrc
        key = self._keys.receive(packet.payload, packet.timestamp)
        self.last_event_at_s = now_s
        if key is not None:
            self.on_key(key)


def _address(host: str, port: int) -> Address | None:
    """Where to send to; None when that is nowhere, or a name, which must not be looked up here."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        logger.warning("RTP waits for a peer given by name", extra={"remote_host": host})
        return None
    return None if address.is_unspecified or not port else (str(address), port)
