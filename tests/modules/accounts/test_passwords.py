"""Which passwords are refused, and that all of a long one counts."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paifang.modules.accounts.passwords.errors import WeakPassword
from paifang.modules.accounts.passwords.hashing import Hasher, too_weak
from paifang.modules.accounts.passwords.rules import LONGEST, check, common, normalized
from paifang.modules.accounts.settings import AccountsSettings

ABOUT = ("maria.kowalczyk@example.org", "Maria Kowalczyk")


@pytest.mark.parametrize(
    "password",
    [
        "seven quiet herons above",
        "correct horse battery staple glue",
        "七隻安靜的鷺鷥站在舊木橋上面等雨",
        "plötzlich kam ein Bär vorbei",
        "x9$Lq!v2Zr#7mPw",
        "🦉🌊🪵🧭🎐🪁🧵🥣🪴🕯️🧊🪶🫖🪨",
        "a long sentence that nobody else would think of " * 2,
        "             spaces     count too   z",
    ],
)
def test_what_is_hard_to_guess_is_taken_whatever_it_is_made_of(password: str) -> None:
    check(password, shortest=15, about=ABOUT)


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "fourteen chars",
        "aaaaaaaaaaaaaaaaaaaa",
        "abababababababababab",
        "123456789012345",
        "1234567890987654321",
        "qwertyuiopasdfghjkl",
        "abcdefghijklmnopqrstuvwxyz",
        "passwordpassword",
        "Password123456789",
        "P@$$w0rdP@$$w0rd",
        "iloveyou iloveyou",
        "monkey dragon love",
        "letmein-letmein-1",
        "paifangpaifang1",
        "paifang password 2026",
        "maria.kowalczyk@example.org",
        "MariaKowalczyk2026",
        "kowalczyk-kowalczyk",
        "1qaz2wsx3edc4rfv",
        "\uff30\uff21\uff33\uff33\uff37\uff2f\uff32\uff24password",  # full width: NFKC folds it
    ],
)
def test_what_is_tried_first_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        check(password, shortest=15, about=ABOUT)


def test_length_is_counted_in_characters_after_they_have_one_form() -> None:
    composed, apart = "é" * 3, "e\u0301" * 3
    assert normalized(composed) == normalized(apart)
    with pytest.raises(WeakPassword, match="at most 128"):
        check("seven quiet herons " * 8, shortest=15)
    check(("seven quiet herons above " * 6)[:LONGEST], shortest=15)


@pytest.mark.parametrize(
    ("password", "kind", "bounds"),
    [
        ("seven quiet", "password_too_short", {"min_length": "15"}),
        ("seven quiet herons " * 8, "password_too_long", {"max_length": "128"}),
        ("abcdabcdabcdabcd", "password_repeats", None),
        ("passwordpassword1", "password_guessable", None),
    ],
)
def test_why_is_told_by_kind_for_pages_in_other_languages(
    password: str, kind: str, bounds: dict[str, str] | None
) -> None:
    with pytest.raises(WeakPassword) as refused:
        check(password, shortest=15)
    (wrong,) = refused.value.errors
    assert (wrong["field"], wrong["code"], wrong.get("bounds")) == ("password", kind, bounds)


def test_the_list_is_there_and_large() -> None:
    assert len(common()) > 25_000
    assert {"password", "123456", "qwerty"} <= common()


@given(st.text(max_size=600))
def test_no_text_breaks_the_rules(text: str) -> None:
    with contextlib.suppress(WeakPassword):
        check(text, shortest=8, about=(text, text[:10]))


async def test_the_whole_password_counts_and_its_form_does_not() -> None:
    hasher = Hasher(AccountsSettings(argon2_memory_mib=12, argon2_passes=3))
    long = "x" * 127
    stored = await hasher.hash(long + "y")
    assert not await hasher.verify(stored, long + "z")
    assert await hasher.verify(stored, long + "y")
    assert not await hasher.verify(stored, (long + "y").upper())
    stored = await hasher.hash("caf\u00e9 am alten Markt")
    assert await hasher.verify(stored, "cafe\u0301 am alten Markt")
    assert not await hasher.verify("no hash at all", "x")
    assert not await hasher.verify(None, "x")
    hasher.close()


@pytest.mark.parametrize(
    ("memory", "passes", "weak"),
    [(46, 1, False), (45, 1, True), (19, 2, False), (18, 2, True), (12, 3, False)],
)
def test_parameters_below_the_floor_are_known(memory: int, passes: int, weak: bool) -> None:
    settings = AccountsSettings(argon2_memory_mib=memory, argon2_passes=passes)
    assert bool(too_weak(settings)) is weak
