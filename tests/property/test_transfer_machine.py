"""What must hold in a warm transfer whatever happens, in any order, at any time."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from telephony.transfer import Transfer, TransferOptions, TransferState
from telephony.transfer_events import (
    LOSSES,
    AgentTransferredOn,
    BeginWrapUp,
    BriefEnded,
    CallerChose,
    CallerGone,
    CallReturned,
    EndTransfer,
    EnterQueue,
    HoldCaller,
    JoinCaller,
    LeaveQueue,
    QueueGaveUp,
    Recovery,
    ReferProgressed,
    ReleaseTarget,
    RingTarget,
    SayBrief,
    SendRefer,
    StopBrief,
    TakeBack,
    TargetAccepted,
    TargetAnswered,
    TargetDeclined,
    TargetFailed,
    TargetGone,
    TargetPicked,
    TargetRinging,
    TimePassed,
    TransferCommand,
    TransferEvent,
    TransferMode,
    TransferRequested,
)

OPTIONS = TransferOptions(max_attempts=3, total_s=120.0)
ENDS = (TargetFailed, TargetDeclined, TargetGone)

TARGETS = st.one_of(st.none(), st.sampled_from(["ada", "ben", "sip:900@pbx.example"]))
EVENTS: st.SearchStrategy[TransferEvent] = st.one_of(
    st.builds(TransferRequested, mode=st.sampled_from(TransferMode), target=TARGETS),
    st.builds(TargetPicked, target=st.sampled_from(["ada", "ben", "cleo", "dan"])),
    st.builds(
        QueueGaveUp,
        reason=st.sampled_from(["closed", "waited_too_long"]),
        recovery=st.sampled_from(Recovery),
    ),
    st.just(TargetRinging()),
    st.builds(TargetAnswered, sees_context=st.booleans()),
    st.just(TargetAccepted()),
    st.just(TargetDeclined(reason="on a break")),
    st.builds(TargetFailed, reason=st.sampled_from(["busy", "no_answer", "voicemail", "503"])),
    st.builds(TargetGone, reason=st.sampled_from(["agent_hangup", *sorted(LOSSES)])),
    st.just(BriefEnded()),
    st.builds(
        ReferProgressed, status=st.sampled_from([100, 180, 200, 202, 486]), answer=st.booleans()
    ),
    st.builds(CallerGone, reason=st.just("caller_hangup")),
    st.builds(CallerChose, recovery=st.sampled_from(Recovery)),
    st.builds(CallReturned, step=st.sampled_from([None, "take_payment"])),
    st.builds(AgentTransferredOn, mode=st.sampled_from(TransferMode), target=TARGETS),
    st.just(TimePassed()),
)


@dataclass
class Shell:
    """Obeys every command, and knows what it holds: legs, a place in the queue, music, a brief."""

    transfer: Transfer = field(default_factory=lambda: Transfer(OPTIONS))
    now_s: float = 1000.0
    target: str | None = None  # rung, up, or lost and entitled to come back
    up: bool = False  # the target's leg
    accepted: bool = False
    lost: bool = False
    talked: bool = False  # to the target of now, who owes a wrap-up
    queued: bool = False
    briefing: bool = False
    referred: bool = False
    caller: str = "dialog"  # dialog, held, joined, taken_back, ended
    commands: list[TransferCommand] = field(default_factory=list[TransferCommand])

    def tell(self, event: TransferEvent) -> None:
        self.notice(event)
        for command in self.transfer.receive(event, self.now_s):
            assert self.caller not in ("taken_back", "ended"), f"{command} after the end"
            self.commands.append(command)
            self.obey(command)

    def notice(self, event: TransferEvent) -> None:
        """What the world changes before the machine hears of it."""
        match event:
            case TargetAnswered() if self.target:
                self.up = True
            case TargetAccepted() if self.target:
                self.accepted = True
                self.up = self.up or self.lost  # either word of a lost one says that they are back
            case TargetGone() | TargetFailed() | TargetDeclined() if self.target:
                self.up = False
                unmeant = not isinstance(event, TargetGone) or event.reason in LOSSES
                if self.caller == "joined" and unmeant:
                    self.lost = True
                elif not self.lost:
                    self.target = None
            case BriefEnded():
                self.briefing = False
            case TargetPicked() | QueueGaveUp():
                self.queued = False
            case _:
                pass

    def obey(self, command: TransferCommand) -> None:  # noqa: C901  one case a command
        match command:
            case HoldCaller():
                assert self.caller != "held"
                self.caller = "held"
            case EnterQueue():
                assert self.caller == "held"
                assert not self.queued
                assert self.target is None, "waits for a target while it has one"
                self.queued = True
            case LeaveQueue():
                self.queued = False
            case RingTarget(target=target):
                assert self.target is None, "two targets at once"
                assert self.caller == "held"
                self.target, self.up, self.accepted = target, False, False
                self.lost = self.talked = False
            case ReleaseTarget():
                assert self.target is not None, "nobody to release"
                self.target, self.up, self.lost = None, False, False
            case SayBrief():
                assert self.up
                assert self.caller == "held", "the caller would hear the brief"
                self.briefing = True
            case StopBrief():
                self.briefing = False
            case JoinCaller():
                assert self.accepted, "joined without their consent"
                assert self.up, "joined with nobody"
                assert not self.briefing, "the brief plays into the conversation"
                assert self.caller == "held"
                self.caller, self.lost, self.talked = "joined", False, True
            case SendRefer(replaces_target=replaces):
                assert self.caller == "held"
                assert self.accepted or not replaces
                self.referred = True
            case BeginWrapUp():
                assert self.talked, "nobody talked to this caller"
                self.talked = False
            case TakeBack():
                self.caller = "taken_back"
            case EndTransfer(reason=reason):
                assert reason in ("caller_hangup", "agent_hangup", "referred")
                assert self.referred or reason != "referred"
                self.caller = "ended"

    def check(self) -> None:
        state = self.transfer.state
        if state is TransferState.REQUESTED:
            return
        if state is TransferState.OVER:
            assert self.caller in ("taken_back", "ended")
            assert not self.briefing
            assert not self.talked, "an agent who talked has no wrap-up"
            assert self.target is None, "an orphan leg"
            return
        assert self.caller == ("joined" if state is TransferState.JOINED else "held")
        assert self.briefing == (state is TransferState.BRIEFING)
        assert self.queued == (state is TransferState.QUEUED)
        if state not in (TransferState.QUEUED, TransferState.REFERRING):
            assert self.target == self.transfer.target is not None
        assert self.transfer.attempts <= OPTIONS.max_attempts


class AnyTransfer(RuleBasedStateMachine):
    """Events in any order, sensible or not, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.shell = Shell()

    @rule(event=EVENTS, step_s=st.floats(min_value=0.0, max_value=12.0))
    def anything_happens(self, event: TransferEvent, step_s: float) -> None:
        self.shell.now_s += step_s
        # The queue's word counts only while the caller is in it, or it was sent in crossing.
        if isinstance(event, TargetPicked | QueueGaveUp) and not self.shell.queued:
            assert self.shell.transfer.receive(event, self.shell.now_s) == ()
            return
        self.shell.tell(event)

    @rule(events=st.lists(EVENTS, max_size=3))
    def it_gets_going(self, events: list[TransferEvent]) -> None:
        """Random events alone seldom reach a conversation."""
        self.shell.tell(TransferRequested(mode=TransferMode.WARM))
        if self.shell.queued:
            self.shell.tell(TargetPicked(target="eve"))
            self.shell.tell(TargetAnswered(sees_context=True))
            self.shell.tell(TargetAccepted())
        for event in events:
            self.anything_happens(event, 0.0)

    @invariant()
    def the_machine_and_the_world_agree(self) -> None:
        self.shell.check()

    def teardown(self) -> None:
        """Time and the caller's hanging up end it from anywhere, with nothing held."""
        self.shell.now_s += 10_000.0
        self.shell.tell(TimePassed())
        self.shell.check()
        self.shell.tell(CallerGone(reason="caller_hangup"))
        self.shell.check()
        assert self.shell.transfer.state is TransferState.OVER
        assert not self.shell.queued
        assert self.shell.transfer.receive(TimePassed(), self.shell.now_s + 1) == ()


