"""The tables of everything that a person proves themselves with, passwords apart.

They stand together below the features that write them, because each of those has to know of the
others: the last way in can't be taken away, and recovery codes go with the last second factor.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now
from paifang.core.ids import uuid7


class TotpSecret(Base):
    """The secret that a person's authenticator app makes codes of. It counts once confirmed."""

    __tablename__ = "totp_secrets"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    secret: Mapped[str] = mapped_column(Text)
    """Base32, encrypted."""
    confirmed_at: Mapped[datetime | None]
    """When a code has shown that the app has it; NULL before."""
    last_step: Mapped[int] = mapped_column(BigInteger, default=0)
    """The 30 s of the last code that was taken: no code of then or before is taken again."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class RecoveryCode(Base):
    """One of the codes for the day on which nothing else is at hand. It works once."""

    __tablename__ = "recovery_codes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the code, which has 125 random bits."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    used_at: Mapped[datetime | None]


class Passkey(Base):
    """A key pair of a person's device or password manager, of which we keep the public half."""

    __tablename__ = "passkeys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    credential_id: Mapped[str] = mapped_column(String(684), unique=True)
    """The authenticator's name for it, base64url."""
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    """As a COSE key."""
    sign_count: Mapped[int] = mapped_column(BigInteger)
    """What the authenticator said last; 0 for one that does not count."""
    transports: Mapped[list[str]]
    """How browsers reach it: ``internal``, ``hybrid``, ``usb`` and so on."""
    aaguid: Mapped[str] = mapped_column(String(36))
    """The kind of authenticator, as far as it tells."""
    synced: Mapped[bool]
    """Whether it may be copied to the person's other devices."""
    backed_up: Mapped[bool]
    """Whether there is such a copy."""
    name: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    used_at: Mapped[datetime | None]


class Identity(Base):
    """A person's account at another service, with which they sign in here."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("issuer", "subject", name="uq_identities_issuer"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    issuer: Mapped[str] = mapped_column(String(255))
    """The service. Its name for a person means nothing at any other."""
    subject: Mapped[str] = mapped_column(String(255))
    """The service's lasting name for the person; never the mail address, which can change hands."""
    provider: Mapped[str] = mapped_column(String(32))
    """The id of the provider in the settings."""
    label: Mapped[str] = mapped_column(String(255))
    """What the person knows that account by; for them to read alone."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    used_at: Mapped[datetime | None]
