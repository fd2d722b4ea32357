# ruff: noqa: SIM905 (a hundred words read better as a paragraph than as a list)
"""The model's own vocabulary, such that stock faster-whisper reads it.

faster-whisper suppresses the tokens of some symbols, found by encoding each with and without a
space before it. Where such a symbol is not a token of its own, the first piece is suppressed, which
may be the bare space: hence all of them are added. The full byte alphabet is there so that any
text has an encoding, and Whisper's special tokens and timestamps so that its prompts do.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

SYMBOLS: Final = (
    list('"#()*+/:;<=>@[\\]^_`{|}~「」『』')
    + "<< >> <<< >>> -- --- -( -[ (' (\" (( )) ((( ))) [[ ]] {{ }} ♪♪ ♪♪♪ - '".split()
    + list("♩♪♫♬♭♮♯")
)
SPECIAL: Final = tuple(
    f"<|{name}|>"
    for name in (
        "endoftext startoftranscript translate transcribe startoflm startofprev nospeech "
        "notimestamps"
    ).split()
)
TIMESTAMP_S: Final = 0.02
_TIMESTAMPS: Final = 501  # 0 to 10 s: longer utterances are cut before they come here


class Vocabulary:
    """Text to tokens and back."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer: Any = Tokenizer.from_file(str(path))
        self.size = int(self._tokenizer.get_vocab_size())
        self.end = self._id("<|endoftext|>")
        self.start = self._id("<|startoftranscript|>")
        self.no_speech = self._id("<|nospeech|>")
        self.no_timestamps = self._id("<|notimestamps|>")
        self.first_time = self._id("<|0.00|>")

    def _id(self, name: str) -> int:
        found = self._tokenizer.token_to_id(name)
        if found is None:
            raise ValueError(f"the vocabulary has no {name}")
        return int(found)

    def tokens(self) -> list[str]:
        """All entries in the order of their numbers."""
        entries: dict[str, int] = self._tokenizer.get_vocab()
        return sorted(entries, key=entries.__getitem__)

    def encode(self, text: str) -> list[int]:
        """The tokens of a sentence, with the space before it that Whisper writes."""
        return list(self._tokenizer.encode(f" {text}", add_special_tokens=False).ids)

    def decode(self, tokens: Iterable[int]) -> str:
        """The sentence, special tokens and times left out."""
        return str(self._tokenizer.decode([t for t in tokens if t < self.end])).strip()

    def time(self, seconds: float) -> int:
        """The token for a time."""
        return self.first_time + max(0, min(_TIMESTAMPS - 1, round(seconds / TIMESTAMP_S)))


def build(texts: Iterable[str], path: Path, *, size: int = 800) -> None:
    """Learn a vocabulary of about `size` pieces from sentences and write it."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    made: Any = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer: Any = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator((f" {text}" for text in texts), trainer)
    plain = [f" {s}" for s in SYMBOLS] + [s for s in SYMBOLS if len(s) > 1]
    made.add_tokens([AddedToken(s, normalized=False) for s in dict.fromkeys(plain)])
    times = [f"<|{n * TIMESTAMP_S:.2f}|>" for n in range(_TIMESTAMPS)]
    made.add_special_tokens(
        [AddedToken(s, normalized=False, special=True) for s in (*SPECIAL, *times)]
    )
    made.save(str(path))
