"""The keys a caller presses: those of the number being keyed, and those pressed too early.

Over a prompt that no key may stop, keys wait for its end. Who is still keying then, within the
inter-digit time, is heard from their first key on, as one who is still speaking is; what was keyed
and left alone long before was no answer to a question that had not been asked.
"""


class Keypad:
    """One call's; pure.

    Args:
        inter_digit_s: after so long without a key, keys that wait are forgotten.
    """

    def __init__(self, inter_digit_s: float) -> None:
        self._inter_digit_s = inter_digit_s
        self._keyed = ""
        self._waiting = ""
        self._waiting_since_s = 0.0

    def press(self, key: str) -> int:
        """Add a key of 0-9 * # A-D; how long the number is with it. # ends a number, unwritten."""
        if key != "#":
            self._keyed += key
        return len(self._keyed)

    def take(self) -> str:
        """The number keyed; the next key begins another."""
        keyed, self._keyed = self._keyed, ""
        return keyed

    def keep_waiting(self, key: str, now_s: float) -> None:
        """This key is not for now."""
        self._waiting = self._recent(now_s) + key
        self._waiting_since_s = now_s

    def waited(self, now_s: float) -> str:
        """The keys that waited and count now; none wait any more."""
        waiting, self._waiting = self._recent(now_s), ""
        return waiting

    def _recent(self, now_s: float) -> str:
        return self._waiting if now_s - self._waiting_since_s <= self._inter_digit_s else ""
