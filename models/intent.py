"""The intent engine: which of a flow's intents a sentence means, with calibrated probabilities.

TF-IDF over words and characters with logistic regression: it is trained in about a second when the
server starts, answers in about a millisecond, and needs no download. One class more than the
intents, the background, stands for everything else a caller may say (intent_background.txt).

What was trained is kept on disk as plain arrays, never as a pickle, under a name made of all that
went into it; a file that is damaged is trained anew.
"""

import hashlib
import json
import logging
import os
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import sklearn
from numpy.typing import NDArray
from scipy.sparse import hstack  # pyright: ignore[reportUnknownVariableType]
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

_log: Final = logging.getLogger(__name__)

_FORMAT: Final = 1  # of the cached file; raise it with any change to what is trained or stored
_BACKGROUND_FILE: Final = Path(__file__).with_name("intent_background.txt")
_BACKGROUND: Final = 0  # its class; the intents follow from 1

_LOOKS_ALIKE: Final = 0.7  # cosine at which a background line is taken for an intent's own
_FOLDS: Final = 3  # of the cross-validation that finds the temperature
_REGULARISATION: Final = 8.0  # inverse strength, sklearn's C
_TEMPERATURES: Final = tuple(np.geomspace(0.2, 5.0, 60).tolist())  # those tried
_SEED: Final = 0  # of the folds: the same examples always make the same engine

