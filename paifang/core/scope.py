"""Which rows a caller sees: every read and write of a scoped table goes through :func:`visible`.

A role grants its permissions within its own data scope. What a caller sees under a permission is
the union of the scopes of those roles that grant it, so a wide role for one thing never widens
another. One's own rows are within every scope.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast
from uuid import UUID

from sqlalchemy import Delete, Select, Update, false, or_
from sqlalchemy.sql.elements import ColumnElement

if TYPE_CHECKING:
    from paifang.core.auth import Principal

S = TypeVar("S", bound="Select[*tuple[Any, ...]] | Update | Delete")


@dataclass(frozen=True, slots=True)
class Scope:
    """Rows beside one's own: all of them, or those of some departments."""

    everything: bool = False
    departments: frozenset[UUID] = frozenset()

    def __or__(self, other: "Scope") -> "Scope":
        """What either of them holds."""
        return Scope(self.everything or other.everything, self.departments | other.departments)


OWN = Scope()
"""One's own rows alone."""
EVERYTHING = Scope(everything=True)


class Scoped:
    """A model of which not everybody sees every row. Mix it in and say whose a row is.

    A ``select``, ``update``, ``delete`` or ``session.get`` of it that goes neither through
    :func:`visible` nor through :func:`unscoped` does not pass ``make lint``.
    """

    scoped: ClassVar[bool] = True

    @classmethod
    def scope_clause(cls, scope: Scope, caller: "Principal") -> ColumnElement[bool]:
        """The condition that a row is the caller's own or in the scope's departments.

        It is not asked when the scope is everything. :func:`belongs` makes it of two columns.
        """
        raise NotImplementedError(cls.__name__)


def belongs(
    scope: Scope, caller: "Principal", *, owner: Any, department: Any
) -> ColumnElement[bool]:
    """The condition that a row's owner is the caller, or its department is in the scope.

    Args:
        scope: What the caller may see.
        caller: Whoever asks.
        owner: The column with the owner's user id.
        department: The column with the department's id.
    """
    clauses: list[ColumnElement[bool]] = []
    if caller.user_id is not None:
        clauses.append(owner == caller.user_id)
    if scope.departments:
        clauses.append(department.in_(scope.departments))
    return or_(*clauses) if clauses else false()


def visible(statement: S, caller: "Principal", *, of: type[Scoped] | None = None) -> S:
    """The statement, kept to the rows that the caller may see under the route's permission.

    Args:
        statement: A select, update or delete whose first entity is scoped.
        caller: Whoever asks; its :attr:`~paifang.core.auth.Principal.scope` decides.
        of: The scoped model, where it is not the statement's first entity.

    Raises:
        TypeError: the statement is not about a scoped model.
    """
    model = of or _entity(statement)
    if not (isinstance(model, type) and issubclass(model, Scoped)):
        raise TypeError(f"{model} is not scoped; give the scoped model as of=")
    scope = caller.scope
    if scope.everything:
        return statement
    return cast("S", statement.where(model.scope_clause(scope, caller)))


def unscoped(statement: S, reason: str) -> S:
    """The statement as it is, with the reason why every row may be touched here."""
    del reason  # for whoever reads the code, and for the lint rule
    return statement


def _entity(statement: Any) -> Any:
    described = (
        statement.column_descriptions[0]
        if isinstance(statement, Select)
        else statement.entity_description
    )
    return described.get("entity")
