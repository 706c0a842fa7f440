"""The API that explains what somebody may do: the caller, or another."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.core.scope import Scope
from paifang.modules.access.explain import service
from paifang.modules.access.explain.schemas import (
    ExplainedPerson,
    ExplainedRole,
    ExplainedSubject,
    Explanation,
    Me,
    Question,
    RoleThatGrants,
    ScopeRead,
)
from paifang.modules.access.permissions import AccessPermission
from paifang.modules.access.roles.models import MEMBER, Role
from paifang.modules.access.roles.service import declared

router = APIRouter(prefix="/access", tags=["access"])


def _scope(scope: Scope) -> ScopeRead:
    return ScopeRead(
        everything=scope.everything, own=scope.own, departments=sorted(scope.departments)
    )


@router.get("/me", dependencies=[require(AccessPermission.SELF)])
async def get_me(request: Request, caller: Caller) -> Me:
    """What the caller may do, and for which rows."""
    held = [p for p in declared(request.app.state.runtime.modules) if caller.may(p)]
    return Me(
        permissions=held,
        scopes={permission: _scope(caller.scope_of(permission)) for permission in held},
        administrator=caller.all_permissions,
    )


@router.get("/explain", dependencies=[require(AccessPermission.EXPLAIN_READ)])
async def explain_access(
    request: Request,
    session: Db,
    caller: Caller,
    asked: Annotated[Question, Query()],
) -> Explanation:
    """Why a person may or may not do something, role by role."""
    found = await service.explain(
        session,
        caller=caller,
        modules=request.app.state.runtime.modules,
        user_id=asked.user_id,
        permission=asked.permission,
        subject=asked.subject,
    )
    return Explanation.model_validate(
        {
            "person": ExplainedPerson.model_validate(found.person),
            "permission": asked.permission,
            "allowed": found.allowed,
            "why": found.why,
            "scope": _scope(found.scope),
            "roles": [_role(one) for one in found.roles],
            "others": [_other(role) for role in found.others],
            "subject": None
            if asked.subject is None or found.subject is None
            else ExplainedSubject.model_validate(
                {
                    "subject": asked.subject,
                    "visible": found.subject.visible,
                    "why": found.subject.why,
                    "roles": found.subject.roles,
                }
            ),
        }
    )


def _role(found: service.RoleVerdict) -> ExplainedRole:
    role = found.role
    return ExplainedRole.model_validate(
        {
            "id": role.id,
            "code": role.code,
            "name": role.name,
            "status": role.status,
            "data_scope": role.data_scope,
            "held": "everybody" if role.code == MEMBER else "assigned",
            "verdict": found.verdict,
            "scope": None if found.scope is None else _scope(found.scope),
        }
    )


def _other(role: Role) -> RoleThatGrants:
    return RoleThatGrants.model_validate(
        {"id": role.id, "code": role.code, "name": role.name, "data_scope": role.data_scope}
    )
