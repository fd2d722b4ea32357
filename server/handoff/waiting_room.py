"""The queue and the agents at their desks, kept in step; offers reach the runs of the callers."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol, assert_never
from uuid import UUID

from server.desk.presence import AgentDirectory, Presence
from telephony.queue import CallQueue
from telephony.queue_agents import NOT_ANSWERING
from telephony.queue_events import (
    MAIN_QUEUE,
    AgentAway,
    AgentEngaged,
    AgentReady,
    AgentSignedIn,
    AgentSignedOut,
    AgentState,
    AnnouncePosition,
    CallbackChosen,
    CallerJoined,
    CallerLeft,
    GiveUp,
    Offer,
    OfferAccepted,
    OfferCallback,
    OfferDeclined,
    OfferMissed,
    Place,
    QueueCommand,
    QueueEvent,
    ShowAgentState,
    TalkEnded,
    TimePassed,
)
from telephony.transfer_events import Recovery
from voice.events import HandOff

log = logging.getLogger(__name__)

_UNTIL_SAID_S: Final = 86_400.0  # wrap-up ends when the desk says so; a day is never reached


QUEUE_PREFIX: Final = "queue:"
"""Before the skill of a queue, where a target is named: the call is for whoever it picks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Which callers wait where, and who goes first.

    queues: skills that have a queue of their own, with its priority; all others share the main one.
    reasons: the priority of a reason for a hand-off, added to its queue's.
    """

    queues: Mapping[str, int] = field(default_factory=dict[str, int])
    reasons: Mapping[str, int] = field(default_factory=dict[str, int])

    def queue_of(self, skill: str | None) -> str:
        return skill if skill is not None and skill in self.queues else MAIN_QUEUE

    def priority_of(self, skill: str | None, reason: str | None) -> int:
        return self.queues.get(skill or "", 0) + self.reasons.get(reason or "", 0)


class Waiting(Protocol):
    """A caller's run, as the queue sees it."""

    def picked(self, agent: str) -> None: ...

    def gave_up(self, reason: str, recovery: Recovery) -> None: ...

    def position(self, position: int, estimated_wait_s: float | None) -> None: ...

    def offer_callback(self) -> None: ...


class PresenceLog(Protocol):
    def presence_changed(self, agent: str, at: datetime, state: str, reason: str = "") -> None: ...


