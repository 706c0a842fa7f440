"""What ``/api/group`` takes and gives."""

from typing import Annotated, Self

from pydantic import BaseModel, Field

from paifang.modules.gateway.changes import MAX_RPM
from paifang.modules.gateway.compat.lists import Paging, Text, Whole
from paifang.modules.gateway.compat.values import Status, amount, millis, status_number
from paifang.modules.gateway.groups.models import Group

Qpm = Annotated[int, Field(ge=0, le=MAX_RPM, description="Requests per minute; 0: no limit.")]


class GroupIn(BaseModel):
    """A new group."""

    id: str = Field(min_length=1)
    qpm: Qpm = 0


class StatusIn(BaseModel):
    """Another status."""

    status: Status


class QpmIn(BaseModel):
    """Another limit."""

    qpm: Qpm


class GroupSearch(Paging):
    """What groups may be narrowed by."""

    keyword: Text = Field(None, description="Part of the id.")
    status: Whole = Field(None, description="1 enabled, 2 disabled.")


class ProxyGroup(BaseModel):
    """A group as AI Proxy shows it."""

    id: str
    status: Status
    used_amount: float
    qpm: int
    request_count: int
    created_at: int
    accessed_at: int

    @classmethod
    def of(cls, group: Group) -> Self:
        """Show a row."""
        return cls(
            id=group.id,
            status=status_number(group.status),
            used_amount=amount(group.used),
            qpm=group.rpm or 0,
            request_count=group.requests,
            created_at=millis(group.created_at),
            accessed_at=millis(group.last_used_at),
        )


class ProxyGroups(BaseModel):
    """Some groups."""

    groups: list[ProxyGroup]
    total: int
