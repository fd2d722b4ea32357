"""Transfers that go wrong, at every transition: what each does, and how it must end; data only."""

from dataclasses import dataclass, replace

from loadtest.transfer.script import (
    TAKES,
    Accept,
    CloseDesk,
    Converse,
    Decline,
    GiveBack,
    HangUp,
    Hold,
    Ignore,
    LoseAudio,
    PickUp,
    Resume,
    Return,
    Script,
    Step,
    TransferOn,
    UntilOver,
    Vanish,
    Wait,
)

JOINED: Script = (Accept(), Converse())
HELD: Script = (*JOINED, Hold())


@dataclass(frozen=True, kw_only=True)
class Case:
    """One transfer that goes wrong.

    agents: a script for each who is rung, in order; an empty one: signed in, and away.
    attempts: how the ringing of each ended, by the records.
    outcomes: of the hand-offs, by the records.
    end: why the call ended, by the records.
    taken_by: the last agent whom the caller heard, and who heard the caller; None: nobody.
    caller: what the caller does besides waiting: hangs up, vanishes, callback (hears of it and
        hangs up), key 1 (chooses it), asks again (once frontdesk has them back), does the step
        (that the agent gave them back for).
    at: when they do that, or the server is killed: a phase of the first agent's desk, or queued.
    killed: the server is, with SIGKILL.
    brief: the first agent wants to hear the brief.
    again: what the first agent does with the next caller, once they are free.
    processes: of the server; where there are several, the caller is not in that of the agents.
    """

    name: str
    agents: tuple[Script, ...] = ()
    attempts: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ("agent_hangup",)
    end: str = "agent_hangup"
    taken_by: int | None = None
    caller: str = "waits"
    at: str = ""
    killed: bool = False
    brief: bool = False
    again: Script = ()
    processes: int = 1


def taken(name: str, *script: Step, brief: bool = False) -> Case:
    """The only agent does this, and the caller is served."""
    return Case(name=name, agents=(script,), attempts=("accepted",), taken_by=0, brief=brief)


def next_agent(name: str, *script: Step, ended: str, brief: bool = False) -> Case:
    """The first agent does this, and the second one takes the caller."""
    attempts = (ended, "accepted")
    return Case(name=name, agents=(script, TAKES), attempts=attempts, taken_by=1, brief=brief)


def nobody_else(name: str, *script: Step, ended: str) -> Case:
    """The first agent does this, there is no other, and the caller is to be called back."""
    return Case(
        name=name,
        agents=(script,),
        attempts=(ended,),
        outcomes=("nobody_signed_in",),
        end="caller_hangup",
        caller="callback",
    )


def given_back(name: str, *script: Step, step: str | None) -> Case:
    """The agent gives the caller back, is free again, and gets them again."""
    return Case(
        name=name,
        agents=((*script, GiveBack(step=step), UntilOver()),),
        again=TAKES,
        attempts=("accepted", "accepted"),
        outcomes=(f"returned: {step}" if step else "returned", "agent_hangup"),
        taken_by=0,
        caller="does the step" if step else "asks again",
    )


def given_on(name: str, *others: Script, attempts: tuple[str, ...], target: str = "agent1") -> Case:
    """The first agent gives the caller on to the target; the others do this."""
    return Case(
        name=name,
        agents=((*JOINED, TransferOn(target=target), UntilOver()), *others),
        attempts=("accepted", *attempts),
        taken_by=len(others),
    )


def caller_goes(how: str, at: str, *script: Step, attempts: tuple[str, ...] = ()) -> Case:
    """The caller leaves while the first agent is in this phase."""
    return Case(
        name=f"caller {how}, {at}",
        agents=(script,),
        attempts=attempts,
        outcomes=("caller_hangup",),
        end="caller_hangup" if how == "hangs up" else "media_timeout",
        caller=how,
        at=at,
    )


def server_dies(at: str, *script: Step, attempts: tuple[str, ...] = ()) -> Case:
    """In this phase; started again, it serves the next caller and the same agent."""
    return Case(
        name=f"server killed, {at}",
        agents=(script,),
        attempts=attempts,
        outcomes=("server_crash",),
        end="server_crash",
        at=at,
        killed=True,
    )


