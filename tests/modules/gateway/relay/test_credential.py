"""The internal credential."""

import orjson
import pytest

from paifang.modules.gateway.relay import credential
from paifang.modules.gateway.relay.credential import CredentialError, make, verify

KEY = b"a key of the tests, long enough"
NOW = 1_700_000_000.5


def signed(payload: object) -> str:
    text = credential.PREFIX + credential._encode(orjson.dumps(payload))
    return f"{text}.{credential._encode(credential._sign(KEY, text))}"


def test_a_credential_says_for_whom_and_what_for():
    bearer = make(KEY, "g1", "person-1", "chat", NOW)
    assert bearer.startswith("pf_int_")
    assert verify(KEY, bearer, NOW) == credential.Credential("g1", "person-1", "chat")


def test_names_of_any_language_survive():
    known = verify(KEY, make(KEY, "群組", "王小明", "play_ground", NOW), NOW)
    assert (known.group, known.person) == ("群組", "王小明")


@pytest.mark.parametrize("late", [0, 60, 64])
def test_it_lasts_a_minute_and_the_clocks_tolerance(late):
    verify(KEY, make(KEY, "g", "p", "chat", NOW), NOW + late)


@pytest.mark.parametrize("late", [65.5, 3600])
def test_it_expires(late):
    with pytest.raises(CredentialError, match="expired"):
        verify(KEY, make(KEY, "g", "p", "chat", NOW), NOW + late)


def test_a_clock_that_is_a_little_behind_is_tolerated_and_one_far_behind_is_not():
    bearer = make(KEY, "g", "p", "chat", NOW)
    verify(KEY, bearer, NOW - 4)
    with pytest.raises(CredentialError, match="future"):
        verify(KEY, bearer, NOW - 30)


def test_another_key_does_not_verify():
    with pytest.raises(CredentialError, match="signature"):
        verify(b"another key of the tests", make(KEY, "g", "p", "chat", NOW), NOW)


def test_every_changed_character_is_noticed():
    bearer = make(KEY, "g", "p", "chat", NOW)
    for at in range(len(credential.PREFIX), len(bearer)):
        forged = bearer[:at] + ("A" if bearer[at] != "A" else "B") + bearer[at + 1 :]
        with pytest.raises(CredentialError):
            verify(KEY, forged, NOW)


@pytest.mark.parametrize(
    "payload",
    [
        [],
        "text",
        {},
        {"g": "g", "p": "p", "u": "chat", "i": 1},
        {"g": "", "p": "p", "u": "chat", "i": int(NOW), "e": int(NOW) + 60},
        {"g": 1, "p": "p", "u": "chat", "i": int(NOW), "e": int(NOW) + 60},
        {"g": "g", "p": "p", "u": "Chat!", "i": int(NOW), "e": int(NOW) + 60},
        {"g": "g", "p": "p", "u": "chat", "i": int(NOW), "e": int(NOW) + 3600},
        {"g": "g", "p": "p", "u": "chat", "i": True, "e": True},
    ],
)
def test_a_well_signed_payload_must_be_sound_as_well(payload):
    with pytest.raises(CredentialError):
        verify(KEY, signed(payload), NOW)


@pytest.mark.parametrize(
    "bearer", ["", "pf_int_", "pf_int_.", "pf_int_é.x", "pf_live_abc", "pf_int_" + "A" * 5000]
)
def test_garbage_is_refused(bearer):
    with pytest.raises(CredentialError):
        verify(KEY, bearer, NOW)


@pytest.mark.parametrize("purpose", ["", "Chat", "a" * 33, "chat-1", "chat\n"])
def test_a_purpose_has_a_fixed_form(purpose):
    with pytest.raises(ValueError, match="purpose"):
        make(KEY, "g", "p", purpose, NOW)


def test_a_weak_key_is_refused():
    with pytest.raises(ValueError, match="16 bytes"):
        make(b"short", "g", "p", "chat", NOW)
    with pytest.raises(ValueError, match="16 bytes"):
        verify(b"short", make(KEY, "g", "p", "chat", NOW), NOW)
