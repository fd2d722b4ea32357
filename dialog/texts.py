"""What a flow says: a text, how it is put when time is short, and what may interrupt it."""

from dataclasses import dataclass

from dialog.events import BargeIn


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Something to say; its {fields} are filled in when it is said."""

    say: str
    short: str | None = None  # the same in fewer words, for a machine that has too much to do
    barge_in: BargeIn | None = None  # None: as where it is said

    @property
    def forms(self) -> tuple[str, ...]:
        """All ways of putting it."""
        return (self.say,) if self.short is None else (self.say, self.short)

    def form(self, *, terse: bool) -> str:
        """The way of putting it that is wanted."""
        return self.short if terse and self.short is not None else self.say
