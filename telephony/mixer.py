"""Rooms: who hears whom, mixed every 20 ms.

A room is served by the media plane like a call session: on `listen` it takes one frame from every
member's leg, on `act` it sends every member the sum of those they hear (telephony/routing.py) and
of what frontdesk plays to them (telephony/program.py). One matrix product mixes all listeners; it
is in float32, which is exact here: sums of int16 stay integers below 2^24 for 500 sources.

What was said and sent is told to taps (recorders) and ears (live transcription) on the same tick,
so that whatever they keep is sample-aligned. A leg, tap or ear that raises is left out from then
on; the others do not notice.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from telephony.program import Layer, PlayerSource, Playing, Program, checked
from telephony.routing import Gains, Routes
from voice.comfort import LEVEL_DBFS, ComfortNoise
from voice.frames import Pcm, silence
from voice.ports import AudioLeg

log = logging.getLogger(__name__)

_INT16: Final = (np.float32(-32768), np.float32(32767))
_COMFORT_STRIDE: Final = 37  # frames between two members' places in the noise loop: they differ

Heard: TypeAlias = Mapping[str, Pcm]
"""20 ms by member name, each of shape (160,); views and shared arrays: read them, keep copies."""

Tap: TypeAlias = Callable[[Heard, Heard], None]
"""Called once a tick with what each member said and what each was sent. Muted members say silence;
held ones are told as they speak, though nobody hears them. It must return at once."""


class Ear(Protocol):
    """Listens to one member: `voice.overhear.Overhearing` is one."""

    def push(self, frame: Pcm) -> None:
        """20 ms of the member, shape (160,), before the voice activity run."""
        ...

    def act(self, now_s: float, sent: Pcm) -> None:
        """After that run; `sent`, shape (160,), is what the member is sent on this tick."""
        ...


def mix(frames: NDArray[np.float32], gains: Gains) -> NDArray[np.float32]:
    """What each listener hears: float32, shape (listeners, 160), not yet limited to int16.

    Args:
        frames: what each source says, float32, shape (sources, 160), on the int16 scale.
        gains: float32, shape (listeners, sources).
    """
    return gains @ frames


def limited(mixed: NDArray[np.float32]) -> Pcm:
    """Rounded to int16, same shape; what is too loud saturates and never wraps round."""
    return np.minimum(np.maximum(np.rint(mixed), _INT16[0]), _INT16[1]).astype(np.int16)


@dataclass(slots=True, kw_only=True)
class _Member:
    name: str
    leg: AudioLeg
    comfort: ComfortNoise
    frame: Pcm = field(default_factory=silence)  # what they say on this tick
    ears: list[Ear] = field(default_factory=list[Ear])


class Room:
    """Members by name, and everything that passes between them; see voice.plane.Served.

    Args:
        on_member_failed: called with the name and the error when a leg raised; the member is out.
        on_ended: called once with the reason when the room ends. Legs are their owner's to hang up.
        comfort_dbfs: the noise for who would otherwise hear nothing.
    """

    def __init__(
        self,
        *,
        on_member_failed: Callable[[str, Exception], None] | None = None,
        on_ended: Callable[[str], None] | None = None,
        comfort_dbfs: float = LEVEL_DBFS,
    ) -> None:
        self.taps: list[Tap] = []
        self._on_member_failed, self._on_ended = on_member_failed, on_ended
        self._comfort_dbfs = comfort_dbfs
        self._members: dict[str, _Member] = {}
        self._routes = Routes()
        self._program = Program()
        self._gains: Gains | None = None  # of the members in their order; None: to be made anew
        self._joined = 0
        self._ended = False

    # --- members ---

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(self._members)

    def add(self, name: str, leg: AudioLeg) -> None:
        """Take in a member, who hears nobody and is heard by nobody until told otherwise.

        Raises:
            ValueError: there is a member of this name, or the room has ended.
        """
        if self._ended:
            raise ValueError(f"{name!r} cannot join a room that has ended")
        if name in self._members:
            raise ValueError(f"there is a member {name!r} in the room")
        comfort = ComfortNoise(
            level_dbfs=self._comfort_dbfs, start_frame=self._joined * _COMFORT_STRIDE
        )
        self._joined += 1
        self._members[name] = _Member(name=name, leg=leg, comfort=comfort)
        self._gains = None

    def remove(self, name: str) -> AudioLeg:
        """Let a member go, with their routes, players and ears; their leg goes on untouched.

        Raises:
            LookupError: no such member.
        """
        member = self._member(name)
        del self._members[name]
        self._routes.forget(name)
        self._program.forget(name)
        self._gains = None
        return member.leg

    def overhear(self, name: str, ear: Ear) -> None:
        """Let `ear` listen to a member until they leave.

        Raises:
            LookupError: no such member.
        """
        self._member(name).ears.append(ear)

    # --- who hears whom ---

    def hear(self, listener: str, source: str, *, gain: float = 1.0) -> None:
        """One direction.

        Raises:
            LookupError: no such member.
            ValueError: the gain is not above 0 and at most `routing.MAX_GAIN`.
        """
        self._changed(listener, source).hear(listener, source, gain=gain)

    def unhear(self, listener: str, source: str) -> None:
        """One direction; idempotent.

        Raises:
            LookupError: no such member.
        """
        self._changed(listener, source).unhear(listener, source)

    def bridge(self, *names: str) -> None:
        """They all hear each other."""
        routes = self._changed(*names)
        for source in names:
            routes.speak_up(source)
            for listener in names:
                routes.hear(listener, source)

    def isolate(self, name: str) -> None:
        """They hear nobody and are heard by nobody, as when they came."""
        self._changed(name).isolate(name)

    def whisper(self, speaker: str, listener: str) -> None:
        """Of all members only `listener` hears `speaker`; whom `speaker` hears stays as it is."""
        routes = self._changed(speaker, listener)
        routes.whisper(speaker)
        routes.hear(listener, speaker)

    def listen_only(self, supervisor: str) -> None:
        """They hear everybody, also who comes later, and are heard by nobody."""
        routes = self._changed(supervisor)
        routes.whisper(supervisor)
        routes.hear_everybody(supervisor)

    def coach(self, supervisor: str, agent: str) -> None:
        """They hear everybody, also who comes later, and are heard by `agent` only."""
        self.whisper(supervisor, agent)
        self._routes.hear_everybody(supervisor)

    def barge(self, supervisor: str) -> None:
        """They and everybody, also who comes later, hear each other."""
        routes = self._changed(supervisor)
        routes.whisper(supervisor)  # an earlier gain is no longer meant
        routes.hear_everybody(supervisor)
        routes.be_heard_by_everybody(supervisor)

    def hold(self, name: str, held: bool = True) -> None:
        """A held member hears only what is played to them; afterwards all is as it was."""
        self._changed(name).set_held(name, held)

    def mute(self, name: str, muted: bool = True) -> None:
        """Nobody hears a muted member, recorders and transcription neither."""
        self._changed(name).set_muted(name, muted)

    # --- what is played ---

    def play(
        self,
        listeners: str | Collection[str],
        source: PlayerSource,
        *,
        layer: Layer = Layer.SPEECH,
        on_finished: Callable[[], None] | None = None,
    ) -> Playing:
        """Play to one or several members, and to nobody else; see telephony/program.py.

        Args:
            on_finished: called after the tick that sent the last of it, or on which the source
                raised; not when it was stopped or replaced, nor when its listeners left.

        Raises:
            LookupError: no such member.
        """
        names = {listeners} if isinstance(listeners, str) else set(listeners)
        for name in names:
            self._member(name)
        playing = Playing(names, source, layer, on_finished)
        self._program.play(playing)
        return playing

    # --- the two halves of a tick ---

    def listen(self) -> None:
        """Take 20 ms from every member."""
        for member in tuple(self._members.values()):
            if not self._is_here(member):
                continue
            try:
                frame = checked(member.leg.receive_frame())
            except Exception as error:
                self._fail(member, error)
                continue
            member.frame = silence() if self._routes.is_muted(member.name) else frame
            for ear in tuple(member.ears):
                try:
                    ear.push(member.frame)
                except Exception:
                    self._drop_ear(member, ear)

    def act(self, now_s: float) -> None:
        """Mix, and send 20 ms to every member. The detectors have run in between."""
        members = tuple(self._members.values())
        played, finished = self._program.pop()
        sent = self._mixed(members, played) if members else []
        for member, frame in zip(members, sent, strict=True):
            if not self._is_here(member):
                continue
            try:
                member.leg.send_frame(frame)
            except Exception as error:
                self._fail(member, error)
        self._tell_taps(members, sent)
        for member, frame in zip(members, sent, strict=True):
            if self._is_here(member):
                self._tell_ears(member, now_s, frame)
        for playing in finished:
            try:
                playing.tell_finished()
            except Exception:
                log.exception("what follows after playing failed")

    def end(self, reason: str) -> None:
        """Let everybody go; idempotent."""
        if self._ended:
            return
        self._ended = True
        self._members.clear()
        self._program.clear()
        self.taps.clear()
        if self._on_ended is not None:
            self._on_ended(reason)

    def _mixed(
        self, members: tuple[_Member, ...], played: Mapping[str, NDArray[np.float32]]
    ) -> list[Pcm]:
        if self._gains is None:
            self._gains = self._routes.matrix([member.name for member in members])
        frames = np.array([member.frame for member in members], dtype=np.float32)
        mixed = mix(frames, self._gains)
        for row, member in enumerate(members):
            if (program := played.get(member.name)) is not None:
                mixed[row] += program
        pcm = limited(mixed)
        audible: NDArray[np.bool_] = np.any(pcm, axis=1)
        return [
            pcm[row] if audible[row] else member.comfort.pop() for row, member in enumerate(members)
        ]

    def _tell_taps(self, members: tuple[_Member, ...], sent: list[Pcm]) -> None:
        if not self.taps:
            return
        said = {member.name: member.frame for member in members}
        heard = {member.name: frame for member, frame in zip(members, sent, strict=True)}
        for tap in tuple(self.taps):
            try:
                tap(said, heard)
            except Exception:
                log.exception("a tap of a room failed and was removed")
                if tap in self.taps:
                    self.taps.remove(tap)

    def _tell_ears(self, member: _Member, now_s: float, sent: Pcm) -> None:
        for ear in tuple(member.ears):
            try:
                ear.act(now_s, sent)
            except Exception:
                self._drop_ear(member, ear)

    def _drop_ear(self, member: _Member, ear: Ear) -> None:
        log.exception("an ear of a room failed and was removed")
        if ear in member.ears:
            member.ears.remove(ear)

    def _fail(self, member: _Member, error: Exception) -> None:
        log.error("a leg failed and left its room", exc_info=error)
        if not self._is_here(member):
            return
        self.remove(member.name)
        if self._on_member_failed is not None:
            try:
                self._on_member_failed(member.name, error)
            except Exception:
                log.exception("what follows after a leg's failure failed")

    def _is_here(self, member: _Member) -> bool:
        """Still: what follows after another's failure may have let them go within this tick."""
        return self._members.get(member.name) is member

    def _member(self, name: str) -> _Member:
        try:
            return self._members[name]
        except KeyError:
            raise LookupError(f"there is no member {name!r} in the room") from None

    def _changed(self, *names: str) -> Routes:
        """The routes, about to be changed between these members."""
        for name in names:
            self._member(name)
        self._gains = None
        return self._routes
