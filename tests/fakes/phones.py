"""Calling a system under test: a phone that says and keys what a test tells it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loadtest.phone import CallOptions, CallSummary, Item, Press, Say, place_call
from loadtest.speech import VoiceSettings
from tests.fakes.recordings import contains_phrase, read_stereo

VOICE = VoiceSettings(name="en-gb+m3", rate_wpm=160)
CHANGE_ADDRESS: tuple[Item, ...] = (
    Say(text="i'd like to change my shipping address"),
    Press(digits="4815"),
    Press(digits="90210"),
    Say(text="forty two oak street springfield"),
)
"""As far as the question whether the address is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A call that is over, as the caller had it."""

    summary: CallSummary
    recording: Path

    def contains(self, phrase: str) -> bool:
        """Did the caller hear this sentence?"""
        _, far_end = read_stereo(self.recording)
        return contains_phrase(far_end, phrase, damaged=True)


async def phone_call(
    target: str,
    items: tuple[Item, ...],
    folder: Path,
    *,
    on_sent: Callable[[int], None] | None = None,
    hold_s: float = 4.0,
) -> Heard:
    """Dial, send the items one by one, each after the prompt before, and hang up.

    Args:
        on_sent: called as soon as the n-th item, counted from 0, begins to be sent.
        hold_s: how long to stay after the last prompt, in case it was not the last.
    """
    recording = folder / "phone-stereo.wav"
    sent = 0

    def progress(line: str) -> None:
        nonlocal sent
        if on_sent is not None and line.startswith(("saying", "keying", "playing")):
            on_sent(sent)
            sent += 1

    summary = await place_call(
        CallOptions(
            target=target,
            items=items,
            save_stereo=recording,
            voice=VOICE,
            hold_s=hold_s,
            quiet_s=1.2,  # on a busy machine a prompt has holes, and none of them is its end
        ),
        on_progress=progress,
    )
    return Heard(summary=summary, recording=recording)