CASES = (
    # while it rings
    next_agent("declined", Decline(), ended="declined"),
    next_agent("not answered", Ignore(), ended="no_answer"),
    next_agent("browser closed, ringing", CloseDesk(), ended="unreachable"),
    next_agent("network cut, ringing", Vanish(), ended="no_answer"),
    taken("browser reloaded, ringing", CloseDesk(), Return(), *TAKES),
    # picked up, and not yet taken
    taken("taken after reading", PickUp(), *TAKES),
    next_agent("declined, picked up", PickUp(), Decline(), ended="declined"),
    next_agent("never taken", PickUp(), UntilOver(), ended="not_accepted"),
    next_agent("browser closed, picked up", PickUp(), CloseDesk(), ended="browser_closed"),
    next_agent("network cut, picked up", PickUp(), Vanish(), ended="network_error"),
    next_agent("audio lost, picked up", PickUp(), LoseAudio(), UntilOver(), ended="network_error"),
    # while the brief is whispered
    taken("taken during the brief", PickUp(), Wait(for_s=1), *TAKES, brief=True),
    next_agent("declined, briefed", PickUp(), Decline(), ended="declined", brief=True),
    next_agent("browser closed, briefed",
               PickUp(), CloseDesk(), ended="browser_closed", brief=True),
    next_agent("network cut, briefed", PickUp(), Vanish(), ended="network_error", brief=True),
    # in the conversation
    taken("agent hangs up", *TAKES),
    next_agent("browser closed, joined", *JOINED, CloseDesk(), ended="accepted"),
    next_agent("network cut, joined", *JOINED, Vanish(), ended="accepted"),
    next_agent("audio lost, joined", *JOINED, LoseAudio(), UntilOver(), ended="accepted"),
    taken("browser reloaded, joined", *JOINED, Return(), Converse(), HangUp(), UntilOver()),
    taken("browser back in time, joined",
          *JOINED, CloseDesk(), Wait(for_s=2.5), Return(), Converse(), HangUp(), UntilOver()),
    # on hold
    taken("taken back from hold", *HELD, Resume(), Converse(), HangUp(), UntilOver()),
    taken("agent hangs up, held", *HELD, HangUp(), UntilOver()),
    next_agent("browser closed, held", *HELD, CloseDesk(), ended="accepted"),
    next_agent("network cut, held", *HELD, Vanish(), ended="accepted"),
    # given back to frontdesk, and asked for again
    given_back("given back at a step", *JOINED, step="order_status"),
    given_back("given back", *JOINED, step=None),
    given_back("given back, held", *HELD, step="order_status"),
    # given on to somebody else
    given_on("given on to a colleague", TAKES, attempts=("accepted",)),
    given_on("given on, declined", (Decline(),), TAKES, attempts=("declined", "accepted")),
    given_on("given on, not answered", (Ignore(),), TAKES, attempts=("no_answer", "accepted")),
    given_on("given on to nowhere", TAKES, attempts=("no_answer", "accepted"),
             target="sip:nobody@127.0.0.1:9"),
    # nobody else is there
    nobody_else("declined, nobody else", Decline(), ended="declined"),
    nobody_else("not answered, nobody else", Ignore(), ended="no_answer"),
    nobody_else("browser closed, nobody else", CloseDesk(), ended="unreachable"),
    nobody_else("browser closed, joined, nobody else", *JOINED, CloseDesk(), ended="accepted"),
    Case(name="nobody is there", outcomes=("nobody_signed_in",), end="caller_hangup",
         caller="callback"),
    # the caller
    caller_goes("hangs up", "queued"),
    caller_goes("hangs up", "ringing", Ignore(), attempts=("caller_hangup",)),
    caller_goes("hangs up", "briefing", PickUp(), UntilOver(), attempts=("caller_hangup",)),
    caller_goes("hangs up", "talking", *JOINED, UntilOver(), attempts=("accepted",)),
    caller_goes("hangs up", "held", *HELD, UntilOver(), attempts=("accepted",)),
    caller_goes("vanishes", "queued"),
    caller_goes("vanishes", "ringing", Ignore(), attempts=("caller_hangup",)),
    caller_goes("vanishes", "talking", *JOINED, UntilOver(), attempts=("accepted",)),
    # the server
    server_dies("queued"),
    server_dies("ringing", Ignore()),
    server_dies("briefing", PickUp(), UntilOver()),
    server_dies("talking", *JOINED, UntilOver(), attempts=("accepted",)),
    server_dies("held", *HELD, UntilOver(), attempts=("accepted",)),
    # one after the other
    Case(name="three fail and the fourth takes",
         agents=((Decline(),), (Ignore(),), (CloseDesk(),), TAKES),
         attempts=("declined", "no_answer", "unreachable", "accepted"), taken_by=3),
    Case(name="two are lost and the third stays",
         agents=((*JOINED, CloseDesk()), (*JOINED, Vanish()), TAKES),
         attempts=("accepted", "accepted", "accepted"), taken_by=2),
    # last: whoever is free afterwards would be rung for them
    Case(name="caller chooses to be called back", agents=((),), outcomes=("callback_promised",),
         end="callback_promised", caller="key 1"),
)  # fmt: skip

ACROSS = tuple(
    replace(case, name=f"{case.name}, two processes", processes=2)
    for case in CASES
    if not case.killed  # whoever dies there takes less along: tests/e2e/test_tie_lines.py
)

QUICK = frozenset(
    {
        "declined",
        "not answered",
        "browser closed, picked up",
        "declined, briefed",
        "browser closed, joined",
        "network cut, joined",
        "given back at a step",
        "given on, declined",
        "nobody is there",
        "caller hangs up, ringing",
        "caller vanishes, talking",
        "server killed, talking",
        "declined, briefed, two processes",
        "network cut, joined, two processes",
        "given back at a step, two processes",
        "given on, declined, two processes",
        "nobody is there, two processes",
        "caller hangs up, ringing, two processes",
        "caller vanishes, talking, two processes",
    }
)
