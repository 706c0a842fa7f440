"""Columns of tables that stand above whoever asks for them here.

Access is the lowest module, and still counts the people of a department and names the holders of a
role. What it reads of people is what it says here; it never writes them. They are scoped rows:
whatever shows them to a caller adds :func:`people_clause`.
"""

from uuid import UUID

from sqlalchemy import Uuid, column, table, true
from sqlalchemy.sql.elements import ColumnElement

from paifang.core.auth import Principal
from paifang.core.scope import NOTHING, belongs

PEOPLE = table(
    "users",
    column("id", Uuid()),
    column("email"),
    column("display_name"),
    column("department_id", Uuid()),
    column("status"),
)
"""``users`` of accounts."""
ACTIVE = "active"
"""Status of a person who may sign in."""

ROLE_DEPARTMENTS = table(
    "role_departments", column("role_id", Uuid()), column("department_id", Uuid())
)
"""Of roles, which stand above departments."""


def people_clause(caller: Principal) -> ColumnElement[bool]:
    """The condition that a row of :data:`PEOPLE` is within the caller's scope."""
    scope = caller.scope
    if scope.everything:
        return true()
    if scope == NOTHING:
        return ~true()
    return belongs(scope, caller, owner=PEOPLE.c.id, department=PEOPLE.c.department_id)


def person(user_id: UUID) -> ColumnElement[bool]:
    """The condition that a row of :data:`PEOPLE` is this person's."""
    return PEOPLE.c.id == user_id
