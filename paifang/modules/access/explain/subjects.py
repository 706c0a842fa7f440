"""Whether somebody sees one row, asked of the row's own scope clause."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.inspection import inspect

from paifang.core.auth import Principal
from paifang.core.errors import Invalid
from paifang.core.module import Module, load
from paifang.core.scope import OWN, Scope, visible
from paifang.modules.access.explain.errors import SubjectNotFound


@dataclass(frozen=True)
class SubjectVerdict:
    """Whether one row is seen, and through which roles."""

    visible: bool
    why: str
    roles: list[str]


@dataclass(frozen=True)
class Subject:
    """One row of a scoped model."""

    model: Any
    column: Any
    value: Any

    async def ask(
        self,
        session: AsyncSession,
        *,
        caller: Principal,
        who: Principal,
        scopes: Mapping[str, Scope],
    ) -> SubjectVerdict:
        """Whether somebody sees it.

        Args:
            session: The caller's transaction.
            caller: Whoever asks; they must see it themselves.
            who: Of whom it is asked.
            scopes: By the codes of the roles that grant them the permission.

        Raises:
            SubjectNotFound: it does not exist, or the caller does not see it.
        """
        if not await self._is_seen(session, caller):
            raise SubjectNotFound

        async def seen_within(scope: Scope) -> bool:
            # Under a word of our own: which permission it is about does not matter to a row.
            somebody = replace(who, grants={"explained": scope}, needed="explained")
            return await self._is_seen(session, somebody)

        through = [code for code, scope in scopes.items() if await seen_within(scope)]
        if not through:
            return SubjectVerdict(False, "outside" if scopes else "not_allowed", [])
        if await seen_within(OWN):
            why = "own"
        else:
            why = "everything" if any(scopes[c].everything for c in through) else "department"
        return SubjectVerdict(True, why, through)

    async def _is_seen(self, session: AsyncSession, caller: Principal) -> bool:
        statement = select(self.column).where(self.column == self.value)
        return await session.scalar(visible(statement, caller, of=self.model)) is not None


def find_subject(modules: Iterable[Module], subject: str) -> Subject:
    """The row that ``<word>:<id>`` names; whether it exists is asked later.

    Raises:
        Invalid: no module has scoped rows of that word.
        SubjectNotFound: this can't be an id of one.
    """
    known = {word: model for module in modules for word, model in module.scoped.items()}
    word, _, value = subject.partition(":")
    if word not in known or not value:
        words = ", ".join(f"{word}:<id>" for word in sorted(known))
        raise Invalid(
            f"subject: use one of: {words}.",
            errors=[{"field": "subject", "message": f"use one of: {words}"}],
        )
    (model,) = load([known[word]])
    (column,) = inspect(model).primary_key
    try:
        return Subject(model, column, column.type.python_type(value))
    except ValueError as error:
        raise SubjectNotFound from error