AnyTransfer.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestAnyTransfer = AnyTransfer.TestCase


def next_in_a_fair_world(shell: Shell, choice: int) -> TransferEvent:
    """Somebody always does something, sooner or later; `choice` says what."""
    fail = TargetFailed(reason="busy")
    options: tuple[TransferEvent, ...]
    match shell.transfer.state:
        case TransferState.QUEUED:
            options = (TargetPicked(target=f"agent{choice}"), TimePassed())
        case TransferState.RINGING:
            options = (TargetAnswered(sees_context=choice > 4), TimePassed(), fail)
        case TransferState.BRIEFING:
            options = (BriefEnded(), TargetAccepted(), TargetDeclined(), TimePassed())
        case TransferState.DECIDING:
            options = (TargetAccepted(), TimePassed(), TargetGone(reason="media_timeout"))
        case TransferState.REFERRING:
            options = (ReferProgressed(status=(100, 200, 486)[choice % 3]), TimePassed())
        case TransferState.JOINED:
            options = (TargetGone(reason="agent_hangup"), CallReturned(step="take_payment"))
        case _:
            options = (TimePassed(),)
    return options[choice % len(options)]


@settings(max_examples=1000, deadline=None)
@given(
    mode=st.sampled_from(TransferMode),
    target=TARGETS,
    choices=st.lists(st.integers(min_value=0, max_value=9), min_size=1, max_size=30),
)
def test_a_fair_world_ends_every_transfer_in_bounded_time(
    mode: TransferMode, target: str | None, choices: list[int]
):
    shell = Shell()
    begun_s = shell.now_s
    shell.tell(TransferRequested(mode=mode, target=target))
    turn = 0
    while shell.transfer.state is not TransferState.OVER:
        shell.now_s += 1.0
        shell.tell(next_in_a_fair_world(shell, choices[turn % len(choices)]))
        shell.tell(TimePassed())
        shell.check()
        turn += 1
        assert shell.now_s - begun_s <= OPTIONS.total_s + 1.0
    rung = [command.target for command in shell.commands if isinstance(command, RingTarget)]
    assert len(rung) <= OPTIONS.max_attempts
    assert isinstance(shell.commands[-1], TakeBack | EndTransfer)


@settings(max_examples=300, deadline=None)
@given(events=st.lists(EVENTS, max_size=30))
def test_the_last_command_is_the_outcome(events: list[TransferEvent]):
    transfer = Transfer(OPTIONS)
    commands: list[TransferCommand] = []
    for tick, event in enumerate([TransferRequested(), *events]):
        commands += transfer.receive(event, float(tick))
    outcomes = [
        i for i, command in enumerate(commands) if isinstance(command, TakeBack | EndTransfer)
    ]
    if transfer.state is TransferState.OVER:
        assert outcomes == [len(commands) - 1]
    else:
        assert outcomes == []
