"""How sure a recogniser is, as a number that means the same with every model."""

import math
from dataclasses import dataclass
from typing import Final

MARGIN_MAX: Final = 0.6  # in mean log probability; a larger lead says no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """How likely the first hypothesis is right, word for word: a logistic of two figures.

    They are the mean log probability and its lead over the second hypothesis. The defaults were
    fitted on the bundled model with synthetic callers, with and without noise; models/calibrate.py
    fits a model's own.
    """

    bias: float = 0.25
    per_log_prob: float = 4.85
    per_margin: float = 5.0

    def of(self, log_prob: float, margin: float) -> float:
        """In [0, 1]."""
        lead = min(max(margin, 0.0), MARGIN_MAX)
        z = self.bias + self.per_log_prob * log_prob + self.per_margin * lead
        return 1.0 / (1.0 + math.exp(-z))
