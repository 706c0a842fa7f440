"""The table of what an administrator has changed about the menu."""

from datetime import datetime

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now


class MenuEntry(Base):
    """An entry of a module in other clothes, or a link of the owner's own.

    What is None stays as the module says. Rights are never here: an entry is shown to whoever
    holds the permission that its module names.
    """

    __tablename__ = "menu_entries"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    """The module's name for it, or ``link.<id>``."""
    kind: Mapped[str] = mapped_column(String(16))
    """``override``, ``directory`` or ``link``."""
    parent: Mapped[str | None] = mapped_column(String(64))
    titles: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))
    """By locale."""
    icon: Mapped[str | None] = mapped_column(String(64))
    url: Mapped[str | None] = mapped_column(String(2048))
    """Of a link."""
    needs: Mapped[str | None] = mapped_column(String(64))
    """The permission without which a link is not shown; None shows it to everybody."""
    sort: Mapped[int | None]
    hidden: Mapped[bool] = mapped_column(default=False)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)
