"""The setting that names providers: what can't be right is said at the start, without a secret."""

import json
from pathlib import Path
from typing import Any

import pytest

from paifang.core.settings import SettingsError, load
from paifang.modules.accounts.providers.kinds import read
from paifang.modules.accounts.providers.settings import OidcSettings
from paifang.registry import settings_areas

ONE: dict[str, Any] = {
    "id": "company",
    "name": "The Company",
    "issuer": "https://id.example.com/realms/a",
    "client_id": "paifang",
    "client_secret": "swordfish",
}


def text(*entries: Any) -> str:
    return json.dumps(list(entries))


def test_providers_are_read_in_their_order_behind_google_and_github() -> None:
    (one,) = read(text(ONE))
    assert (one.id, one.issuer, one.scopes) == (
        "company",
        "https://id.example.com/realms/a",
        ("openid", "email", "profile"),
    )
    assert "swordfish" not in repr(one)
    assert one.trusted == {"id.example.com"}
    assert read(" ") == []


def test_google_and_github_come_first(tmp_path: Path) -> None:
    settings = load(
        settings_areas(),
        environ={
            "PAIFANG_HOME": str(tmp_path),
            "PAIFANG_OIDC_GOOGLE_CLIENT_ID": "g",
            "PAIFANG_OIDC_GITHUB_CLIENT_ID": "h",
            "PAIFANG_OIDC_PROVIDERS": text(ONE),
        },
        folder=tmp_path,
    ).area(OidcSettings)
    found = settings.by_id()
    assert [(p.id, p.issuer) for p in found.values()] == [
        ("google", "https://accounts.google.com"),
        ("github", "https://github.com"),
        ("company", ONE["issuer"]),
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{", "not JSON"),
        ("{}", "JSON list"),
        (text(1), "not an object"),
        (text({**ONE, "issuer": "http://id.example.com"}), "must be https"),
        (text({**ONE, "issuer": "https://id.example.com?x=1"}), "no URL of an issuer"),
        (text({**ONE, "issuer": "https://user@id.example.com"}), "no URL of an issuer"),
        (text({**ONE, "issuer": "https://id.example.com:0x"}), "no URL of an issuer"),
        (text({**ONE, "id": "Company"}), "small letters"),
        (text({**ONE, "id": "google"}), "settings of their own"),
        (text({**ONE, "id": "a/b"}), "small letters"),
        (text({**ONE, "client_id": ""}), "client_id is missing"),
        (text({**ONE, "scopes": ["email"]}), "lacks openid"),
        (text({**ONE, "scopes": "openid"}), "not a list"),
        (text({**ONE, "secret": "swordfish"}), "none of"),
        (text(ONE, ONE), "twice"),
    ],
)
def test_what_can_not_be_right_is_said_without_the_secret(
    tmp_path: Path, value: str, words: str
) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        load(
            settings_areas(),
            environ={"PAIFANG_HOME": str(tmp_path), "PAIFANG_OIDC_PROVIDERS": value},
            folder=tmp_path,
        )
    assert "swordfish" not in str(caught.value)
    assert "PAIFANG_OIDC_PROVIDERS" in str(caught.value)