class WaitingRoom:
    """Use on the event loop; `tick` at least once a second.

    `on_length` is told how many callers wait, when that changed; `on_counted` that the queue may
    have counted something.

    Args:
        queue: the machine.
        directory: who is at their desk; its `on_presence` becomes ours.
        presence_log: where every agent's day is written down.
        has_phone: whether the phone of an extension is registered now.
        routing: which callers wait where.
        wall: Unix time.
    """

    def __init__(
        self,
        queue: CallQueue,
        directory: AgentDirectory,
        presence_log: PresenceLog,
        *,
        has_phone: Callable[[str], bool] = lambda extension: False,
        routing: Routing | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._has_phone, self.routing = has_phone, routing or Routing()
        self.queue, self._directory, self._wall = queue, directory, wall
        self._presence_log = presence_log
        self.on_length: Callable[[int], None] = lambda length: None
        self.on_counted: Callable[[], None] = lambda: None
        self._length = 0
        self._runs: dict[str, Waiting] = {}
        self._kept: set[str] = set()  # callers who hung up and keep their place
        self._stands_for: dict[UUID, str] = {}  # calls to them, by the name the queue has for them
        directory.on_presence = self._presence_changed

    def tick(self) -> None:
        self._look_at_phones()
        self._tell(TimePassed())
        if self.queue.length != self._length:
            self._length = self.queue.length
            self.on_length(self._length)

    # --- what the runs of callers say -------------------------------------------------------------

    def join(
        self,
        run: Waiting,
        call_id: UUID,
        handoff: HandOff,
        *,
        first: bool,
        without: tuple[str, ...],
        language: str | None = None,
        known_agent: str | None = None,
    ) -> None:
        """The caller waits for whoever is free, or waits again.

        Args:
            without: agents who turned this caller away.
            language: BCP 47 tag; None: any agent's.
            known_agent: who had them before, and is waited for a little.
        """
        caller = self._runs_as(call_id)
        self._runs[caller] = run
        self._tell(
            CallerJoined(
                caller=caller,
                queue=self.routing.queue_of(handoff.skill),
                skill=handoff.skill,
                priority=self.routing.priority_of(handoff.skill, handoff.reason),
                language=language,
                sticky_agent=known_agent,
                first=first,
                excluded=frozenset(without),
            )
        )

    def leave(self, call_id: UUID, reason: str) -> None:
        """The caller waits no longer; idempotent. Who keeps their place waits on."""
        caller = self._runs_as(call_id)
        if caller not in self._kept:
            self._tell(CallerLeft(caller=caller, reason=reason))

    def over(self, call_id: UUID) -> None:
        """The hand-off is over: nothing more is told to its run."""
        self.leave(call_id, "caller_hangup")
        caller = self._runs_as(call_id)
        self._stands_for.pop(call_id, None)
        if caller not in self._kept:
            self._runs.pop(caller, None)

    def rung(self, agent: str, call_id: UUID) -> None:
        """An agent is rung for this call; the queue knows already if it picked them."""
        self._tell(AgentEngaged(agent=agent, caller=self._runs_as(call_id)))

    def answered(self, agent: str, call_id: UUID) -> None:
        """They have the caller now."""
        self._tell(OfferAccepted(agent=agent, caller=self._runs_as(call_id)))

    def turned_away(self, agent: str, call_id: UUID, *, declined: bool) -> None:
        """They do not get the caller: they declined, or were not there."""
        ended = OfferDeclined if declined else OfferMissed
        self._tell(ended(agent=agent, caller=self._runs_as(call_id)))

    def talk_ended(self, agent: str, *, held_s: float) -> None:
        self._tell(TalkEnded(agent=agent, held_s=held_s))

    # --- callers who are to be called back --------------------------------------------------------

    def place(self, call_id: UUID) -> Place | None:
        """To be kept; None: this caller does not wait."""
        return self.queue.place(str(call_id))

    def position(self, call_id: UUID) -> int:
        """In line: 1 is next, also for who is being offered to somebody."""
        callers = self.queue.callers(self._wall())
        here = next((each for each in callers if each.caller == str(call_id)), None)
        return here.position or 1 if here else 1

    def keep_place(self, call_id: UUID, waiting: Waiting) -> None:
        """The caller hangs up; `waiting` is told from now on what their run was told."""
        self._kept.add(str(call_id))
        self._runs[str(call_id)] = waiting
        self._tell(CallbackChosen(caller=str(call_id)))

    def wait_again(self, waiting: Waiting, call_id: UUID, skill: str | None, place: Place) -> None:
        """Take a place in line that was kept, for who is not on the line."""
        caller = str(call_id)
        self._runs[caller] = waiting
        self._kept.add(caller)
        joined = CallerJoined(caller=caller, skill=skill, place=place)
        for command in self.queue.receive(joined, self._wall()):
            # An offer of them comes again, with the word that they are absent.
            if not (isinstance(command, Offer) and command.caller == caller):
                self._carry_out(command)
        self._tell(CallbackChosen(caller=caller))

    def give_place_back(self, call_id: UUID) -> None:
        """The place is not needed any more, or not now; idempotent."""
        caller = str(call_id)
        self._kept.discard(caller)
        self._runs.pop(caller, None)
        self._tell(CallerLeft(caller=caller, reason="called_back"))

    def called_back_by(self, call_id: UUID, promised_in: UUID) -> None:
        """A call of ours to somebody who keeps their place: the queue knows them by the old one."""
        self._stands_for[call_id] = str(promised_in)

    def is_staffed(self, skill: str | None) -> bool:
        """Whether anybody who could take such a caller is signed in."""
        return any(skill is None or skill in each.skills for each in self.queue.agents())

    def _runs_as(self, call_id: UUID) -> str:
        return self._stands_for.get(call_id, str(call_id))

    # --- the queue --------------------------------------------------------------------------------

    def _tell(self, event: QueueEvent) -> None:
        for command in self.queue.receive(event, self._wall()):
            self._carry_out(command)
        self.on_counted()

    def _carry_out(self, command: QueueCommand) -> None:
        if isinstance(command, ShowAgentState):
            self._show(command)
            return
        run = self._runs.get(command.caller)
        if run is None:
            return
        match command:
            case Offer(agent=agent):
                run.picked(agent)
            case GiveUp(reason=reason, recovery=recovery):
                run.gave_up(reason.value, recovery)
            case AnnouncePosition(position=position, estimated_wait_s=wait_s):
                run.position(position, wait_s)
            case OfferCallback():
                run.offer_callback()
            case _:
                assert_never(command)

    # --- the agents -------------------------------------------------------------------------------

    def _presence_changed(self, agent: str, presence: Presence) -> None:
        # Soon: what follows may ring the agent, which changes the directory that tells us.
        asyncio.get_running_loop().call_soon(self._follow, agent)
        reason = self._directory.get(agent).away_reason or ""
        self._presence_log.presence_changed(
            agent, datetime.now(UTC), presence.value, reason if presence is Presence.AWAY else ""
        )

    def _look_at_phones(self) -> None:
        """Who takes calls on a phone is there as long as it is registered."""
        for agent in self._directory.agents():
            extension = agent.profile.extension
            if extension is not None:
                self._directory.phone_registered(agent.profile.id, self._has_phone(extension))

    def _follow(self, agent: str) -> None:
        state = self._directory.get(agent)
        match state.presence:
            case Presence.READY:
                self._signed_in(agent)
                self._tell(AgentReady(agent=agent))
            case Presence.AWAY:
                self._signed_in(agent)
                self._tell(AgentAway(agent=agent, reason=state.away_reason or ""))
            case Presence.OFFLINE:
                self._tell(AgentSignedOut(agent=agent))
            case Presence.RINGING | Presence.TALKING | Presence.WRAP_UP:
                pass  # the queue knows these from the offers

    def _signed_in(self, agent: str) -> None:
        profile = self._directory.get(agent).profile
        self._tell(
            AgentSignedIn(
                agent=agent,
                skills=profile.skills,
                languages=frozenset(profile.languages),
                wrap_up_s=_UNTIL_SAID_S,
            )
        )

    def _show(self, shown: ShowAgentState) -> None:
        """Who did not answer is away until they say otherwise, on their desk too."""
        if shown.state is AgentState.AWAY and shown.reason == NOT_ANSWERING:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._directory.choose_away, shown.agent, NOT_ANSWERING)