_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_NUMBERS: Final = frozenset(
    {
        *("zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
        *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
        *("eighteen", "nineteen", "twenty", "thirty", "forty", "fifty", "sixty", "seventy"),
        *("eighty", "ninety", "hundred", "thousand", "double", "triple"),
    }
)
_NUMBER: Final = "xnumberx"  # stands for a run of number words: which number says nothing


class IntentExamplesError(ValueError):
    """The examples cannot be trained on: no intent, or one with fewer than two sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weights:
    """All that was learnt."""

    intents: tuple[str, ...]
    words: Mapping[str, int]  # column of each word n-gram
    chars: Mapping[str, int]  # column of each character n-gram
    words_idf: NDArray[np.float64]
    chars_idf: NDArray[np.float64]
    coefficients: NDArray[np.float64]  # (1 + intents, columns)
    intercepts: NDArray[np.float64]  # (1 + intents,)
    temperature: float


class _Half:
    """What words, or characters, say about one text.

    The same numbers as from TfidfVectorizer and a sparse product, at a tenth of the time: those are
    made for many texts at once, and spend most of it on matrices for one.
    """

    def __init__(
        self,
        terms: Callable[[str], Sequence[str]],
        columns: Mapping[str, int],
        idf: NDArray[np.float64],
        rows: NDArray[np.float64],
    ) -> None:
        """
        Args:
            terms: the n-grams of a text.
            rows: the coefficients, (columns, classes).
        """
        self._terms, self._columns, self._idf, self._rows = terms, columns, idf, rows

    def logits(self, normal: str) -> NDArray[np.float64]:
        """Of each class, (classes,)."""
        counts = Counter(map(self._columns.get, self._terms(normal)))
        counts.pop(None, None)  # terms that no example has
        if not counts:
            return np.zeros(len(self._rows[0]))
        columns = np.array([*counts], dtype=np.intp)
        often = np.array([*counts.values()], dtype=np.float64)
        weights = (1.0 + np.log(often)) * self._idf[columns]
        length = float(np.sqrt(weights @ weights))
        return np.dot(weights / length, self._rows[columns])


class IntentEngine:
    """Ranks intents. Immutable once made, and safe to share between threads."""

    def __init__(self, weights: _Weights) -> None:
        self._weights = weights
        words, chars = _vectorizers(weights.words, weights.chars)
        split = len(weights.words)
        rows = np.ascontiguousarray(weights.coefficients.T)
        self._halves = (
            _Half(_terms(words), weights.words, weights.words_idf, rows[:split]),
            _Half(_terms(chars), weights.chars, weights.chars_idf, rows[split:]),
        )

    @property
    def intents(self) -> tuple[str, ...]:
        return self._weights.intents

    def rank(self, text: str) -> tuple[tuple[str, float], ...]:
        """(intent, probability) of every intent, likeliest first.

        The probabilities add up to 1 less the probability that the text is about none of them.
        """
        normal = _normal(text)
        words, chars = (half.logits(normal) for half in self._halves)
        logits = words + chars + self._weights.intercepts
        probabilities = _softmax(logits[None] / self._weights.temperature)[0]
        ranked = zip(self._weights.intents, probabilities[1:].tolist(), strict=True)
        return tuple(sorted(ranked, key=lambda each: -each[1]))

    def out_of_scope(self, text: str) -> float:
        """Probability that the text is about none of the intents."""
        return max(0.0, 1.0 - sum(probability for _, probability in self.rank(text)))


def train_intents(
    examples: Mapping[str, Sequence[str]], cache_dir: Path | None = None
) -> IntentEngine:
    """Train an engine, or load the one trained from the same examples before.

    Args:
        examples: sentences of each intent; 25 and more, in callers' words, make it dependable.
        cache_dir: where engines are kept, made when missing; None keeps nothing. A folder that
            cannot be written is a warning, not an error.

    Raises:
        IntentExamplesError: there is no intent, or one has fewer than two sentences.
    """
    if not examples or min(map(len, examples.values())) < 2:
        raise IntentExamplesError("training takes an intent or more, each with 2 sentences or more")
    if cache_dir is None:
        return IntentEngine(_train_alone(examples))
    path = cache_dir / f"intent-{_fingerprint(examples)}.npz"
    weights = _load(path)
    if weights is None:
        weights = _train_alone(examples)
        _save(path, weights)
    return IntentEngine(weights)


# --- training -------------------------------------------------------------------------------------


def _train_alone(examples: Mapping[str, Sequence[str]]) -> _Weights:
    """Train on one core: arrays this small gain nothing from more, and calls may need them."""
    with threadpool_limits(1):
        return _train(examples)


def _train(examples: Mapping[str, Sequence[str]]) -> _Weights:
    intents = tuple(sorted(examples))
    texts = [text for intent in intents for text in examples[intent]]
    labels = [index for index, name in enumerate(intents, start=1) for _ in examples[name]]
    background = _unlike(texts, _background())
    texts += background
    labels += [_BACKGROUND] * len(background)
    truth = np.array(labels)
    vectorizers = _vectorizers()
    for vectorizer in vectorizers:
        vectorizer.fit([_normal(text) for text in texts])
    features = _features(vectorizers, texts)
    coefficients, intercepts = _fit(features, truth, len(intents) + 1)
    words, chars = vectorizers
    return _Weights(
        intents=intents,
        words=_vocabulary(words),
        chars=_vocabulary(chars),
        words_idf=np.asarray(words.idf_, dtype=np.float64),
        chars_idf=np.asarray(chars.idf_, dtype=np.float64),
        coefficients=coefficients,
        intercepts=intercepts,
        temperature=_temperature(features, truth, len(intents) + 1),
    )


def _unlike(texts: Sequence[str], background: Sequence[str]) -> list[str]:
    """The background lines that are not what one of the intents is about."""
    vectorizers = _vectorizers()
    for vectorizer in vectorizers:
        vectorizer.fit([_normal(text) for text in [*texts, *background]])
    similarity = _features(vectorizers, background) @ _features(vectorizers, texts).T
    # Each half of the features has length 1, so that the cosine is half their product.
    nearest = similarity.max(axis=1).toarray().ravel() / len(vectorizers)
    return [
        line for line, near in zip(background, nearest.tolist(), strict=True) if near < _LOOKS_ALIKE
    ]


def _fit(
    features: Any, truth: NDArray[np.int_], classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(coefficients, intercepts), one row for each class."""
    model = LogisticRegression(C=_REGULARISATION, class_weight="balanced", max_iter=300)
    model.fit(features, truth)
    coefficients = np.asarray(model.coef_, dtype=np.float64)
    intercepts = np.asarray(model.intercept_, dtype=np.float64)
    if classes == 2:  # sklearn keeps only the row of the second class
        coefficients = np.vstack([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([[0.0], intercepts])
    return coefficients, intercepts


def _temperature(features: Any, truth: NDArray[np.int_], classes: int) -> float:
    """What logits are divided by, so that of answers given with 0.8 eight in ten are right."""
    folds = min(_FOLDS, int(np.bincount(truth).min()))
    logits = np.zeros((len(truth), classes))
    splitter = StratifiedKFold(folds, shuffle=True, random_state=_SEED)
    for train, test in splitter.split(features, truth):
        coefficients, intercepts = _fit(features[train], truth[train], classes)
        logits[test] = _logits(features[test], coefficients, intercepts)

    def loss(temperature: float) -> float:
        chosen = _softmax(logits / temperature)[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    return min(_TEMPERATURES, key=loss)


# --- features -------------------------------------------------------------------------------------


def _vectorizers(
    words: Mapping[str, int] | None = None, chars: Mapping[str, int] | None = None
) -> tuple[TfidfVectorizer, TfidfVectorizer]:
    """Words in ones and twos, and characters in threes to fives, which misheard words share."""
    shared: dict[str, Any] = {
        **{"lowercase": False, "token_pattern": None, "sublinear_tf": True, "dtype": np.float64}
    }
    return (
        TfidfVectorizer(tokenizer=str.split, ngram_range=(1, 2), vocabulary=words, **shared),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), vocabulary=chars, **shared),
    )


def _terms(vectorizer: TfidfVectorizer) -> Callable[[str], Sequence[str]]:
    return cast("Callable[[str], Sequence[str]]", cast(Any, vectorizer).build_analyzer())


def _vocabulary(vectorizer: TfidfVectorizer) -> dict[str, int]:
    learnt = cast(Mapping[str, Any], vectorizer.vocabulary_)
    return {term: int(column) for term, column in learnt.items()}


def _features(vectorizers: Sequence[TfidfVectorizer], texts: Sequence[str]) -> Any:
    """A sparse matrix, one row for each text."""
    normal = [_normal(text) for text in texts]
    return cast(Any, hstack([each.transform(normal) for each in vectorizers])).tocsr()


def _normal(text: str) -> str:
    words: list[str] = []
    for word in _WORD.findall(text.lower().replace("’", "'")):
        number = word in _NUMBERS or any(map(str.isdecimal, word))
        if not number:
            words.append(word)
        elif words[-1:] != [_NUMBER]:
            words.append(_NUMBER)
    return " ".join(words)


def _logits(
    features: Any, coefficients: NDArray[np.float64], intercepts: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.asarray(features @ coefficients.T) + intercepts


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


@cache
def _background() -> tuple[str, ...]:
    lines = _BACKGROUND_FILE.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


# --- the cache ------------------------------------------------------------------------------------


def _fingerprint(examples: Mapping[str, Sequence[str]]) -> str:
    made_of = {
        "format": _FORMAT,
        "sklearn": sklearn.__version__,
        "examples": {name: list(texts) for name, texts in examples.items()},
        "background": _background(),
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:24]


def _save(path: Path, weights: _Weights) -> None:
    """Write whole or not at all: another process may be reading."""
    about = {
        "intents": weights.intents,
        "words": weights.words,
        "chars": weights.chars,
        "temperature": weights.temperature,
    }
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            partial = Path(file.name)
            np.savez_compressed(
                file,
                about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
                words_idf=weights.words_idf,
                chars_idf=weights.chars_idf,
                coefficients=weights.coefficients,
                intercepts=weights.intercepts,
            )
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        _log.warning("Intent engine not kept", extra={"path": str(path), "error": str(error)})
        if partial is not None:
            partial.unlink(missing_ok=True)


def _load(path: Path) -> _Weights | None:
    """What was saved, or None when there is nothing or it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            about = cast(dict[str, Any], json.loads(file["about"].tobytes()))
            weights = _Weights(
                intents=tuple(about["intents"]),
                words=about["words"],
                chars=about["chars"],
                temperature=float(about["temperature"]),
                words_idf=file["words_idf"],
                chars_idf=file["chars_idf"],
                coefficients=file["coefficients"],
                intercepts=file["intercepts"],
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        _log.warning("Intent engine damaged", extra={"path": str(path), "error": str(error)})
        return None
    return weights if _fits(weights) else None


def _fits(weights: _Weights) -> bool:
    """Do the parts belong together?"""
    columns = len(weights.words) + len(weights.chars)
    classes = len(weights.intents) + 1
    return (
        weights.coefficients.shape == (classes, columns)
        and weights.intercepts.shape == (classes,)
        and weights.words_idf.shape == (len(weights.words),)
        and weights.chars_idf.shape == (len(weights.chars),)
    )
