"""Keys of this installation: made at the first start, kept in home with mode 0600."""

import base64
import contextlib
import functools
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paifang.core.files import sync_folder, write_private
from paifang.core.settings import CoreSettings

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


class SecretsError(Exception):
    """A key is missing, too short or unreadable; the message says which and where."""


@dataclass(frozen=True)
class Secrets:
    """The keys. Nothing here is ever logged; ``repr`` hides it."""

    admin_key: str
    admin_key_path: Path | None
    """Where the administrator key is kept; None when a setting gives it."""
    secret_key: bytes
    encryption_keys: tuple[bytes, ...]
    """Fernet keys, the current one first."""

    def __repr__(self) -> str:
        """No secrets."""
        return "Secrets(...)"

    def is_admin_key(self, candidate: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(candidate.encode(), self.admin_key.encode())

    def derived(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose, such as ``accounts.access-token``.

        Made of the secret key, so that all processes have the same and none tells of another.
        """
        return hmac.digest(self.secret_key, b"paifang:" + purpose.encode(), "sha256")

    def encrypt(self, text: str) -> bytes:
        """Encrypt with the current key (Fernet: AES-128-CBC with HMAC-SHA256)."""
        return self._cipher.encrypt(text.encode())

    def decrypt(self, data: bytes) -> str:
        """Decrypt with whichever of the keys fits.

        Raises:
            SecretsError: none does.
        """
        from cryptography.fernet import InvalidToken  # noqa: PLC0415  # see _cipher

        try:
            return self._cipher.decrypt(data).decode()
        except InvalidToken as error:
            raise SecretsError(
                "A stored credential can't be decrypted: PAIFANG_ENCRYPTION_KEYS (or "
                "encryption.keys in the home folder) lacks the key it was written with."
            ) from error

    def rotate(self, data: bytes) -> bytes:
        """The same secret, encrypted with the current key."""
        return self._cipher.rotate(data)

    @functools.cached_property
    def _cipher(self) -> "MultiFernet":
        # Seven megabytes, and who has no credential stored never needs them.
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415  # as just said

        return MultiFernet([Fernet(key) for key in self.encryption_keys])


SHORTEST_ADMIN_KEY = 16
KEY_FILES = ("admin.key", "secret.key", "encryption.keys")
"""Where keys are kept in the home folder, when no setting gives them."""


def _at_home(settings: CoreSettings) -> bool:
    loopback = settings.host in {"localhost", "::1"} or settings.host.startswith("127.")
    return settings.env == "test" or (settings.env == "development" and loopback)


def open_secrets(settings: CoreSettings) -> Secrets:
    """Read the keys, and make those that no setting gives and no file holds.

    Raises:
        SecretsError: a key is too weak or malformed.
    """
    # Clients' keys are stripped, too: a line break at the end of a secret file locks nobody out.
    given_admin = settings.admin_key.get_secret_value().strip()
    for name, value in (
        ("PAIFANG_ADMIN_KEY", given_admin),
        ("PAIFANG_METRICS_KEY", settings.metrics_key.get_secret_value()),
    ):
        if not all("!" <= character <= "~" for character in value):
            raise SecretsError(
                f"{name} travels in a header: use visible ASCII characters without spaces"
            )
    if given_admin and len(given_admin) < SHORTEST_ADMIN_KEY and not _at_home(settings):
        raise SecretsError(
            f"PAIFANG_ADMIN_KEY is shorter than {SHORTEST_ADMIN_KEY} characters, which can be "
            "guessed; that is only accepted in development on the loopback address"
        )
    admin_path = settings.home / "admin.key"
    admin = given_admin or _kept(admin_path, "pf_admin_" + secrets.token_urlsafe(32))
    signing = settings.secret_key.get_secret_value() or _kept(
        settings.home / "secret.key", secrets.token_urlsafe(48)
    )
    if len(signing) < 32:
        raise SecretsError("PAIFANG_SECRET_KEY needs at least 32 characters")
    keys = settings.encryption_keys.get_secret_value() or _kept(
        settings.home / "encryption.keys",
        base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    )
    try:
        encryption_keys = tuple(_fernet_key(k) for k in keys.replace("\n", ",").split(",") if k)
    except ValueError as error:
        raise SecretsError(
            "PAIFANG_ENCRYPTION_KEYS must be Fernet keys (32 bytes, URL-safe base64), "
            "comma-separated; SECURITY.md says how to make one"
        ) from error
    return Secrets(
        admin_key=admin,
        admin_key_path=None if given_admin else admin_path,
        secret_key=signing.encode(),
        encryption_keys=encryption_keys,
    )


def _fernet_key(text: str) -> bytes:
    key = text.strip().encode()
    if len(base64.urlsafe_b64decode(key)) != 32:
        raise ValueError("not 32 bytes")
    return key


def _kept(path: Path, fresh: str) -> str:
    """The secret in the file; when there is no file, it is made with ``fresh``."""
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        # Written aside and linked: of two processes that start together one wins, and the
        # other never reads a file that is not finished.
        aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        write_private(aside, f"{fresh}\n".encode())
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
        aside.unlink()
        sync_folder(path.parent)
        return _kept(path, fresh)
    if not text:
        raise SecretsError(
            f"{path} is empty. Restore it from a backup; if there is none, delete it and a new "
            "one is made (what an old encryption key has sealed is lost then)"
        )
    return text
