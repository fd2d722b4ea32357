"""What a recogniser is asked: one utterance, and the same with its features."""

from dataclasses import dataclass

from models.constraint import Vocabulary
from models.speech import Pcm, Samples


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request:
    """One utterance to transcribe; the fields are the arguments of `SttEngine.transcribe`."""

    pcm: Pcm
    hint: str | None = None
    within: Vocabulary | None = None
    words: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A request with its features, one array for each window; none where nothing is said."""

    request: Request
    windows: tuple[Samples, ...] = ()
    begin_s: float = 0.0  # where the first window begins in the request's audio
    sound_s: tuple[float, float] = (0.0, 0.0)  # where sound begins and ends in it
    lengths: tuple[int, ...] = ()  # mel frames to encode
    cpu_s: float = 0.0

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Requests of the same key are decoded together."""
        return (self.lengths, self.request.hint)
