"""Calls of the turn-taking suite without a network and without waiting.

Everything that decides is real: detector, echo guard, jitter buffer, recogniser, dialog, voice, and
the caller of `loadtest.turns` with its scoring. Time is counted in ticks, so a call takes the CPU
that it needs and not its length, and the same plan gives the same call on any machine, however
busy. Recognition and the back end take the times that are set.
"""
