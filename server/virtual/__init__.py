"""Calls of the turn-taking suite without a network and without waiting.

Everything that decides is real: detector, echo guard, jitter buffer, recogniser, dialog, voice, and
the caller of `loadtest.turns` with its scoring. Time is counted in ticks, so a call takes the CPU
that it needs and not its length, and a plan gives the same call however busy the machine, but for
the recogniser: its scores differ in the second digit from run to run, and where a look at half a
word is a close thing, so may the call. Recognition and the back end take the times that are set.
"""
