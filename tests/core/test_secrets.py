"""The keys of an installation."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from paifang.core.secrets import Secrets, SecretsError, open_secrets
from paifang.core.settings import load


def _open(home: Path, **variables: str) -> Secrets:
    environ = {"PAIFANG_HOME": str(home), **variables}
    return open_secrets(load(environ=environ, folder=home.parent))


def test_keys_are_made_once_and_kept_for_their_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first, second = _open(home), _open(home)
    assert first.admin_key == second.admin_key
    assert first.secret_key == second.secret_key
    assert second.decrypt(first.encrypt("x")) == "x"
    for name in ("admin.key", "secret.key", "encryption.keys"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600, name
    assert first.admin_key_path == home / "admin.key"


def test_a_given_administrator_key_is_not_written_down(tmp_path: Path) -> None:
    secrets = _open(tmp_path / "home", PAIFANG_ADMIN_KEY="correct-horse-battery")
    assert secrets.is_admin_key("correct-horse-battery")
    assert not secrets.is_admin_key("correct-horse-batterz")
    assert not secrets.is_admin_key("")
    assert secrets.admin_key_path is None
    assert not (tmp_path / "home" / "admin.key").exists()


def test_a_key_that_is_not_ascii_compares_without_an_error(tmp_path: Path) -> None:
    assert not _open(tmp_path / "home").is_admin_key("牌坊")


@pytest.mark.parametrize(
    "variables",
    [
        {"PAIFANG_ENV": "production"},
        {"PAIFANG_ENV": "development", "PAIFANG_HOST": "0.0.0.0"},
        {"PAIFANG_HOST": "example.org"},
    ],
)
def test_a_weak_administrator_key_is_refused_where_others_can_reach_it(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    with pytest.raises(SecretsError, match="PAIFANG_ADMIN_KEY"):
        _open(tmp_path / "home", PAIFANG_ADMIN_KEY="sealos-admin", **variables)
    assert _open(tmp_path / "home", PAIFANG_ADMIN_KEY="sealos-admin").admin_key == "sealos-admin"


def test_a_line_break_in_a_given_key_locks_nobody_out(tmp_path: Path) -> None:
    secrets = _open(tmp_path / "home", PAIFANG_ADMIN_KEY="correct-horse-battery\n")
    assert secrets.is_admin_key("correct-horse-battery")


def test_a_draft_that_a_crash_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / f"admin.key.{os.getpid()}").write_text("half")
    assert _open(home).admin_key.startswith("pf_admin_")


def test_a_short_signing_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SecretsError, match="PAIFANG_SECRET_KEY"):
        _open(tmp_path / "home", PAIFANG_SECRET_KEY="short")


def test_an_empty_key_file_is_an_error_and_not_an_empty_key(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "admin.key").write_text("\n")
    with pytest.raises(SecretsError, match=r"admin\.key is empty"):
        _open(home)


def test_encryption_keys_rotate(tmp_path: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    before = _open(tmp_path / "home", PAIFANG_ENCRYPTION_KEYS=old)
    sealed = before.encrypt("credential")
    both = _open(tmp_path / "home", PAIFANG_ENCRYPTION_KEYS=f"{new}, {old}")
    assert both.decrypt(sealed) == "credential"
    rotated = both.rotate(sealed)
    after = _open(tmp_path / "home", PAIFANG_ENCRYPTION_KEYS=new)
    assert after.decrypt(rotated) == "credential"
    with pytest.raises(SecretsError, match="PAIFANG_ENCRYPTION_KEYS"):
        after.decrypt(sealed)


def test_a_malformed_encryption_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretsError, match="PAIFANG_ENCRYPTION_KEYS must be Fernet keys"):
        _open(tmp_path / "home", PAIFANG_ENCRYPTION_KEYS="not a key")


def test_keys_do_not_show(tmp_path: Path) -> None:
    secrets = _open(tmp_path / "home")
    assert secrets.admin_key not in repr(secrets)


@pytest.mark.parametrize("name", ["PAIFANG_ADMIN_KEY", "PAIFANG_METRICS_KEY"])
@pytest.mark.parametrize(
    "key", ["鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵", "with a space in the middle", "\udcff" * 20]
)
def test_a_key_that_no_header_can_carry_is_refused(tmp_path: Path, name: str, key: str) -> None:
    with pytest.raises(SecretsError, match=name):
        _open(tmp_path / "home", **{name: key})
