"""Which passwords are refused, by NIST 800-63B: length and known ones, no rules of composition.

The list of common ones has 30,000 entries, which are shorter than what we ask for. So what counts
is whether a password is made of them: of at most three common passwords, runs, repeats and words
that everybody knows about this person and this place.
"""

import functools
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from paifang.modules.accounts.passwords.errors import WeakPassword

LONGEST = 128
"""Characters; the whole password counts, nothing is cut off."""
PIECES = 3
SHORTEST_PIECE = 4
LONGEST_PIECE = 24
LEFT_OVER = 3
"""Characters that may stand between and around the pieces."""
LONGEST_REPEATED = 16
HOUSE = ("paifang", "password", "passphrase")
_RUNS = (
    "01234567890123456789",
    "98765432109876543210",
    "abcdefghijklmnopqrstuvwxyz",
    "zyxwvutsrqponmlkjihgfedcba",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
)
_SUBSTITUTES = str.maketrans("@$!|+€", "asiite")
_SEPARATORS = re.compile(r"[\W_]+")


def normalized(password: str) -> str:
    """One form for what can be typed in several ways (Unicode's NFKC)."""
    return unicodedata.normalize("NFKC", password)


@functools.cache
def common() -> frozenset[str]:
    """The common passwords."""
    path = Path(__file__).with_name("common.txt")
    return frozenset(path.read_text(encoding="ascii").split())


def check(password: str, *, shortest: int, about: Iterable[str] = ()) -> None:
    """Refuse a new password that is easy to guess, with the reason.

    Args:
        password: As it was typed.
        shortest: Fewest characters.
        about: What is known of the person: their address, their name.

    Raises:
        WeakPassword: it says why.
    """
    plain = normalized(password)
    if len(plain) < shortest:
        raise WeakPassword(
            f"use at least {shortest} characters; four or five words that have nothing to do with "
            "each other are good, spaces included",
            kind="password_too_short",
            min_length=shortest,
        )
    if len(plain) > LONGEST:
        raise WeakPassword(
            f"use at most {LONGEST} characters", kind="password_too_long", max_length=LONGEST
        )
    folded = plain.casefold()
    if len(set(folded)) < 5:
        raise WeakPassword("it repeats a few characters", kind="password_repeats")
    words = _known_words(about)
    if any(_is_made_of(form, words) for form in _forms(folded)):
        raise WeakPassword(
            "it is made of common passwords, of a pattern, or of what is known about you or this "
            "place, which is what is tried first",
            kind="password_guessable",
        )


def _forms(folded: str) -> set[str]:
    tight = _SEPARATORS.sub("", folded)
    return {folded, tight, _SEPARATORS.sub("", folded.translate(_SUBSTITUTES))} - {""}


def _known_words(about: Iterable[str]) -> frozenset[str]:
    words = set(HOUSE)
    for text in about:
        folded = normalized(text).casefold()
        parts = [folded, _SEPARATORS.sub("", folded), *_SEPARATORS.split(folded)]
        words.update(part for part in parts if len(part) >= SHORTEST_PIECE)
    return frozenset(words)


def _is_made_of(text: str, words: frozenset[str]) -> bool:
    """Whether at most :data:`PIECES` known pieces make up all of it, with a little left over."""
    if _is_pattern(text):
        return True
    if len(text) > PIECES * LONGEST_PIECE + LEFT_OVER:
        return False  # and nobody makes us look for long
    known = common()
    length = len(text)
    # best[i]: fewest pieces that make up the first i characters, with what was left over.
    best: list[dict[int, int]] = [{} for _ in range(length + 1)]
    best[0] = {0: 0}
    for start in range(length):
        for left, pieces in best[start].items():
            if left < LEFT_OVER:
                _keep(best[start + 1], left + 1, pieces)
            if pieces == PIECES:
                continue
            longest = min(start + LONGEST_PIECE, length)
            for end in range(start + SHORTEST_PIECE, longest + 1):
                piece = text[start:end]
                if piece in known or piece in words or _is_pattern(piece):
                    _keep(best[end], left, pieces + 1)
    return bool(best[length])


def _keep(found: dict[int, int], left: int, pieces: int) -> None:
    if pieces < found.get(left, PIECES + 1):
        found[left] = pieces


def _is_pattern(piece: str) -> bool:
    """A run of the keyboard, of digits or of the alphabet, a year or date, or a repeat."""
    if piece.isdigit() and len(piece) <= 8:
        return True
    if any(piece in run for run in _RUNS):
        return True
    # The shortest part that the whole is a repeat of; the piece itself when it is none.
    period = (piece + piece).index(piece, 1)
    return period < len(piece) and period <= LONGEST_REPEATED
