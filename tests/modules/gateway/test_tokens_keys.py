"""Keys: their form, their checksum, and that no two are alike."""

import hashlib
import re

from hypothesis import given
from hypothesis import strategies as st

from paifang.modules.gateway.relay import auth
from paifang.modules.gateway.tokens import keys


def test_a_key_is_of_one_form_and_one_piece_for_a_double_click() -> None:
    made = {keys.make_key() for _ in range(200)}
    assert len(made) == 200
    for key in made:
        assert re.fullmatch(r"pf_live_[0-9A-Za-z]{32}_[0-9A-Za-z]{6}", key)
        assert keys.looks_like_key(key)
        assert len(key) <= auth.MAX_KEY_LENGTH
    # Each character of the random part varies: nothing of it is fixed or left out.
    assert all(len({key[place] for key in made}) > 30 for place in range(8, 40))


def test_the_prefix_is_the_one_the_relay_looks_for() -> None:
    assert keys.KEY_PREFIX == auth.KEY_PREFIX


@given(place=st.integers(0, 46), character=st.sampled_from(keys.ALPHABET + "_-"))
def test_a_mistyped_key_is_told_from_a_real_one(place: int, character: str) -> None:
    key = keys.make_key()
    typed = key[:place] + character + key[place + 1 :]
    assert keys.looks_like_key(typed) == (typed == key)


def test_what_is_no_key_does_not_look_like_one() -> None:
    key = keys.make_key()
    for text in ("", "pf_live_", key[:-1], key + "A", " " + key, key + "\n", "sk-" + key):
        assert not keys.looks_like_key(text)


def test_the_checksum_stays_as_scanners_know_it() -> None:
    assert keys.looks_like_key("pf_live_" + "0" * 32 + "_0NOgit")


def test_the_digest_is_what_the_relay_looks_up() -> None:
    key = keys.make_key()
    assert bytes.fromhex(keys.digest(key)) == hashlib.sha256(key.encode()).digest()
