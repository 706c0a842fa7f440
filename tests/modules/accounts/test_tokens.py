"""What tokens must be, whoever made them: signed access tokens, refresh tokens, proofs of work."""

import base64
import hashlib
import hmac
import json
import time
from base64 import b64encode
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.accounts.people import solve
from paifang.modules.accounts.challenges import proof
from paifang.modules.accounts.sessions import refresh
from paifang.modules.accounts.sessions.agents import device_name
from paifang.modules.accounts.sessions.jwt import ExpiredTokenError, Jwt, TokenError

KEY = b"k" * 32
NOW = 1_800_000_000.0
JWT = Jwt(KEY, kind="at+jwt", audience="paifang", seconds=600)


def b64(data: Any) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(head: Any, claims: Any, key: bytes = KEY, sign: bool = True) -> str:
    signed = f"{b64(head)}.{b64(claims)}"
    mac = hmac.digest(key, signed.encode(), hashlib.sha256) if sign else b""
    return f"{signed}.{b64(mac)}"


HEAD = {"alg": "HS256", "typ": "at+jwt"}
CLAIMS = {"sub": "x", "aud": "paifang", "iat": int(NOW), "exp": int(NOW) + 600}


def test_a_token_says_what_it_was_made_for_until_it_is_over() -> None:
    token = JWT.make({"sub": "x"}, now=NOW)
    assert JWT.read(token, now=NOW + 599)["sub"] == "x"
    with pytest.raises(ExpiredTokenError):
        JWT.read(token, now=NOW + 600)
    with pytest.raises(TokenError, match="future"):
        JWT.read(token, now=NOW - 31)
    assert JWT.read(token, now=NOW - 29)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c.d",
        "é.b.c",
        "x" * 3000,
        forged({"alg": "none", "typ": "at+jwt"}, CLAIMS, sign=False),
        forged({"alg": "none", "typ": "at+jwt"}, CLAIMS),
        forged({"alg": "HS512", "typ": "at+jwt"}, CLAIMS),
        forged({"alg": "RS256", "typ": "at+jwt"}, CLAIMS),
        forged({"alg": "HS256"}, CLAIMS),
        forged({"alg": "HS256", "typ": "ticket+jwt"}, CLAIMS),
        forged({**HEAD, "kid": "../../dev/null"}, CLAIMS),
        forged({**HEAD, "jwk": {"k": "x"}}, CLAIMS),
        forged(HEAD, CLAIMS, key=b"x" * 32),
        forged(HEAD, CLAIMS, sign=False),
        forged(HEAD, {**CLAIMS, "aud": "other"}),
        forged(HEAD, {**CLAIMS, "aud": ["paifang"]}),
        forged(HEAD, {**CLAIMS, "exp": int(NOW) + 10**9}),
        forged(HEAD, {**CLAIMS, "exp": "soon"}),
        forged(HEAD, {k: v for k, v in CLAIMS.items() if k != "exp"}),
        forged(HEAD, {k: v for k, v in CLAIMS.items() if k != "iat"}),
        forged(HEAD, {k: v for k, v in CLAIMS.items() if k != "aud"}),
        forged(HEAD, [1]),
        forged(HEAD, b"not json"),
    ],
)
def test_what_is_not_of_our_making_is_refused(token: str) -> None:
    with pytest.raises(TokenError):
        JWT.read(token, now=NOW)


def test_a_header_of_our_own_spelling_is_the_only_one() -> None:
    spelt = b'{"alg":"HS256","typ":"at+jwt"}'
    assert JWT.read(forged(spelt, CLAIMS), now=NOW)
    with pytest.raises(TokenError, match="header"):
        JWT.read(forged(b'{"typ":"at+jwt","alg":"HS256"}', CLAIMS), now=NOW)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Jwt(b"short", kind="x", audience="x", seconds=1)


@given(st.uuids(), st.integers(0, 2**31 - 1))
def test_a_refresh_token_says_its_session_and_counter(session_id: UUID, counter: int) -> None:
    token = refresh.make(KEY, refresh.Refresh(session_id, counter))
    assert refresh.read(KEY, token) == refresh.Refresh(session_id, counter)
    assert len(token) < 60


@given(st.integers(0, 300), st.data())
def test_a_refresh_token_that_was_touched_anywhere_is_refused(
    counter: int, data: st.DataObject
) -> None:
    token = refresh.make(KEY, refresh.Refresh(uuid4(), counter))
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters(codec="ascii").filter(lambda c: c != token[place]))
    with pytest.raises(TokenError):
        refresh.read(KEY, token[:place] + letter + token[place + 1 :])
    with pytest.raises(TokenError):
        refresh.read(b"x" * 32, token)


@given(st.text(max_size=200))
def test_no_text_breaks_the_readers(text: str) -> None:
    for read in (
        lambda: refresh.read(KEY, text),
        lambda: JWT.read(text, now=NOW),
        lambda: proof.verify(KEY, text, now=NOW),
    ):
        with pytest.raises((TokenError, proof.ProofError)):
            read()


def test_a_solution_is_taken_until_it_is_over() -> None:
    challenge = proof.make(KEY, number=100, seconds=600, now=NOW)
    solution = solve(challenge)
    assert proof.verify(KEY, solution, now=NOW + 599) == (challenge["challenge"], NOW + 600)
    with pytest.raises(proof.ProofError, match="over"):
        proof.verify(KEY, solution, now=NOW + 600)
    with pytest.raises(proof.ProofError, match="ours"):
        proof.verify(b"x" * 32, solution, now=NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"number": 10**6},
        {"number": -1},
        {"number": 1.5},
        {"number": "1"},
        {"number": True},
        {"algorithm": "SHA-1"},
        {"salt": "00?expires=99999999999&"},
        {"challenge": "00" * 32},
        {"signature": "00" * 32},
        {"signature": None},
        {"salt": 5},
    ],
)
def test_a_solution_that_was_touched_is_refused(changed: dict[str, Any]) -> None:
    challenge = proof.make(KEY, number=100, seconds=600, now=NOW)
    given_ = json.loads(base64.b64decode(solve(challenge)))
    touched = b64encode(json.dumps({**given_, **changed}).encode()).decode()
    with pytest.raises(proof.ProofError):
        proof.verify(KEY, touched, now=NOW)


def test_the_expiry_of_a_challenge_is_part_of_what_is_solved() -> None:
    challenge = proof.make(KEY, number=100, seconds=1, now=time.time() - 5)
    later = {**challenge, "salt": challenge["salt"].replace("expires=1", "expires=9")}
    with pytest.raises(AssertionError, match="no solution"):
        solve(later)


WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML) "
ANDROID = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (f"{WINDOWS}Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge on Windows"),
        (f"{MAC}Version/18.0 Safari/605.1.15", "Safari on macOS"),
        (f"{IPHONE}CriOS/140.0 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        (f"{ANDROID}Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.9.1", "curl"),
        ("python-httpx/0.28", "python-httpx"),
        ("Mozilla/5.0 (X11; Linux x86_64)", "Linux"),
        ("", ""),
        ("<script>", ""),
    ],
)
def test_a_device_is_called_by_what_its_person_calls_it(agent: str, name: str) -> None:
    assert device_name(agent) == name
