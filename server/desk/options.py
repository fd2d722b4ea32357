"""What an installation sets about its desks."""

from dataclasses import dataclass

from server.desk.protocol import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskOptions:
    """Lists to choose from, and how long is waited for whom."""

    away_reasons: tuple[Choice, ...] = (
        Choice(code="break", label="Break"),
        Choice(code="lunch", label="Lunch"),
        Choice(code="meeting", label="Meeting"),
        Choice(code="training", label="Training"),
        Choice(code="other_work", label="Other work"),
    )
    dispositions: tuple[Choice, ...] = (
        Choice(code="resolved", label="Resolved"),
        Choice(code="follow_up", label="Needs a follow-up"),
        Choice(code="passed_on", label="Passed on"),
        Choice(code="caller_left", label="Caller left"),
        Choice(code="wrong_number", label="Wrong number"),
    )
    return_steps: tuple[Choice, ...] = ()  # steps of the flow a call may be given back at
    lost_after_s: float = 2.0  # in talk: a quick reload is no loss, the caller hears a pause
    reconnect_s: float = 10.0  # in talk, unless the line is released before
    ringing_reconnect_s: float = 4.0  # before that: the caller could have somebody else
    audio_wait_s: float = 8.0  # from Answer to audio: ICE finds a way within a few seconds or never
    stay_ready_s: float = 60.0  # without a page; then they are away, and say when they are back
    wrap_up_s: float = 60.0  # then a wrap-up is overdue, or done where a disposition is chosen

    def disposition(self, code: str) -> Choice | None:
        return next((each for each in self.dispositions if each.code == code), None)

    def away_reason(self, code: str) -> Choice | None:
        return next((each for each in self.away_reasons if each.code == code), None)
